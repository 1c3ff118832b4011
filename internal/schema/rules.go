package schema

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// rules are the declaration of one value, compiled: of a field, of the items of
// an array, or of a whole document.
type rules struct {
	// name is the member's; empty for items and for documents.
	name        string
	typ         fieldType
	description string
	shape       *bsonjson.Shape
	required    bool
	unique      bool
	initial     *bsonjson.Default

	// Of strings; lengths are in code points, -1 for none.
	minLength, maxLength int
	pattern              *textPattern
	// Of numbers and dates; the zero value for none.
	min, max bson.RawValue
	// As sentences have them, written once.
	minText, maxText string
	enum             []bson.RawValue
	check            *tagCheck

	// Of objects: as the shape's fields are.
	members []*rules
	// Of arrays; -1 for no limit.
	items              *rules
	minItems, maxItems int
	uniqueItems        bool

	// Of references: reference is the place among Collection.References.
	to        string
	onDelete  OnDelete
	reference int
	// holdsRefs is set where the value is a reference, or has one within.
	holdsRefs bool
}

func newRules(name string) *rules {
	return &rules{name: name, minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, shape: &bsonjson.Shape{}}
}

// fieldType is a type as schema files name it. All but refs are a kind of the
// codec; a ref has the kind of the id that it holds.
type fieldType uint8

const (
	typeString fieldType = iota
	typeInt
	typeDouble
	typeDecimal
	typeBool
	typeDate
	typeObjectID
	typeUUID
	typeBinary
	typeObject
	typeArray
	typeRef
	typeGeo
	typeAny
	typeCount
)

// fieldTypes is the table of types: the name in schema files, the name in
// messages, the codec's kind, and how MongoDB calls what is stored.
var fieldTypes = [typeCount]struct {
	name    string
	article string
	kind    bsonjson.Kind
	bson    []string
}{
	typeString:   {"string", "a string", bsonjson.String, []string{"string"}},
	typeInt:      {"int", "an int", bsonjson.Int, []string{"int", "long"}},
	typeDouble:   {"double", "a double", bsonjson.Double, []string{"double", "int", "long"}},
	typeDecimal:  {"decimal", "a decimal", bsonjson.Decimal, []string{"decimal"}},
	typeBool:     {"bool", "a bool", bsonjson.Bool, []string{"bool"}},
	typeDate:     {"date", "a date", bsonjson.Date, []string{"date"}},
	typeObjectID: {"objectId", "an objectId", bsonjson.ObjectID, []string{"objectId"}},
	typeUUID:     {"uuid", "a uuid", bsonjson.UUID, []string{"binData"}},
	typeBinary:   {"binary", "binary data", bsonjson.Binary, []string{"binData"}},
	typeObject:   {"object", "an object", bsonjson.Object, []string{"object"}},
	typeArray:    {"array", "an array", bsonjson.Array, []string{"array"}},
	typeRef:      {"ref", "a reference", bsonjson.Any, nil},
	typeGeo:      {"geo", "a GeoJSON geometry", bsonjson.Geo, []string{"object"}},
	typeAny:      {"any", "any value", bsonjson.Any, nil},
}

func (t fieldType) String() string { return fieldTypes[t].name }

func typeNames() []string {
	names := make([]string, typeCount)
	for i, t := range fieldTypes {
		names[i] = t.name
	}
	return names
}

// typeOfKind returns the type whose values have a kind.
func typeOfKind(kind bsonjson.Kind) fieldType {
	for i, t := range fieldTypes {
		if t.kind == kind && fieldType(i) != typeRef {
			return fieldType(i)
		}
	}
	return typeAny
}

// stored is the type of the values themselves: a ref's is its target's id type.
func (r *rules) stored() fieldType {
	if r.typ == typeRef {
		return typeOfKind(r.shape.Kind)
	}
	return r.typ
}

// typeSet is a set of types.
type typeSet uint32

func typesOf(types ...fieldType) typeSet {
	var set typeSet
	for _, t := range types {
		set |= 1 << t
	}
	return set
}

const allTypes typeSet = 1<<typeCount - 1

func (s typeSet) has(t fieldType) bool { return s&(1<<t) != 0 }

func (s typeSet) names() []string {
	var names []string
	for t := range typeCount {
		if s.has(t) {
			names = append(names, t.String())
		}
	}
	return names
}

// idType is the type of the ids of a kind.
func (k IDKind) idType() fieldType {
	return [...]fieldType{ObjectID: typeObjectID, UUID: typeUUID, Increment: typeInt, String: typeString, Int: typeInt}[k]
}
