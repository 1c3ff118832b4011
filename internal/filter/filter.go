// Package filter is Sheaf's one language of conditions: a safe subset of
// MongoDB's query syntax, in JSON, whose literals are typed by the schema.
//
// Parse turns text into a tree, without a schema. Bind settles which fields the
// tree speaks of and gives every literal its BSON type. A bound tree is written
// as a MongoDB filter by BSON, and decided in memory by Match; what it asks of
// related documents is replaced by Resolve before.
package filter

import (
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The bounds of one filter. They keep the work of planning it small; a filter
// that needs more is better put another way.
const (
	// MaxDepth is how deep conditions nest: $and, $or, $nor, $not, $elemMatch
	// and filters on related documents.
	MaxDepth = 20
	// MaxConditions is how many comparisons one filter holds.
	MaxConditions = 200
	// MaxValues is how many values one $in, $nin or $all lists.
	MaxValues = 1000
	// MaxPath is how long a path is, in bytes.
	MaxPath = 1000
	// MaxSearch is how long the words of a $text are, in bytes.
	MaxSearch = 1000
)

// Node is one condition of a tree.
type Node struct {
	Op Op
	// Pointer leads to the condition in the filter's text (RFC 6901), or names
	// the parameter that it came from.
	Pointer string
	// Nodes are what And, Or and Nor combine. Not has one: an And of the
	// operators that it negates. ElemMatch has one: an And of what an element
	// fulfils. All has those that it was given as $elemMatch. Some to IsNot have
	// one: an And of what the related documents fulfil.
	Nodes []*Node
	// Path is the dotted path of a comparison, as it was written. Within an
	// ElemMatch it leads on from the element, and is empty for the element itself.
	Path string
	// Target is what Path leads to, and Values are the typed operands: any
	// number for In, Nin and All, one for the others that have an operand. Both
	// are set by Bind.
	Target Target
	Values []bson.RawValue

	// literals are the operands as they were written; those whose type needs no
	// schema are in Values from the beginning.
	literals []literal
	// parameters are the places of Values that are yet to be filled.
	parameters []parameter
	// ofElement marks a comparison of the element of an ElemMatch itself.
	ofElement bool
	matcher   matcher
}

// matcher decides about the text of a string.
type matcher interface{ Match(text []byte) bool }

// literal is one operand with its place.
type literal struct {
	text    json.RawMessage
	pointer string
	// plain text is not JSON: its type is the field's.
	plain bool
	// parameter is named in place of a value, empty for none; list says that it
	// stands for all values of a list.
	parameter string
	list      bool
}

// Related returns what a Some, Every, None, Is or IsNot asks of the related
// documents, as a filter of their own collection.
func (n *Node) Related() *Bound { return &Bound{root: n.Nodes[0]} }

// AsksRelation reports whether the condition is about related documents: Some,
// Every, None, Is or IsNot.
func (n *Node) AsksRelation() bool { return operators[n.Op].operand == related }

// Tree is a filter that was read, its fields not yet known.
type Tree struct {
	root *Node
	// faulty says that parts are missing, which could not be read.
	faulty bool
}

// Empty reports whether the filter has no condition, and so admits everything.
func (t *Tree) Empty() bool { return !t.faulty && t.root.empty() }

func (n *Node) empty() bool { return n.Op == And && len(n.Nodes) == 0 }

// Join returns the filter that admits what all of the trees admit. Trees that
// are nil are left out.
func Join(trees ...*Tree) *Tree {
	joined := &Tree{root: &Node{Op: And}}
	for _, t := range trees {
		if t != nil {
			joined.root.Nodes = append(joined.root.Nodes, t.root.Nodes...)
			joined.faulty = joined.faulty || t.faulty
		}
	}
	return joined
}

// Bound is a filter whose fields are known and whose literals are typed. It is
// never changed.
type Bound struct {
	root *Node
}

// Empty reports whether the filter has no condition, and so admits everything.
func (b *Bound) Empty() bool { return b.root.empty() }

// Conditions are those that must all hold, with no And among them.
func (b *Bound) Conditions() []*Node { return flat(b.root.Nodes, nil) }

// Root returns the outermost condition, an And. It must not be changed.
func (b *Bound) Root() *Node { return b.root }

// Walk calls visit for every condition, outer ones first. It does not go into
// what is asked of related documents.
func (b *Bound) Walk(visit func(*Node)) { b.root.walk(visit) }

func (n *Node) walk(visit func(*Node)) {
	visit(n)
	if n.AsksRelation() {
		return
	}
	for _, inner := range n.Nodes {
		inner.walk(visit)
	}
}

// Has reports whether any of the conditions, those about related documents
// excepted, has one of the operators.
func (b *Bound) Has(ops ...Op) bool {
	found := false
	b.Walk(func(n *Node) {
		for _, op := range ops {
			found = found || n.Op == op
		}
	})
	return found
}

// HasRelations reports whether the filter asks about related documents.
func (b *Bound) HasRelations() bool { return b.Has(Some, Every, None, Is, IsNot) }

// Resolve returns the filter with every condition about related documents
// replaced by the one that replace returns for it. It stops at the first error.
func (b *Bound) Resolve(replace func(*Node) (*Node, error)) (*Bound, error) {
	if !b.HasRelations() {
		return b, nil
	}
	root, err := b.root.resolve(replace)
	if err != nil {
		return nil, err
	}
	return &Bound{root: root}, nil
}

func (n *Node) resolve(replace func(*Node) (*Node, error)) (*Node, error) {
	if n.AsksRelation() {
		plain, err := replace(n)
		if err == nil && plain.AsksRelation() {
			err = fmt.Errorf("filter: %s of %q was replaced by another condition about related documents", n.Op, n.Path)
		}
		return plain, err
	}
	resolved := *n
	resolved.Nodes = make([]*Node, len(n.Nodes))
	for i, inner := range n.Nodes {
		var err error
		if resolved.Nodes[i], err = inner.resolve(replace); err != nil {
			return nil, err
		}
	}
	return &resolved, nil
}
