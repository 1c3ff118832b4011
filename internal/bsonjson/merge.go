package bsonjson

import (
	"encoding/binary"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Merge applies a merge patch (RFC 7396), as Decode reads it with Options.Patch,
// to a document. Members keep their place; new ones come last. An object that
// the patch brings into being gets the defaults of its fields; now is what the
// Now generator gives.
func Merge(target, patch bson.Raw, fields *Fields, now time.Time) bson.Raw {
	m := merger{now: now, dst: make([]byte, 0, len(target)+len(patch))}
	m.merge(target, patch, fields)
	return m.dst
}

type merger struct {
	dst []byte
	now time.Time
}

// merge appends target changed by patch.
func (m *merger) merge(target, patch []byte, fields *Fields) {
	start := m.begin()
	changes := members(patch)
	for w := newWalker(target); w.next(); {
		change, changed := changes[string(w.name)]
		if !changed {
			m.element(w.kind, w.name, w.value)
			continue
		}
		m.change(w.name, w.kind, w.value, change, fields)
		delete(changes, string(w.name))
	}
	for w := newWalker(patch); w.next(); {
		if change, left := changes[string(w.name)]; left {
			m.change(w.name, 0, nil, change, fields)
		}
	}
	m.end(start)
}

// change appends the member name as the patch leaves it, if it does: kind and
// value are what it was before, kind 0 for a new one.
func (m *merger) change(name []byte, kind bson.Type, value []byte, change bson.RawValue, fields *Fields) {
	switch change.Type {
	case bson.TypeNull:
	case bson.TypeEmbeddedDocument:
		m.dst = append(append(append(m.dst, byte(bson.TypeEmbeddedDocument)), name...), 0)
		nested := nestedFields(fields, name)
		if kind == bson.TypeEmbeddedDocument {
			m.merge(value, change.Value, nested)
			return
		}
		m.fresh(change.Value, nested)
	default:
		m.element(change.Type, name, change.Value)
	}
}

// fresh appends a patch that nothing was there for: its nulls go, and the
// defaults of its fields come.
func (m *merger) fresh(patch []byte, fields *Fields) {
	start := m.begin()
	given := members(patch)
	for w := newWalker(patch); w.next(); {
		m.change(w.name, 0, nil, bson.RawValue{Type: w.kind, Value: w.value}, fields)
	}
	for i := range fields.all {
		field := &fields.all[i]
		if _, ok := given[field.Name]; !ok && field.Default != nil {
			m.dst = appendDefault(m.dst, field, m.now)
		}
	}
	m.end(start)
}

// Fresh returns what a merge patch makes where nothing was before, nil for an
// empty one: an object with the defaults of its fields.
func Fresh(patch bson.Raw, fields *Fields, now time.Time) bson.Raw {
	m := merger{now: now}
	m.fresh(patch, fields)
	return m.dst
}

func (m *merger) begin() int {
	m.dst = append(m.dst, 0, 0, 0, 0)
	return len(m.dst) - 4
}

func (m *merger) end(start int) {
	m.dst = append(m.dst, 0)
	binary.LittleEndian.PutUint32(m.dst[start:], uint32(len(m.dst)-start))
}

func (m *merger) element(kind bson.Type, name, value []byte) {
	m.dst = append(append(append(m.dst, byte(kind)), name...), 0)
	m.dst = append(m.dst, value...)
}

func members(doc []byte) map[string]bson.RawValue {
	found := make(map[string]bson.RawValue)
	for w := newWalker(doc); w.next(); {
		found[string(w.name)] = bson.RawValue{Type: w.kind, Value: w.value}
	}
	return found
}

// nestedFields returns the members that the object name declares; an open one
// without any where it declares none.
func nestedFields(fields *Fields, name []byte) *Fields {
	if i, ok := fields.Lookup(name); ok && fields.all[i].Shape.Fields != nil {
		return fields.all[i].Shape.Fields
	}
	return anything
}

// Builder puts a document together from elements.
type Builder struct {
	dst []byte
}

// NewBuilder returns a builder with room for size bytes.
func NewBuilder(size int) *Builder {
	return &Builder{dst: append(make([]byte, 0, size+5), 0, 0, 0, 0)}
}

// Append adds a member.
func (b *Builder) Append(name string, value bson.RawValue) *Builder {
	b.dst = append(append(append(b.dst, byte(value.Type)), name...), 0)
	b.dst = append(b.dst, value.Value...)
	return b
}

// AppendAll adds the members of a document that keep admits; nil admits all.
func (b *Builder) AppendAll(doc bson.Raw, keep func(name []byte) bool) *Builder {
	if keep == nil {
		b.dst = append(b.dst, doc[4:len(doc)-1]...)
		return b
	}
	for w := newWalker(doc); w.next(); {
		if keep(w.name) {
			b.Append(string(w.name), bson.RawValue{Type: w.kind, Value: w.value})
		}
	}
	return b
}

// Document returns what was built; the builder is not to be used again.
func (b *Builder) Document() bson.Raw {
	b.dst = append(b.dst, 0)
	binary.LittleEndian.PutUint32(b.dst, uint32(len(b.dst)))
	return b.dst
}

// IntValue returns an int as BSON.
func IntValue(n int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt64, Value: binary.LittleEndian.AppendUint64(nil, uint64(n))}
}

// DateValue returns a time as BSON, cut to milliseconds.
func DateValue(t time.Time) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDateTime, Value: binary.LittleEndian.AppendUint64(nil, uint64(t.UnixMilli()))}
}

// StringValue returns a string as BSON.
func StringValue(s string) bson.RawValue {
	var d decoder
	d.appendText([]byte(s))
	return bson.RawValue{Type: bson.TypeString, Value: d.dst}
}

// UUIDValue returns a UUID as BSON.
func UUIDValue(id [16]byte) bson.RawValue {
	var d decoder
	d.appendUUID(id)
	return bson.RawValue{Type: bson.TypeBinary, Value: d.dst}
}
