package schema

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// fieldCompiler compiles the fields of one collection.
type fieldCompiler struct {
	*compiler
	d *declaration
	// path leads to the object whose members are compiled.
	path []step
}

// step is one name on the way to a field.
type step struct {
	name  string
	array bool // the steps after it are inside an array
}

// maxFieldDepth is MongoDB's limit for the nesting of documents.
const maxFieldDepth = 100

// members compiles the fields of an object.
func (f *fieldCompiler) members(n *node, top bool) []*rules {
	if n.kind != mappingNode {
		f.problems.add(n, "must be a mapping of field names, not %s", n.kind)
		return nil
	}
	members := make([]*rules, 0, len(n.entries))
	for _, e := range n.entries {
		reason := BadFieldName(e.key.text, top)
		if top && e.key.text == DeletedAt && f.d.c.SoftDelete != nil {
			reason = "is a system field of a collection with soft_delete: when a document was deleted"
		}
		if reason != "" {
			f.problems.add(e.key, "the field name %q %s", shorten(e.key.text), reason)
			continue
		}
		f.path = append(f.path, step{name: e.key.text})
		if r := f.value(e.value, e.key.text); r != nil {
			members = append(members, r)
		}
		f.path = f.path[:len(f.path)-1]
	}
	return members
}

// BadFieldName says why a name cannot be a field's, "" where it can; top says that
// the field is one of the whole document.
func BadFieldName(name string, top bool) string {
	if name == "" {
		return "is empty"
	}
	if top && (name == "_id" || systemNames[name] != bsonjson.NotSystem) {
		return "is a system field, which every document has: id, version, createdAt and updatedAt (id is stored as _id)"
	}
	return bsonjson.BadName(name)
}

// place says where a value is declared, for the keys that only some may have.
type place uint8

const (
	inObject place = 1 << iota
	inArray
)

// fieldKey is one key of a field: the types that it fits, and where.
type fieldKey struct {
	name   string
	types  typeSet
	places place
	read   func(*fieldCompiler, *fieldDeclaration, *node)
}

// fieldDeclaration is one field while it is compiled: the keys whose reading
// must wait until all rules are known.
type fieldDeclaration struct {
	*rules
	at                           *node
	initial, enum, unique, open  *node
	min, max, members, items, to *node
	onDelete, check              *node
}

var (
	textual   = typesOf(typeString)
	ordered   = typesOf(typeInt, typeDouble, typeDecimal, typeDate)
	listable  = typesOf(typeString, typeInt, typeDouble)
	checkable = typesOf(typeString, typeInt, typeDouble, typeDate)
	indexable = allTypes &^ typesOf(typeObject, typeArray, typeGeo, typeAny)
)

// fieldKeys is the table of the keys of a field.
var fieldKeys []fieldKey

func init() { // the readers lead back to the table
	anywhere := inObject | inArray
	fieldKeys = []fieldKey{
		{"type", allTypes, anywhere, func(*fieldCompiler, *fieldDeclaration, *node) {}},
		{"description", allTypes, anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.description, _ = f.word(n) }},
		{"required", allTypes, inObject, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.required = f.flag(n) }},
		{"nullable", allTypes &^ typesOf(typeAny), anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.shape.Nullable = f.flag(n) }},
		{"default", allTypes, inObject, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.initial = n }},
		{"unique", indexable, inObject, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.unique = n }},
		{"min", ordered, anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.min = n }},
		{"max", ordered, anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.max = n }},
		{"min_length", textual, anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.minLength = f.count(n) }},
		{"max_length", textual, anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.maxLength = f.count(n) }},
		{"pattern", textual, anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.pattern = f.pattern(n) }},
		{"enum", listable, anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.enum = n }},
		{"trim", textual, anywhere, transformKey(bsonjson.Trim)},
		{"lowercase", textual, anywhere, transformKey(bsonjson.Lowercase)},
		{"uppercase", textual, anywhere, transformKey(bsonjson.Uppercase)},
		{"check", checkable, anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.check = n }},
		{"fields", typesOf(typeObject), anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.members = n }},
		{"additional", typesOf(typeObject), anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.open = n }},
		{"items", typesOf(typeArray), anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.items = n }},
		{"min_items", typesOf(typeArray), anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.minItems = f.count(n) }},
		{"max_items", typesOf(typeArray), anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.maxItems = f.count(n) }},
		{"unique_items", typesOf(typeArray), anywhere, func(f *fieldCompiler, d *fieldDeclaration, n *node) { d.uniqueItems = f.flag(n) }},
		{"to", typesOf(typeRef), anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.to = n }},
		{"on_delete", typesOf(typeRef), anywhere, func(_ *fieldCompiler, d *fieldDeclaration, n *node) { d.onDelete = n }},
	}
}

