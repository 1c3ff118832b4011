package filter

import "go.mongodb.org/mongo-driver/v2/bson"

// BSON returns the filter for MongoDB.
func (b *Bound) BSON() bson.D { return conjunction(b.root.Nodes) }

// conjunction writes conditions that must all hold as one document: those on
// the same path share an entry, and what cannot share goes into an $and.
func conjunction(nodes []*Node) bson.D {
	doc := bson.D{}
	var rest bson.A
	for _, n := range flat(nodes, nil) {
		key, value := entry(n)
		if !join(&doc, key, value) {
			rest = append(rest, bson.D{{Key: key, Value: value}})
		}
	}
	if len(rest) > 0 {
		doc = append(doc, bson.E{Key: And.String(), Value: rest})
	}
	return doc
}

// flat dissolves the conjunctions within a conjunction.
func flat(nodes, into []*Node) []*Node {
	for _, n := range nodes {
		if n.Op == And {
			into = flat(n.Nodes, into)
		} else {
			into = append(into, n)
		}
	}
	return into
}

// join adds an entry to a document unless it stands in it already.
func join(doc *bson.D, key string, value any) bool {
	for i, e := range *doc {
		if e.Key != key {
			continue
		}
		there, isOperators := e.Value.(bson.D)
		added, areOperators := value.(bson.D)
		if !isOperators || !areOperators || has(there, added[0].Key) {
			return false
		}
		(*doc)[i].Value = append(there, added...)
		return true
	}
	*doc = append(*doc, bson.E{Key: key, Value: value})
	return true
}

func has(doc bson.D, key string) bool {
	for _, e := range doc {
		if e.Key == key {
			return true
		}
	}
	return false
}

// entry is one condition as a key and its value.
func entry(n *Node) (string, any) {
	switch operators[n.Op].operand {
	case conditions:
		alternatives := make(bson.A, len(n.Nodes))
		for i, inner := range n.Nodes {
			alternatives[i] = conjunction(inner.Nodes)
		}
		return n.Op.String(), alternatives
	case search:
		return n.Op.String(), n.Values[0]
	case related:
		panic("filter: a condition about related documents is not for MongoDB; Resolve comes first")
	}
	return n.Target.Stored, bson.D{{Key: n.Op.String(), Value: operandOf(n)}}
}

// operandOf is what stands after the operator of a comparison.
func operandOf(n *Node) any {
	switch operators[n.Op].operand {
	case condition:
		return operatorsOf(n.Nodes[0])
	case element:
		return elementOf(n.Nodes[0])
	case values, every:
		if len(n.Nodes) == 0 {
			return append([]bson.RawValue{}, n.Values...) // nil would become null
		}
		matches := make(bson.A, len(n.Nodes))
		for i, inner := range n.Nodes {
			matches[i] = bson.D{{Key: inner.Op.String(), Value: operandOf(inner)}}
		}
		return matches
	}
	return n.Values[0]
}

// operatorsOf writes conditions that are all about the same thing, so that they
// need no path.
func operatorsOf(all *Node) bson.D {
	var operators bson.D
	for _, inner := range all.Nodes {
		operators = append(operators, bson.E{Key: inner.Op.String(), Value: operandOf(inner)})
	}
	return operators
}

func elementOf(all *Node) bson.D {
	if len(all.Nodes) > 0 && all.Nodes[0].ofElement {
		return operatorsOf(all)
	}
	return conjunction(all.Nodes)
}
