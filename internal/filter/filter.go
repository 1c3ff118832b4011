// Package filter is Sheaf's one language of conditions: a safe subset of
// MongoDB's query syntax, in JSON, whose literals are typed by the schema.
//
// Parse turns text into a tree, without a schema. Bind settles which fields the
// tree speaks of and gives every literal its BSON type. A bound tree is written
// as a MongoDB filter by BSON.
package filter

import (
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The bounds of one filter. They keep the work of planning it small; a filter
// that needs more is better put another way.
const (
	// MaxDepth is how deep conditions nest: $and, $or, $nor and $not.
	MaxDepth = 20
	// MaxConditions is how many comparisons one filter holds.
	MaxConditions = 200
	// MaxValues is how many values one $in or $nin lists.
	MaxValues = 1000
)

// Op is an operator.
type Op uint8

// The operators. And, Or, Nor and Not combine conditions; the others compare
// the values at a path.
const (
	And Op = iota
	Or
	Nor
	Not
	Eq
	Ne
	Gt
	Gte
	Lt
	Lte
	In
	Nin
	Exists
)

// String returns the operator as it is written.
func (op Op) String() string { return operators[op].name }

// operand says what stands after an operator.
type operand uint8

const (
	conditions operand = iota // a list of conditions
	condition                 // operators for the same path
	value                     // a value of the field's type
	values                    // a list of them
	flag                      // true or false
)

// operators is the table of the language.
var operators = [...]struct {
	name    string
	operand operand
}{
	And:    {"$and", conditions},
	Or:     {"$or", conditions},
	Nor:    {"$nor", conditions},
	Not:    {"$not", condition},
	Eq:     {"$eq", value},
	Ne:     {"$ne", value},
	Gt:     {"$gt", value},
	Gte:    {"$gte", value},
	Lt:     {"$lt", value},
	Lte:    {"$lte", value},
	In:     {"$in", values},
	Nin:    {"$nin", values},
	Exists: {"$exists", flag},
}

// operatorNames are the operators of one operand group: those that stand for a
// whole condition, or those that follow a path.
func operatorNames(combining bool) []string {
	var names []string
	for _, o := range operators {
		if (o.operand == conditions) == combining {
			names = append(names, o.name)
		}
	}
	return names
}

func operator(name string) (Op, bool) {
	for op, o := range operators {
		if o.name == name {
			return Op(op), true
		}
	}
	return 0, false
}

// Node is one condition of a tree.
type Node struct {
	Op Op
	// Pointer leads to the condition in the filter's text (RFC 6901).
	Pointer string
	// Nodes are what And, Or and Nor combine; Not has one, an And of the
	// operators that it negates.
	Nodes []*Node
	// Path is the dotted path of a comparison, as it was written.
	Path string
	// Target is what Path leads to, and Values are the typed operands: one, or
	// any number for In and Nin. Both are set by Bind.
	Target Target
	Values []bson.RawValue

	// literals are the operands as they were written.
	literals []literal
}

// literal is one operand with its place.
type literal struct {
	text    json.RawMessage
	pointer string
}

// Tree is a filter that was read, its fields not yet known.
type Tree struct {
	root *Node
}

// Empty reports whether the filter has no condition, and so admits everything.
func (t *Tree) Empty() bool { return t.root.Op == And && len(t.root.Nodes) == 0 }

// Bound is a filter whose fields are known and whose literals are typed. It is
// never changed.
type Bound struct {
	root *Node
}

// Walk calls visit for every condition, outer ones first.
func (b *Bound) Walk(visit func(*Node)) { b.root.walk(visit) }

func (n *Node) walk(visit func(*Node)) {
	visit(n)
	for _, inner := range n.Nodes {
		inner.walk(visit)
	}
}