func transformKey(t bsonjson.Transform) func(*fieldCompiler, *fieldDeclaration, *node) {
	return func(f *fieldCompiler, d *fieldDeclaration, n *node) {
		if f.flag(n) {
			d.shape.Transform |= t
		}
	}
}

// value compiles the declaration of a field, or of the items of an array where
// name is empty. It returns nil where even the type is not known.
func (f *fieldCompiler) value(n *node, name string) *rules {
	d := &fieldDeclaration{rules: newRules(name), at: n}
	if !f.fieldType(d) {
		return nil
	}
	where := inObject
	if name == "" {
		where = inArray
	}
	for _, e := range n.entries {
		f.fieldKey(d, e, where)
	}
	f.finish(d)
	return d.rules
}

func (f *fieldCompiler) fieldType(d *fieldDeclaration) bool {
	if d.at.kind != mappingNode {
		f.problems.add(d.at, "must be a mapping with a type, such as {type: string}, not %s", d.at.kind)
		return false
	}
	at := d.at.get("type")
	if at == nil {
		f.problems.add(d.at, "the type is missing; there are %s", list(typeNames()))
		return false
	}
	word, ok := f.word(at)
	if !ok {
		return false
	}
	i, ok := f.oneOf(at, "type", word, typeNames())
	if !ok {
		return false
	}
	if len(f.path) > maxFieldDepth {
		f.problems.add(d.at, "fields nest more than %d levels deep, which is MongoDB's limit", maxFieldDepth)
		return false
	}
	d.typ = fieldType(i)
	d.shape.Kind = fieldTypes[i].kind
	return true
}

func (f *fieldCompiler) fieldKey(d *fieldDeclaration, e entry, where place) {
	var fitting []string
	for _, key := range fieldKeys {
		fits := key.types.has(d.typ) && key.places&where != 0
		switch {
		case key.name != e.key.text && fits:
			fitting = append(fitting, key.name)
		case key.name != e.key.text:
		case !key.types.has(d.typ):
			f.problems.add(e.key, "%q does not fit the type %s; it fits %s", key.name, d.typ, list(key.types.names()))
			return
		case !fits:
			f.problems.add(e.key, "%q does not fit the items of an array; it fits fields", key.name)
			return
		default:
			key.read(f, d, e.value)
			return
		}
	}
	f.problems.add(e.key, "unknown key %q of a field of type %s%s; there are %s",
		e.key.text, d.typ, nearest.Hint(e.key.text, allFieldKeys()), list(fitting))
}

func allFieldKeys() []string {
	names := make([]string, len(fieldKeys))
	for i, key := range fieldKeys {
		names[i] = key.name
	}
	return names
}

// finish reads what depends on other keys, and holds the keys against each other.
func (f *fieldCompiler) finish(d *fieldDeclaration) {
	before := len(f.problems)
	switch d.typ {
	case typeObject:
		f.object(d)
	case typeArray:
		f.array(d)
	case typeRef:
		f.reference(d)
	}
	d.rules.min, d.minText = f.bound(d, d.min)
	d.rules.max, d.maxText = f.bound(d, d.max)
	f.consistent(d)
	if d.check != nil {
		d.rules.check = f.tags(d.check, d.typ)
	}
	if d.enum != nil {
		f.enumeration(d)
	}
	if d.unique != nil {
		f.uniqueness(d)
	}
	if d.initial != nil && len(f.problems) == before {
		d.rules.initial = f.initial(d)
	}
}

// consistent notes limits that admit nothing.
func (f *fieldCompiler) consistent(d *fieldDeclaration) {
	if d.maxLength >= 0 && d.minLength > d.maxLength {
		f.problems.add(d.at.get("min_length"), "min_length is above max_length")
	}
	if d.maxItems >= 0 && d.minItems > d.maxItems {
		f.problems.add(d.at.get("min_items"), "min_items is above max_items")
	}
	if low, high := d.rules.min, d.rules.max; !low.IsZero() && !high.IsZero() && compareOrdered(low, high) > 0 {
		f.problems.add(d.min, "min is above max")
	}
	if both := bsonjson.Lowercase | bsonjson.Uppercase; d.shape.Transform&both == both {
		f.problems.add(d.at.get("uppercase"), "lowercase and uppercase exclude each other")
	}
}

func (f *fieldCompiler) object(d *fieldDeclaration) {
	open := d.open != nil && f.additional(d.open)
	switch {
	case d.members != nil:
		d.rules.members = f.members(d.members, false)
	case !open:
		f.problems.add(d.at, `"fields" is missing: the fields of the object (or "additional: keep" for one that takes any)`)
	}
	d.shape.Fields = shapeOf(d.rules.members, open, noSystem)
}

