package update

import (
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
)

// node is a value of a document that is being changed. It stays raw until a
// change leads into it.
type node struct {
	kind bson.Type
	// raw is the value's BSON; nil once the node is open.
	raw []byte
	// members are those of an open object or array, in order.
	members []member
	open    bool
}

// member is an entry of an object; of an array it has no name.
type member struct {
	name  string
	value *node
}

func newNode(value bson.RawValue) *node { return &node{kind: value.Type, raw: value.Value} }

func newDocument(doc bson.Raw) *node { return &node{kind: bson.TypeEmbeddedDocument, raw: doc} }

func newArray() *node { return &node{kind: bson.TypeArray, open: true} }

func (n *node) isObject() bool { return n.kind == bson.TypeEmbeddedDocument }
func (n *node) isArray() bool  { return n.kind == bson.TypeArray }

// entries opens an object or array and returns its members.
func (n *node) entries() []member {
	if n.open || !n.isObject() && !n.isArray() {
		return n.members
	}
	elements, _ := bson.Raw(n.raw).Elements()
	n.members = make([]member, len(elements))
	for i, e := range elements {
		n.members[i].value = newNode(e.Value())
		if n.isObject() {
			n.members[i].name = e.Key()
		}
	}
	n.raw, n.open = nil, true
	return n.members
}

// find returns the place of a step among the entries, -1 where there is none.
func (n *node) find(s step) int {
	switch {
	case n.isObject():
		for i, m := range n.entries() {
			if m.name == s.name {
				return i
			}
		}
	case n.isArray() && s.isIndex && s.index < len(n.entries()):
		return s.index
	}
	return -1
}

// get returns the value at a step, nil where there is none.
func (n *node) get(s step) *node {
	if i := n.find(s); i >= 0 {
		return n.members[i].value
	}
	return nil
}

// set puts a value at a step: in its place, or last. Behind the end of an array
// nulls come before it.
func (n *node) set(s step, value *node) {
	if i := n.find(s); i >= 0 {
		n.members[i].value = value
		return
	}
	for n.isArray() && len(n.members) < s.index {
		n.members = append(n.members, member{value: &node{kind: bson.TypeNull}})
	}
	n.members = append(n.members, member{s.name, value})
}

// value returns what the node has become.
func (n *node) value() bson.RawValue {
	if !n.open {
		return bson.RawValue{Type: n.kind, Value: n.raw}
	}
	return bson.RawValue{Type: n.kind, Value: n.append(nil)}
}

// append writes the node's value.
func (n *node) append(dst []byte) []byte {
	if !n.open {
		return append(dst, n.raw...)
	}
	start, dst := bsoncore.AppendDocumentStart(dst)
	for i, m := range n.members {
		name := m.name
		if n.isArray() {
			name = strconv.Itoa(i)
		}
		dst = bsoncore.AppendHeader(dst, bsoncore.Type(m.value.kind), name)
		dst = m.value.append(dst)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, start)
	return dst
}

// clone returns a copy that shares nothing that changes.
func (n *node) clone() *node { return newNode(n.value()) }

// step is one step of a path: the name of a member, which can be the index of
// an item too.
type step struct {
	name    string
	index   int
	isIndex bool
	// place is what the step leads to.
	place schema.Place
}

// maxIndexDigits bounds an index in a path: no array has more items.
const maxIndexDigits = 7

func newStep(name string) step {
	s := step{name: name}
	if len(name) == 0 || len(name) > maxIndexDigits || len(name) > 1 && name[0] == '0' {
		return s
	}
	n, err := strconv.ParseUint(name, 10, 32)
	s.index, s.isIndex = int(n), err == nil
	return s
}

// fresh is an object that a change brings into being on its way: it gets the
// defaults of its fields, as one does that a client sends.
func (s step) fresh(now time.Time) *node {
	fields := s.place.Shape().Fields
	if fields == nil {
		return &node{kind: bson.TypeEmbeddedDocument, open: true}
	}
	return newDocument(bsonjson.Fresh(nil, fields, now))
}

// pointer is the RFC 6901 pointer of a path into a document.
func pointer(steps []step) string {
	at := ""
	for _, s := range steps {
		at = bsonjson.AppendToken(at, s.name)
	}
	return at
}
