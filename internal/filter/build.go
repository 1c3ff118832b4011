package filter

import "go.mongodb.org/mongo-driver/v2/bson"

// Conditions that are made in code, bound already.

// InValues returns the condition that the target is one of the values. With no
// values nothing fulfils it.
func InValues(target Target, values []bson.RawValue) *Node {
	return &Node{Op: In, Path: target.Stored, Target: target, Values: values}
}

// Compare returns the condition that the target compares with a value as op has
// it: Eq, Ne, Gt, Gte, Lt or Lte.
func Compare(target Target, op Op, value bson.RawValue) *Node {
	return &Node{Op: op, Path: target.Stored, Target: target, Values: []bson.RawValue{value}}
}

// Combine returns the condition that op makes of others: And, Or or Nor. With
// none of them all documents fulfil And and Nor, and no document Or.
func Combine(op Op, nodes ...*Node) *Node {
	if len(nodes) == 0 {
		return constant(op != Or)
	}
	combined := &Node{Op: op}
	for _, n := range nodes {
		if op != And && n.Op != And {
			n = &Node{Op: And, Nodes: []*Node{n}}
		}
		combined.Nodes = append(combined.Nodes, n)
	}
	return combined
}

// constant is the condition that every document fulfils, or none.
func constant(holds bool) *Node {
	if holds {
		return &Node{Op: And}
	}
	return InValues(Target{Stored: "_id"}, nil)
}

// Where returns the filter of conditions that must all hold.
func Where(nodes ...*Node) *Bound { return &Bound{root: Combine(And, nodes...)} }

// And returns the filter that admits what b and other both admit. Either may be
// nil, which admits everything.
func (b *Bound) And(other *Bound) *Bound {
	switch {
	case other == nil:
		return b
	case b == nil:
		return other
	}
	return Where(b.root, other.root)
}
