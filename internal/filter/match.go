package filter

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Matchable reports whether Match can decide the filter: $text, $geoWithin and
// $near are MongoDB's alone, and what is asked of related documents needs them.
func (b *Bound) Matchable() bool {
	return !b.Has(Text, GeoWithin, Near, Some, Every, None, Is, IsNot)
}

// Match reports whether a document, as it is stored, fulfils the filter: exactly
// where MongoDB would find it, but for the patterns with several repeats whose
// match MongoDB leaves off looking for in a long text. A filter that is not
// Matchable matches nothing.
func (b *Bound) Match(doc bson.Raw) bool { return b.Matchable() && b.root.matches(doc) }

// matches decides about a document, or about an array taken for a document
// whose names are 0, 1 and so on.
func (n *Node) matches(doc bson.Raw) bool {
	switch n.Op {
	case And:
		return n.allOf(func(inner *Node) bool { return inner.matches(doc) })
	case Or:
		return n.anyOf(func(inner *Node) bool { return inner.matches(doc) })
	case Nor:
		return !n.anyOf(func(inner *Node) bool { return inner.matches(doc) })
	case Not:
		return !n.Nodes[0].matches(doc)
	}
	return n.decide(func(holds func(bson.RawValue) bool) bool {
		v := visit{arrays: !n.asksOfArray(), holds: holds}
		return v.document(doc, strings.Split(n.Target.Stored, "."))
	})
}

// asksOfArray reports whether the condition is about an array as such.
func (n *Node) asksOfArray() bool {
	return n.Op == Size || n.Op == ElemMatch || n.Op == All && len(n.Nodes) > 0
}

// fulfils decides conditions of the element of an ElemMatch itself, where an
// array is one value and not looked into.
func (n *Node) fulfils(element bson.RawValue) bool {
	switch n.Op {
	case And:
		return n.allOf(func(inner *Node) bool { return inner.fulfils(element) })
	case Not:
		return !n.Nodes[0].fulfils(element)
	}
	return n.decide(func(holds func(bson.RawValue) bool) bool { return holds(element) })
}

func (n *Node) anyOf(holds func(*Node) bool) bool {
	for _, inner := range n.Nodes {
		if holds(inner) {
			return true
		}
	}
	return false
}

func (n *Node) allOf(holds func(*Node) bool) bool {
	return !n.anyOf(func(inner *Node) bool { return !holds(inner) })
}

// decide settles a comparison, where some reports whether a test holds for any
// of the values that it is about.
func (n *Node) decide(some func(holds func(bson.RawValue) bool) bool) bool {
	switch n.Op {
	case Ne, Nin:
		return !some(n.equalsAny)
	case Eq, In:
		return some(n.equalsAny)
	case Exists:
		return some(isThere) == n.Values[0].Boolean()
	case All:
		return n.hasAll(some)
	}
	return some(n.holds)
}

func isThere(value bson.RawValue) bool { return value.Type != 0 }

func (n *Node) equalsAny(value bson.RawValue) bool {
	for _, operand := range n.Values {
		if compares(Eq, value, operand) {
			return true
		}
	}
	return false
}

// hasAll decides All: each of its values, or of its ElemMatches, is there. One
// without any admits nothing.
func (n *Node) hasAll(some func(holds func(bson.RawValue) bool) bool) bool {
	for _, operand := range n.Values {
		if !some(func(value bson.RawValue) bool { return compares(Eq, value, operand) }) {
			return false
		}
	}
	for _, inner := range n.Nodes {
		if !some(inner.holds) {
			return false
		}
	}
	return len(n.Values)+len(n.Nodes) > 0
}

// holds decides about one value; the zero value is one that is not there.
func (n *Node) holds(value bson.RawValue) bool {
	switch n.Op {
	case Regex:
		return value.Type == bson.TypeString && n.matcher.Match(textOf(value))
	case Size:
		items, ok := itemsOf(value)
		return ok && int64(len(items)) == n.Values[0].Int64()
	case ElemMatch:
		items, _ := itemsOf(value)
		for _, item := range items {
			if n.matchesElement(item) {
				return true
			}
		}
		return false
	}
	return compares(n.Op, value, n.Values[0])
}

func (n *Node) matchesElement(item bson.RawValue) bool {
	wanted := n.Nodes[0]
	if len(wanted.Nodes) > 0 && wanted.Nodes[0].ofElement {
		return wanted.fulfils(item)
	}
	return (item.Type == bson.TypeEmbeddedDocument || item.Type == bson.TypeArray) && wanted.matches(item.Value)
}

func itemsOf(value bson.RawValue) (items []bson.RawValue, ok bool) {
	array, ok := value.ArrayOK()
	if !ok {
		return nil, false
	}
	items, err := array.Values()
	return items, err == nil
}

// visit goes to the values at a path as MongoDB does, until a test holds.
type visit struct {
	// arrays says that an array at the end of the path is looked into, before it
	// is looked at.
	arrays bool
	holds  func(bson.RawValue) bool
}

// document visits the values at a path in a document. What is missing is
// visited as the zero value.
func (v visit) document(doc bson.Raw, steps []string) bool {
	for i, name := range steps {
		value, err := doc.LookupErr(name)
		switch {
		case err != nil:
			return v.holds(bson.RawValue{})
		case value.Type == bson.TypeArray:
			return v.array(value, steps[i+1:])
		case i == len(steps)-1:
			return v.holds(value)
		case value.Type != bson.TypeEmbeddedDocument:
			return v.holds(bson.RawValue{})
		}
		doc = value.Value
	}
	return false
}

// array visits the values at the rest of a path in an array: the rest may lead
// on from each element that is a document, and from one element by its place.
func (v visit) array(array bson.RawValue, rest []string) bool {
	items, _ := itemsOf(array)
	if len(rest) == 0 {
		return v.end(array, items)
	}
	for i, item := range items {
		if item.Type == bson.TypeEmbeddedDocument && v.document(item.Value, rest) {
			return true
		}
		if rest[0] == strconv.Itoa(i) && v.place(item, rest[1:]) {
			return true
		}
	}
	return false
}

func (v visit) end(array bson.RawValue, items []bson.RawValue) bool {
	if v.arrays {
		for _, item := range items {
			if v.holds(item) {
				return true
			}
		}
	}
	return v.holds(array)
}

// place visits one element that the path leads to by its place. Where the path
// ends there, an array is looked at and not into.
func (v visit) place(item bson.RawValue, rest []string) bool {
	switch {
	case len(rest) == 0:
		return v.holds(item)
	case item.Type == bson.TypeEmbeddedDocument:
		return v.document(item.Value, rest)
	case item.Type == bson.TypeArray:
		return v.array(item, rest)
	}
	return false
}
