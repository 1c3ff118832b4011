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
	case condition:
		return n.Target.Stored, bson.D{{Key: n.Op.String(), Value: negated(n.Nodes[0])}}
	case values:
		return n.Target.Stored, bson.D{{Key: n.Op.String(), Value: n.Values}}
	}
	return n.Target.Stored, bson.D{{Key: n.Op.String(), Value: n.Values[0]}}
}

// negated writes the operators under a $not, which all have its path.
func negated(all *Node) bson.D {
	var operators bson.D
	for _, inner := range all.Nodes {
		_, value := entry(inner)
		operators = append(operators, value.(bson.D)...)
	}
	return operators
}
