package filter

import (
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// Bind settles what every path of the tree leads to and types its literals. All
// that does not fit is noted in faults, and nil returned. The tree stays as it is.
func (t *Tree) Bind(resolve Resolver, faults *fault.List) *Bound {
	before := len(faults.Items)
	b := binder{resolve: resolve, faults: faults}
	root := b.bind(t.root)
	if len(faults.Items) > before {
		return nil
	}
	return &Bound{root: root}
}

type binder struct {
	resolve Resolver
	faults  *fault.List
}

func (b binder) bind(n *Node) *Node {
	bound := *n
	bound.Nodes = make([]*Node, len(n.Nodes))
	for i, inner := range n.Nodes {
		bound.Nodes[i] = b.bind(inner)
	}
	if operators[n.Op].operand == conditions {
		return &bound
	}
	target, err := b.resolve(n.Path)
	if err != nil {
		b.pathFault(n, err)
		return &bound
	}
	bound.Target = target
	bound.Values = make([]bson.RawValue, 0, len(n.literals))
	for _, l := range n.literals {
		if value, ok := b.value(n.Op, target.Shape, l); ok {
			bound.Values = append(bound.Values, value)
		}
	}
	return &bound
}

// pathFault notes a wrong path once, though several operators may follow it.
func (b binder) pathFault(n *Node, reason error) {
	if !b.faults.Has(n.Pointer) {
		b.faults.Add(n.Pointer, "unknown-field", "%q %s", shorten(n.Path), reason)
	}
}

var (
	flagShape = &bsonjson.Shape{Kind: bsonjson.Bool}
	nullValue = bson.RawValue{Type: bson.TypeNull}
)

// value types one literal. A null is admitted for equality whatever the field
// says: it also stands for a field that is not there.
func (b binder) value(op Op, shape *bsonjson.Shape, l literal) (bson.RawValue, bool) {
	switch {
	case operators[op].operand == flag:
		shape = flagShape
	case string(l.text) == "null" && (op == Eq || op == Ne || op == In || op == Nin):
		return nullValue, true
	case shape.Kind == bsonjson.Array && !isList(l.text):
		shape = elementShape(shape)
	}
	before := len(b.faults.Items)
	value, err := bsonjson.DecodeValue(l.text, shape, bsonjson.Options{Pointer: l.pointer}, b.faults)
	if err != nil {
		b.faults.Add(l.pointer, "syntax", "is not a value that can be compared")
	}
	return value, len(b.faults.Items) == before
}

func isList(text json.RawMessage) bool { return len(text) > 0 && text[0] == '[' }

// elementShape is what a single value is compared with, where the field is an
// array: MongoDB looks at each element.
func elementShape(shape *bsonjson.Shape) *bsonjson.Shape {
	for shape.Kind == bsonjson.Array {
		shape = shape.Items
	}
	return shape
}
