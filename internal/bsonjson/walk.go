package bsonjson

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// walker steps through the elements of a BSON document without copies. It
// stops at the first element that is not whole.
type walker struct {
	rest  []byte
	kind  bson.Type
	name  []byte
	value []byte
}

func newWalker(doc []byte) walker { return walker{rest: body(doc)} }

// next moves to the next element and reports whether there is one.
func (w *walker) next() bool {
	if len(w.rest) == 0 {
		return false
	}
	name, value, after, ok := element(w.rest)
	if ok {
		w.kind, w.name, w.value, w.rest = bson.Type(w.rest[0]), name, value, after
	}
	return ok
}

// body returns the elements of a document, the byte that ends it included.
func body(doc []byte) []byte {
	if len(doc) < 5 {
		return nil
	}
	return doc[4:]
}

// element takes the first of some elements apart, whose type is rest[0]. ok is
// false at the end, and for an element that is not whole.
func element(rest []byte) (name, value, after []byte, ok bool) {
	end := 1
	for end < len(rest) && rest[end] != 0 {
		end++
	}
	if end >= len(rest) || rest[0] == 0 {
		return nil, nil, nil, false
	}
	name, after = rest[1:end], rest[end+1:]
	size := valueSize(bson.Type(rest[0]), after)
	if size < 0 || size > len(after) {
		return nil, nil, nil, false
	}
	return name, after[:size], after[size:], true
}

// valueSize returns how many bytes a value takes at the start of data, -1 where
// it is not whole.
func valueSize(kind bson.Type, data []byte) int {
	switch kind {
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0
	case bson.TypeBoolean:
		return 1
	case bson.TypeInt32:
		return 4
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		return 8
	case bson.TypeObjectID:
		return 12
	case bson.TypeDecimal128:
		return 16
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return lengthAt(data, 4, 5)
	case bson.TypeBinary:
		return lengthAt(data, 5, 5)
	case bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope:
		return lengthAt(data, 0, 5)
	}
	return foreignSize(kind, data)
}

// lengthAt returns extra plus the length that data begins with, -1 where that
// is less than least.
func lengthAt(data []byte, extra, least int) int {
	if len(data) < 4 {
		return -1
	}
	n := int(int32(u32(data)))
	if n < 0 || n+extra < least {
		return -1
	}
	return n + extra
}

// foreignSize is valueSize for the rare types whose length is not written down.
func foreignSize(kind bson.Type, data []byte) int {
	switch kind {
	case bson.TypeRegex:
		if parts := bytes.SplitN(data, []byte{0}, 3); len(parts) == 3 {
			return len(parts[0]) + len(parts[1]) + 2
		}
	case bson.TypeDBPointer:
		if n := lengthAt(data, 4, 5); n >= 0 {
			return n + len(bson.ObjectID{})
		}
	}
	return -1
}