func (f *fieldCompiler) array(d *fieldDeclaration) {
	if d.items == nil {
		f.problems.add(d.at, `"items" is missing: the type of the elements, such as {type: string}`)
	} else {
		f.path = append(f.path, step{array: true})
		d.rules.items = f.value(d.items, "")
		f.path = f.path[:len(f.path)-1]
	}
	if d.rules.items == nil {
		d.rules.items = newRules("")
		d.rules.items.typ = typeAny
	}
	d.shape.Items = d.rules.items.shape
}

// dotted returns the path of the field that is compiled, and whether it leads
// through an array. ok is false where a name with a dot is on it.
func (f *fieldCompiler) dotted() (path string, many, ok bool) {
	var names []string
	for _, s := range f.path {
		many = many || s.array
		if strings.Contains(s.name, ".") {
			return "", many, false
		}
		if s.name != "" {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, "."), many, true
}

func (f *fieldCompiler) uniqueness(d *fieldDeclaration) {
	d.rules.unique = f.flag(d.unique)
	_, many, ok := f.dotted()
	switch {
	case !d.rules.unique:
	case many:
		f.problems.add(d.unique, "unique does not fit inside an array: it holds across documents; for one array see unique_items")
	case !ok:
		f.problems.add(d.unique, "unique does not fit a name with a dot: no index can lead there")
	}
}

// count reads a length or a number of items.
func (c *compiler) count(n *node) int {
	if n.kind == scalarNode && !n.quoted {
		if i, err := strconv.ParseUint(n.text, 10, 31); err == nil {
			return int(i)
		}
	}
	c.problems.add(n, "must be a whole number from 0%s", got(n))
	return -1
}

// bound reads a min or max, and returns it as sentences have it, too.
func (f *fieldCompiler) bound(d *fieldDeclaration, n *node) (value bson.RawValue, text string) {
	if n == nil {
		return bson.RawValue{}, ""
	}
	value, ok := f.literal(n, &bsonjson.Shape{Kind: d.shape.Kind})
	if !ok {
		return bson.RawValue{}, ""
	}
	return value, plainText(value)
}

// enumeration reads the values of an enum, each of which must keep the other
// rules: one that does not could never be stored.
func (f *fieldCompiler) enumeration(d *fieldDeclaration) {
	if d.enum.kind != sequenceNode || len(d.enum.items) == 0 {
		f.problems.add(d.enum, "must be a list of at least one value")
		return
	}
	for _, item := range d.enum.items {
		value, ok := f.literal(item, &bsonjson.Shape{Kind: d.shape.Kind})
		if !ok {
			continue
		}
		if slices.ContainsFunc(d.rules.enum, value.Equal) {
			f.problems.add(item, "the value %s stands twice", item.text)
			continue
		}
		d.rules.enum = append(d.rules.enum, value)
		f.keepsRules(item, value, d.rules)
	}
}

// initial reads a default.
func (f *fieldCompiler) initial(d *fieldDeclaration) *bsonjson.Default {
	n, typ := d.initial, d.stored()
	if n.kind == scalarNode && n.text == "now" && typ == typeDate {
		return &bsonjson.Default{Generate: bsonjson.Now}
	}
	if n.kind == scalarNode && n.text == "uuid" && (typ == typeUUID || typ == typeString) {
		f.keepsRules(n, sampleUUID(d.shape.Kind), d.rules)
		return &bsonjson.Default{Generate: bsonjson.NewUUID}
	}
	value, ok := f.literal(n, d.shape)
	if !ok {
		return nil
	}
	f.keepsRules(n, value, d.rules)
	return &bsonjson.Default{Value: value}
}

// sampleUUID stands for what the generator makes.
func sampleUUID(kind bsonjson.Kind) bson.RawValue {
	const sample = "3f0b6c1e-9d52-4a7b-8c1d-2b4e6f8a0c1e"
	value, err := bsonjson.ParseText(sample, &bsonjson.Shape{Kind: kind})
	if err != nil {
		return bson.RawValue{}
	}
	return value
}

// compareOrdered compares two values of one ordered type.
func compareOrdered(a, b bson.RawValue) int {
	switch a.Type {
	case bson.TypeInt64:
		return cmp.Compare(a.Int64(), b.Int64())
	case bson.TypeDouble:
		return cmp.Compare(a.Double(), b.Double())
	case bson.TypeDateTime:
		return cmp.Compare(a.DateTime(), b.DateTime())
	case bson.TypeDecimal128:
		return filter.Order(a, b)
	}
	return math.MinInt
}
