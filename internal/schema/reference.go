package schema

import (
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Ref is one reference that a document holds.
type Ref struct {
	// Reference is the field that it stands in: its place among
	// Collection.References.
	Reference int
	// ID is that of the document that it leads to.
	ID bson.RawValue
	// Pointer leads to the reference in the document.
	Pointer string
}

// Refs returns the references that a document holds, in its order.
func (c *Collection) Refs(doc bson.Raw) []Ref {
	if len(c.References) == 0 {
		return nil
	}
	var refs []Ref
	gatherRefs(c.rules, bson.TypeEmbeddedDocument, doc, "", &refs)
	return refs
}

func gatherRefs(r *rules, kind bson.Type, data []byte, pointer string, refs *[]Ref) {
	switch {
	case !r.holdsRefs || kind == bson.TypeNull:
	case r.typ == typeRef:
		*refs = append(*refs, Ref{Reference: r.reference, ID: bson.RawValue{Type: kind, Value: data}, Pointer: pointer})
	case r.typ == typeObject && kind == bson.TypeEmbeddedDocument:
		for w := newWalk(data); w.next(); {
			if i, declared := r.shape.Fields.Lookup(w.name); declared {
				gatherRefs(r.members[i], w.kind, w.value, bsonjson.AppendToken(pointer, string(w.name)), refs)
			}
		}
	case r.typ == typeArray && kind == bson.TypeArray:
		for w, i := newWalk(data), 0; w.next(); i++ {
			gatherRefs(r.items, w.kind, w.value, pointer+"/"+strconv.Itoa(i), refs)
		}
	}
}

// WithoutRefs returns a document without the references that drop tells: the
// field is gone, or null where it is required and nullable. An item of an array
// is gone, or null where the items are nullable. Whether what is left keeps the
// rules is for Check.
func (c *Collection) WithoutRefs(doc bson.Raw, drop func(Ref) bool) bson.Raw {
	return withoutRefs(c.rules, doc, drop)
}

func withoutRefs(r *rules, doc []byte, drop func(Ref) bool) bson.Raw {
	b := bsonjson.NewBuilder(len(doc))
	for w := newWalk(doc); w.next(); {
		value := bson.RawValue{Type: w.kind, Value: w.value}
		if i, declared := r.shape.Fields.Lookup(w.name); declared {
			value = withoutRef(r.members[i], value, r.members[i].required, drop)
		}
		if !value.IsZero() {
			b.Append(string(w.name), value)
		}
	}
	return b.Document()
}

// withoutRef returns what becomes of a value, the zero value where it is to go.
// stays says that null is to take the place of a reference that admits it.
func withoutRef(r *rules, value bson.RawValue, stays bool, drop func(Ref) bool) bson.RawValue {
	switch {
	case !r.holdsRefs || value.Type == bson.TypeNull:
	case r.typ == typeRef:
		if drop(Ref{Reference: r.reference, ID: value}) {
			return noRef(stays && r.shape.Nullable)
		}
	case r.typ == typeObject && value.Type == bson.TypeEmbeddedDocument:
		value.Value = withoutRefs(r, value.Value, drop)
	case r.typ == typeArray && value.Type == bson.TypeArray:
		value.Value = itemsWithoutRefs(r.items, value.Value, drop)
	}
	return value
}

func noRef(null bool) bson.RawValue {
	if null {
		return bson.RawValue{Type: bson.TypeNull}
	}
	return bson.RawValue{}
}

func itemsWithoutRefs(r *rules, array []byte, drop func(Ref) bool) bson.Raw {
	b := bsonjson.NewBuilder(len(array))
	for w, i := newWalk(array), 0; w.next(); {
		if value := withoutRef(r, bson.RawValue{Type: w.kind, Value: w.value}, true, drop); !value.IsZero() {
			b.Append(strconv.Itoa(i), value)
			i++
		}
	}
	return b.Document()
}

// markRefs notes which values hold references, and reports whether r does.
func markRefs(r *rules) bool {
	r.holdsRefs = r.typ == typeRef || r.items != nil && markRefs(r.items)
	for _, member := range r.members {
		r.holdsRefs = markRefs(member) || r.holdsRefs
	}
	return r.holdsRefs
}

// referrers notes in every collection which fields refer to it.
func (c *compiler) referrers(d *declaration) {
	for i, ref := range d.c.References {
		to := c.byName[ref.To].c
		d.c.References[i].Target = to
		to.Referrers = append(to.Referrers, Referrer{Collection: d.c, Reference: i})
	}
}

// referenceIndexes adds an index for every reference, so that what refers to a
// document is found without reading the collection: unless another index begins
// with the field and holds all documents that have a reference there.
func (c *compiler) referenceIndexes(d *declaration) {
	for _, ref := range d.c.References {
		c.indexFor(d, ref.Path)
	}
}

func (c *compiler) indexFor(d *declaration, path string) {
	if !slices.ContainsFunc(d.c.Indexes, func(index Index) bool { return index.serves(path) }) {
		index := Index{Keys: bson.D{{Key: path, Value: int32(1)}}, Fields: []string{path}}
		endWithID(&index)
		index.Name = indexName(index, false)
		d.c.Indexes = append(d.c.Indexes, index)
	}
}

// serves reports whether an index finds every document by the value at a path.
func (i Index) serves(path string) bool {
	first := i.Keys[0]
	return first.Key == path && (first.Value == int32(1) || first.Value == int32(-1)) && (i.Among() == nil || i.OfUniqueField)
}

// reference settles the target of a ref, and with it the kind of its values.
func (f *fieldCompiler) reference(d *fieldDeclaration) {
	if d.to == nil {
		f.problems.add(d.at, `"to" is missing: the collection that the reference leads to`)
		return
	}
	target := f.target(d.to)
	if target == nil {
		return
	}
	d.rules.to = target.c.Name
	d.shape.Kind = fieldTypes[target.c.ID.idType()].kind
	if d.onDelete != nil {
		f.onDelete(d)
	}
	path, many, ok := f.dotted()
	if !ok {
		f.problems.add(d.at, "a reference cannot lie at a name with a dot: no path leads there")
		return
	}
	d.reference = len(f.d.c.References)
	f.d.c.References = append(f.d.c.References, Reference{Path: path, To: target.c.Name, OnDelete: d.rules.onDelete, Many: many})
}

// target returns the declaration of the collection that a node names.
func (c *compiler) target(n *node) *declaration {
	name, ok := c.word(n)
	if !ok {
		return nil
	}
	if d, ok := c.byName[name]; ok {
		return d
	}
	c.problems.add(n, "unknown collection %q%s", shorten(name), nearest.Hint(name, c.collectionNames()))
	return nil
}

func (f *fieldCompiler) onDelete(d *fieldDeclaration) {
	word, ok := f.word(d.onDelete)
	if !ok {
		return
	}
	i, ok := f.oneOf(d.onDelete, "value of on_delete", word, onDeleteNames)
	if !ok {
		return
	}
	d.rules.onDelete = OnDelete(i)
	if d.rules.onDelete == SetNull && d.required && !d.shape.Nullable {
		f.problems.add(d.onDelete, "set_null does not fit a required field, unless it is nullable")
	}
}
