package filter

import (
	"encoding/json"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// Bind settles what every path of the tree leads to and types its literals. All
// that does not fit is noted in faults. It returns nil where there are faults,
// those that Parse noted included. The tree stays as it is.
func (t *Tree) Bind(resolve Resolver, faults *fault.List) *Bound {
	before := len(faults.Items)
	b := binder{resolve: resolve, faults: faults}
	root := b.bind(t.root)
	b.single(root, Text, Near)
	if t.faulty || len(faults.Items) > before {
		return nil
	}
	return &Bound{root: root}
}

// binder binds the conditions on the fields that resolve finds.
type binder struct {
	resolve Resolver
	faults  *fault.List
	// element is what the comparisons of the element of an ElemMatch itself
	// are about.
	element Target
}

func (b binder) bind(n *Node) *Node {
	bound := *n
	switch {
	case operators[n.Op].operand == conditions:
		b.inner(&bound)
	case n.ofElement:
		bound.Target = b.element
		b.operation(&bound)
	default:
		target, err := b.resolve(b.pathOf(n))
		if err != nil {
			b.pathFault(n, err)
			return &bound
		}
		bound.Target = target
		b.operation(&bound)
	}
	return &bound
}

// pathOf is what the resolver is asked for: a search has the name of its
// operator for a path.
func (b binder) pathOf(n *Node) string {
	if n.Op == Text {
		return TextIndex
	}
	return n.Path
}

// inner binds the conditions within a condition.
func (b binder) inner(bound *Node) {
	nodes := bound.Nodes
	bound.Nodes = make([]*Node, len(nodes))
	for i, n := range nodes {
		bound.Nodes[i] = b.bind(n)
	}
}

// pathFault notes a wrong path once, though several operators may follow it.
func (b binder) pathFault(n *Node, reason error) {
	if b.faults.Has(n.Pointer) {
		return
	}
	if n.Op == Text {
		b.faults.Add(n.Pointer, "unknown-operator", "%s %s", n.Op, reason)
		return
	}
	b.faults.Add(n.Pointer, "unknown-field", "%q %s", shorten(n.Path), reason)
}

// operation binds what an operator asks of its target.
func (b binder) operation(bound *Node) {
	if reason := misfit(bound.Op, bound.Target); reason != nil {
		b.faults.Add(bound.Pointer, "type", "%s", reason)
		return
	}
	switch {
	case bound.AsksRelation():
		b.relation(bound)
	case bound.Op == ElemMatch:
		b.withinElement(bound)
	case len(bound.Nodes) > 0:
		b.inner(bound)
	default:
		b.values(bound)
	}
}

// misfit says why an operator does not fit what it is asked of.
func misfit(op Op, target Target) error {
	wanted := operators[op].operand
	if target.Relation != nil && wanted != related {
		return errors.New("is about a relation; ask for the related documents with " + Quantifiers(target.Relation.Many))
	}
	if wanted == search {
		return nil
	}
	if target.Relation == nil && wanted == related {
		return errors.New(op.String() + " is asked of relations, and this is a field")
	}
	if target.Relation != nil {
		return manyMisfit(op, target.Relation.Many)
	}
	kind := target.Shape.Kind
	switch {
	case kind == bsonjson.Any && wanted != distance:
	case (wanted == count || wanted == element) && kind != bsonjson.Array:
		return errors.New(op.String() + " is asked of arrays, and this is of type " + kind.String())
	case wanted == expression && elementShape(target.Shape).Kind != bsonjson.String && elementShape(target.Shape).Kind != bsonjson.Any:
		return errors.New(op.String() + " is asked of strings, and this is of type " + kind.String())
	case (wanted == area || wanted == distance) && elementShape(target.Shape).Kind != bsonjson.Geo:
		return errors.New(op.String() + " is asked of fields of type geo, and this is of type " + kind.String())
	case wanted == distance && !target.Near:
		return errors.New(op.String() + " needs a 2dsphere index on the field, which the schema does not declare")
	}
	return nil
}

// withinElement binds what an ElemMatch asks of an element.
func (b binder) withinElement(bound *Node) {
	shape := anything
	if bound.Target.Shape.Kind == bsonjson.Array {
		shape = bound.Target.Shape.Items
	}
	extended := bound.Target.Extended
	b.element = Target{Shape: shape, Extended: extended}
	b.resolve = func(path string) (Target, error) {
		target, err := resolveWithin(shape, path)
		target.Extended = extended
		return target, err
	}
	b.inner(bound)
}

// values types the literals.
func (b binder) values(bound *Node) {
	if len(bound.Values) > 0 {
		return // they needed no schema
	}
	bound.Values = make([]bson.RawValue, 0, len(bound.literals))
	for _, l := range bound.literals {
		if l.parameter != "" {
			b.parameterOf(bound, l)
			continue
		}
		if value, ok := b.value(bound.Op, bound.Target, l); ok {
			bound.Values = append(bound.Values, value)
		}
	}
}

var (
	flagShape  = &bsonjson.Shape{Kind: bsonjson.Bool}
	countShape = &bsonjson.Shape{Kind: bsonjson.Int}
	nullValue  = bson.RawValue{Type: bson.TypeNull}
)

// value types one literal. A null is admitted for equality whatever the field
// says: it also stands for a field that is not there.
func (b binder) value(op Op, target Target, l literal) (bson.RawValue, bool) {
	shape := target.Shape
	switch {
	case operators[op].operand == flag:
		shape = flagShape
	case operators[op].operand == count:
		shape = countShape
	case string(l.text) == "null" && !l.plain && (op == Eq || op == Ne || op == In || op == Nin || op == All):
		return nullValue, true
	case shape.Kind == bsonjson.Array && (l.plain || !isList(l.text)):
		shape = elementShape(shape)
	}
	value, ok := b.typed(shape, l, target.Extended)
	if ok && operators[op].operand == count && value.Int64() < 0 {
		b.faults.Add(l.pointer, "type", "must be a whole number from 0")
		return value, false
	}
	return value, ok
}

func (b binder) typed(shape *bsonjson.Shape, l literal, extended bool) (bson.RawValue, bool) {
	if l.plain {
		return b.plainText(shape, l)
	}
	before := len(b.faults.Items)
	value, err := bsonjson.DecodeValue(l.text, shape, bsonjson.Options{Pointer: l.pointer, Extended: extended}, b.faults)
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

// single notes operators of which MongoDB takes one a query, each excluding the
// others.
func (b binder) single(root *Node, ops ...Op) {
	var first *Node
	(&Bound{root: root}).Walk(func(n *Node) {
		switch {
		case n.Op != ops[0] && n.Op != ops[1]:
		case first == nil:
			first = n
		default:
			b.faults.Add(n.Pointer, "unknown-operator", "%s does not stand beside another %s", n.Op, first.Op)
		}
	})
}
