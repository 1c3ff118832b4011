// Package bsonjson turns JSON into raw BSON and back, in one pass each way and
// typed by a Shape, with no map[string]any in between.
//
// Decode is strict as RFC 8259 and I-JSON (RFC 7493) ask and reports every
// value of the wrong type at once, each with an RFC 6901 pointer. Whether a
// value of the right type is also allowed (rules, required fields) is the
// business of package schema, which checks the raw BSON.
package bsonjson

import "go.mongodb.org/mongo-driver/v2/bson"

// Kind is the type of a value, as a schema declares it.
type Kind uint8

// The kinds, and the JSON that stands for each.
const (
	Any      Kind = iota // any JSON value, typed by its form
	String               // string
	Int                  // number without a fraction, any int64
	Double               // number
	Decimal              // string holding a decimal number of up to 34 digits
	Bool                 // true or false
	Date                 // RFC 3339 string, stored in milliseconds
	ObjectID             // 24 hexadecimal digits
	UUID                 // RFC 9562 string, stored as binary subtype 4
	Binary               // base64 string (RFC 4648 section 4), stored as binary subtype 0
	Object               // object with declared fields
	Array                // array of Items
	Geo                  // GeoJSON geometry (RFC 7946)

	coordinates // a number of a GeoJSON geometry, or arrays of them
)

// Transform is a set of changes that a string goes through before it is checked.
type Transform uint8

// The transforms, applied in this order.
const (
	Trim Transform = 1 << iota
	Lowercase
	Uppercase
)

// Shape is all that the codec needs to know of a value. It is built once, when
// a schema is compiled, and never changed.
type Shape struct {
	Kind Kind
	// Nullable admits JSON null, stored as BSON null.
	Nullable  bool
	Transform Transform
	// Fields are an Object's, Items an Array's elements.
	Fields *Fields
	Items  *Shape
}

// Field is one named member of an object.
type Field struct {
	Name  string
	Shape *Shape
	// System fields are not part of the decoded body; Decoded has them apart.
	System System
	// Default is what a missing field gets where Options.Defaults is set; nil
	// for none.
	Default *Default
	// Apart keeps the value out of the decoded body, as the JSON that it is:
	// Decoded has it apart. Shape is nil then.
	Apart bool
}

// System names a field that Sheaf keeps in every document.
type System uint8

// The system fields; NotSystem is a declared field.
const (
	NotSystem System = iota
	ID
	Version
	CreatedAt
	UpdatedAt
	DeletedAt
	systemCount
)

// Stored is the name of a system field in MongoDB.
func (s System) Stored() string { return systemNames[s] }

var systemNames = [systemCount]string{ID: "_id", Version: "version", CreatedAt: "createdAt", UpdatedAt: "updatedAt", DeletedAt: "deletedAt"}

// Always reports whether every stored document has the field: DeletedAt is that
// of deleted ones.
func (s System) Always() bool { return s != NotSystem && s != DeletedAt }

// Default is what a field gets that was left out: a value made at compile time,
// or one made anew for every document.
type Default struct {
	Value    bson.RawValue
	Generate Generator
}

// Generator makes the value of a Default.
type Generator uint8

// The generators; Fixed takes Default.Value.
const (
	Fixed   Generator = iota
	Now               // the time of the write, as a date
	NewUUID           // a random UUID (version 4), as a uuid or as text in a string field
)

// Fields are the declared members of an object, in order.
type Fields struct {
	all         []Field
	index       map[string]int
	open        bool
	hasDefaults bool
}

// NewFields returns the members of an object. An open object also keeps members
// that are not declared, each as Any.
func NewFields(fields []Field, open bool) *Fields {
	f := &Fields{all: fields, index: make(map[string]int, len(fields)), open: open}
	for i, field := range fields {
		f.index[field.Name] = i
		f.hasDefaults = f.hasDefaults || field.Default != nil
	}
	return f
}

// All returns the declared members in order; the caller must not change them.
func (f *Fields) All() []Field { return f.all }

// Open reports whether undeclared members are kept.
func (f *Fields) Open() bool { return f.open }

// Lookup returns the place of a name in All.
func (f *Fields) Lookup(name []byte) (int, bool) {
	i, ok := f.index[string(name)]
	return i, ok
}

// Names returns the declared names in order.
func (f *Fields) Names() []string {
	names := make([]string, len(f.all))
	for i, field := range f.all {
		names[i] = field.Name
	}
	return names
}
