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

func newWalker(doc []byte) walker {
	if len(doc) < 5 {
		return walker{}
	}
	return walker{rest: doc[4:]}
}

// next moves to the next element and reports whether there is one.
func (w *walker) next() bool {
	if len(w.rest) == 0 || w.rest[0] == 0 {
		return false
	}
	end := bytes.IndexByte(w.rest[1:], 0)
	if end < 0 {
		return false
	}
	w.kind, w.name = bson.Type(w.rest[0]), w.rest[1:1+end]
	after := w.rest[2+end:]
	size := valueSize(w.kind, after)
	if size < 0 || size > len(after) {
		return false
	}
	w.value, w.rest = after[:size], after[size:]
	return true
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
