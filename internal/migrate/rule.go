package migrate

import (
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// rule is what a validator asks of one value: MongoDB's $jsonSchema as far as
// schema files compile to it. The zero value, but for its types, asks nothing.
type rule struct {
	// types are those that the value may have.
	types typeSet
	// enum lists the values that it may have; nil for any.
	enum []bson.RawValue
	// Of strings; lengths are nil for none.
	minLength, maxLength *int64
	pattern              *string
	// Of numbers; the zero value for none.
	min, max bson.RawValue
	// Of arrays.
	minItems, maxItems *int64
	uniqueItems        bool
	items              *rule
	// Of objects. closed says that nothing but the properties may be there.
	required   []string
	properties []property
	closed     bool

	// opaque says that it asks more than is told here. raw is all of it.
	opaque bool
	raw    bson.Raw
}

// property is one member of an object. Its name may hold dots, which lead
// nowhere.
type property struct {
	name string
	*rule
}

func (r *rule) property(name string) *rule {
	for _, p := range r.properties {
		if p.name == name {
			return p.rule
		}
	}
	return nil
}

// anything is the rule that every value keeps.
func anything() *rule { return &rule{types: allTypes} }

// asksNothing reports whether every value keeps the rule.
func (r *rule) asksNothing() bool {
	return r.types == allTypes && r.enum == nil && r.minLength == nil && r.maxLength == nil && r.pattern == nil && r.min.IsZero() && r.max.IsZero() &&
		r.minItems == nil && r.maxItems == nil && !r.uniqueItems && r.items == nil &&
		len(r.required) == 0 && len(r.properties) == 0 && !r.closed && !r.opaque
}

// typeSet is a set of MongoDB's types, by their place in bsonTypes.
type typeSet uint32

// bsonTypes are the names of the types, those of numbers first.
var bsonTypes = []string{"int", "long", "double", "decimal", "string", "object", "array", "binData", "undefined", "objectId",
	"bool", "date", "null", "regex", "dbPointer", "javascript", "symbol", "javascriptWithScope", "timestamp", "minKey", "maxKey"}

var (
	allTypes    = typeSet(1)<<len(bsonTypes) - 1
	numberTypes = typesNamed("int", "long", "double", "decimal")
	stringType  = typesNamed("string")
	objectType  = typesNamed("object")
	arrayType   = typesNamed("array")
)

func typesNamed(names ...string) (set typeSet) {
	for _, name := range names {
		if i := slices.Index(bsonTypes, name); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

func (s typeSet) has(some typeSet) bool      { return s&some != 0 }
func (s typeSet) within(others typeSet) bool { return s&^others == 0 }

func (s typeSet) names() []string {
	var names []string
	for i, name := range bsonTypes {
		if s.has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// typeOf returns the type of a value.
func typeOf(value bson.RawValue) typeSet { return typesNamed(typeNames[value.Type]) }

var typeNames = map[bson.Type]string{
	bson.TypeDouble: "double", bson.TypeString: "string", bson.TypeEmbeddedDocument: "object", bson.TypeArray: "array",
	bson.TypeBinary: "binData", bson.TypeUndefined: "undefined", bson.TypeObjectID: "objectId", bson.TypeBoolean: "bool",
	bson.TypeDateTime: "date", bson.TypeNull: "null", bson.TypeRegex: "regex", bson.TypeDBPointer: "dbPointer",
	bson.TypeJavaScript: "javascript", bson.TypeSymbol: "symbol", bson.TypeCodeWithScope: "javascriptWithScope",
	bson.TypeInt32: "int", bson.TypeTimestamp: "timestamp", bson.TypeInt64: "long", bson.TypeDecimal128: "decimal",
	bson.TypeMinKey: "minKey", bson.TypeMaxKey: "maxKey",
}

// possible are the types that a value which keeps the rule can have.
func (r *rule) possible() typeSet {
	if r.enum == nil {
		return r.types
	}
	var listed typeSet
	for _, value := range r.enum {
		listed |= equalTypes(value)
	}
	return listed & r.types
}

// equalTypes are the types of the values that MongoDB takes for equal to one: it
// compares numbers across types.
func equalTypes(value bson.RawValue) typeSet {
	if t := typeOf(value); !t.has(numberTypes) {
		return t
	}
	return numberTypes
}

// ruleOf reads a validator. ok is false for one that is not a $jsonSchema alone,
// of which nothing is known. No validator asks nothing.
func ruleOf(validator bson.Raw) (top *rule, ok bool) {
	if validator == nil {
		return &rule{types: objectType}, true
	}
	elements, err := validator.Elements()
	if err != nil || len(elements) != 1 || elements[0].Key() != "$jsonSchema" {
		return nil, false
	}
	schema, ok := elements[0].Value().DocumentOK()
	if !ok {
		return nil, false
	}
	top = readRule(schema)
	top.types &= objectType
	return top, true
}

// readRule reads what a $jsonSchema asks of a value.
func readRule(schema bson.Raw) *rule {
	r := anything()
	r.raw = schema
	elements, err := schema.Elements()
	if err != nil {
		r.opaque = true
	}
	for _, e := range elements {
		read, known := keywords[e.Key()]
		if !known || !read(r, e.Value()) {
			r.opaque = true
		}
	}
	if r.opaque {
		r.closed = false // what is not understood can admit more names
	}
	return r
}

// keywords read those of a $jsonSchema that are understood; they return false
// for a value that is not.
var keywords map[string]func(*rule, bson.RawValue) bool

func init() { // the readers lead back to the table
	keywords = map[string]func(*rule, bson.RawValue) bool{
		"title":                func(*rule, bson.RawValue) bool { return true },
		"description":          func(*rule, bson.RawValue) bool { return true },
		"bsonType":             (*rule).readTypes,
		"enum":                 (*rule).readEnum,
		"minLength":            func(r *rule, v bson.RawValue) bool { return readCount(&r.minLength, v) },
		"maxLength":            func(r *rule, v bson.RawValue) bool { return readCount(&r.maxLength, v) },
		"pattern":              (*rule).readPattern,
		"minimum":              func(r *rule, v bson.RawValue) bool { return readNumber(&r.min, v) },
		"maximum":              func(r *rule, v bson.RawValue) bool { return readNumber(&r.max, v) },
		"minItems":             func(r *rule, v bson.RawValue) bool { return readCount(&r.minItems, v) },
		"maxItems":             func(r *rule, v bson.RawValue) bool { return readCount(&r.maxItems, v) },
		"uniqueItems":          func(r *rule, v bson.RawValue) bool { return readFlag(&r.uniqueItems, v) },
		"items":                (*rule).readItems,
		"required":             (*rule).readRequired,
		"properties":           (*rule).readProperties,
		"patternProperties":    (*rule).readPatternProperties,
		"additionalProperties": (*rule).readAdditional,
	}
}

func (r *rule) readTypes(v bson.RawValue) bool {
	names := texts(v)
	if name, ok := v.StringValueOK(); ok {
		names = []string{name}
	}
	r.types = 0
	for _, name := range names {
		set := typesNamed(name)
		if name == "number" {
			set = numberTypes
		}
		if set == 0 {
			return false
		}
		r.types |= set
	}
	return len(names) > 0
}

func (r *rule) readEnum(v bson.RawValue) bool {
	list, ok := v.ArrayOK()
	if !ok {
		return false
	}
	values, err := list.Values()
	r.enum = values
	return err == nil && len(values) > 0
}

func readCount(into **int64, v bson.RawValue) bool {
	n, ok := v.AsInt64OK()
	*into = &n
	return ok && n >= 0 && v.Type != bson.TypeDecimal128
}

func (r *rule) readPattern(v bson.RawValue) bool {
	text, ok := v.StringValueOK()
	r.pattern = &text
	return ok
}

func readNumber(into *bson.RawValue, v bson.RawValue) bool {
	*into = v
	_, finite := rational(v)
	return finite
}

func readFlag(into *bool, v bson.RawValue) (ok bool) {
	*into, ok = v.BooleanOK()
	return ok
}

func (r *rule) readItems(v bson.RawValue) bool {
	schema, ok := v.DocumentOK()
	if ok {
		r.items = readRule(schema)
	}
	return ok
}

// readRequired reads names. In those with a dot MongoDB sees a path.
func (r *rule) readRequired(v bson.RawValue) bool {
	r.required = texts(v)
	return len(r.required) > 0 && !slices.ContainsFunc(r.required, func(name string) bool { return strings.Contains(name, ".") })
}

func (r *rule) readProperties(v bson.RawValue) bool {
	return r.readMembers(v, func(name string) (string, bool) { return name, !strings.Contains(name, ".") })
}

// readPatternProperties reads those patterns that fit one name alone, in which
// schema files express names with dots.
func (r *rule) readPatternProperties(v bson.RawValue) bool {
	return r.readMembers(v, func(pattern string) (string, bool) {
		name := unquote(strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), `\z`))
		return name, namePattern(name) == pattern
	})
}

func (r *rule) readMembers(v bson.RawValue, nameOf func(string) (string, bool)) bool {
	members, ok := v.DocumentOK()
	if !ok {
		return false
	}
	elements, err := members.Elements()
	for _, e := range elements {
		name, literal := nameOf(e.Key())
		schema, isObject := e.Value().DocumentOK()
		if !literal || !isObject {
			return false
		}
		r.properties = append(r.properties, property{name, readRule(schema)})
	}
	return err == nil
}

// namePattern is the pattern that fits one name alone.
func namePattern(name string) string { return "^" + regexp.QuoteMeta(name) + `\z` }

// unquote takes back what regexp.QuoteMeta does.
func unquote(pattern string) string {
	var name strings.Builder
	for escaped := false; pattern != ""; pattern = pattern[1:] {
		if escaped = pattern[0] == '\\' && !escaped; !escaped {
			name.WriteByte(pattern[0])
		}
	}
	return name.String()
}

func (r *rule) readAdditional(v bson.RawValue) bool {
	admitted, ok := v.BooleanOK()
	r.closed = ok && !admitted
	return ok
}

// texts returns the strings of an array; nil where it holds anything else.
func texts(v bson.RawValue) []string {
	list, ok := v.ArrayOK()
	if !ok {
		return nil
	}
	values, err := list.Values()
	if err != nil {
		return nil
	}
	all := make([]string, 0, len(values))
	for _, value := range values {
		text, ok := value.StringValueOK()
		if !ok {
			return nil
		}
		all = append(all, text)
	}
	return all
}
