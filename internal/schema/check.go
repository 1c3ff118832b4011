package schema

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/geojson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Check notes every way in which a document breaks the rules: each value
// against its declared type and limits, fields that are missing, fields that
// are not declared. It does not matter how the document came to be, so it holds
// for what an update has computed as for what a client has sent.
//
// The document is as it is stored: system fields may be in it (with the id as
// _id) or not. Places that faults already names are not told again: a value
// that could not be decoded is not also missing.
func (c *Collection) Check(doc bson.Raw, pointer string, faults *fault.List) {
	k := checker{faults: faults, pointer: pointer, known: len(faults.Items)}
	k.object(c.rules, doc, true)
}

// checker walks one document. It allocates only where something is wrong.
type checker struct {
	faults  *fault.List
	pointer string
	// known is how many faults there were before.
	known int
	// path are the steps to where the checker stands, the first depth of them:
	// an array, so that a check needs no memory of its own.
	path  [maxDepth + 1]bsonjson.Step
	depth int
}

// maxDepth is MongoDB's limit for nested documents and arrays.
const maxDepth = 100

// enter steps to a member or element, unless that is too deep.
func (k *checker) enter(s bsonjson.Step) bool {
	if k.depth > maxDepth {
		k.fault("depth", "lies more than "+strconv.Itoa(maxDepth)+" levels deep")
		return false
	}
	k.path[k.depth] = s
	k.depth++
	return true
}

func (k *checker) leave() { k.depth-- }

// fault notes a problem where the checker stands.
func (k *checker) fault(code, detail string) { k.faultWithin("", code, detail) }

// faultWithin notes a problem of a part of the value where the checker stands.
func (k *checker) faultWithin(part, code, detail string) {
	at := bsonjson.Pointer(k.pointer, k.path[:k.depth]) + part
	for _, item := range k.faults.Items[:k.known] {
		if item.Pointer == at {
			return
		}
	}
	k.faults.Note(fault.Item{Pointer: at, Code: code, Detail: detail})
}

// seen is which members of an object are there, by their place in the shape.
type seen struct {
	few  [2]uint64
	many []uint64
}

func newSeen(count int) seen {
	if count <= 128 {
		return seen{}
	}
	return seen{many: make([]uint64, count/64+1)}
}

func (s *seen) word(i int) *uint64 {
	if s.many != nil {
		return &s.many[i/64]
	}
	return &s.few[i/64]
}

func (s *seen) set(i int)      { *s.word(i) |= 1 << (i % 64) }
func (s *seen) has(i int) bool { return *s.word(i)&(1<<(i%64)) != 0 }

// object checks the members of a document.
func (k *checker) object(r *rules, doc []byte, top bool) {
	there := newSeen(len(r.members))
	for w := newWalk(doc); w.next(); {
		i, declared := r.lookup(w.name, top)
		if declared {
			there.set(i)
		}
		if !k.enter(bsonjson.Step{Name: w.name}) {
			return
		}
		switch {
		case declared:
			k.value(r.members[i], w.kind, w.value)
		case !r.shape.Fields.Open() || top && string(w.name) == "id":
			k.fault("unknown-field", "is not a field of the schema"+nearest.Hint(string(w.name), r.shape.Fields.Names()))
		default:
			k.free(w.name, w.kind, w.value)
		}
		k.leave()
	}
	for i, member := range r.members {
		if member.required && !there.has(i) && k.enter(bsonjson.Step{Name: []byte(member.name)}) {
			k.fault("required", "is required")
			k.leave()
		}
	}
}

// lookup finds a stored name among the members: at the top the id has another.
func (r *rules) lookup(name []byte, top bool) (int, bool) {
	if !top {
		return r.shape.Fields.Lookup(name)
	}
	switch string(name) {
	case "_id":
		return r.shape.Fields.Lookup([]byte("id"))
	case "id":
		return 0, false
	}
	return r.shape.Fields.Lookup(name)
}

// value checks one value against its declaration.
func (k *checker) value(r *rules, kind bson.Type, data []byte) {
	if kind == bson.TypeNull && r.shape.Kind != bsonjson.Any {
		if !r.shape.Nullable {
			k.fault("null", "is null; leave it out, or declare the field nullable")
		}
		return
	}
	if !hasKind(r.shape.Kind, kind, data) {
		k.fault("type", "must be "+fieldTypes[r.stored()].article)
		return
	}
	if r.shape.Kind == bsonjson.Double && kind != bson.TypeDouble {
		n := bson.RawValue{Type: kind, Value: data}.AsInt64()
		kind, data = bson.TypeDouble, bsoncore.AppendDouble(nil, float64(n))
	}
	switch r.shape.Kind {
	case bsonjson.String:
		k.text(r, data[4:len(data)-1])
	case bsonjson.Int, bsonjson.Double, bsonjson.Decimal, bsonjson.Date:
		k.ordered(r, kind, data)
	case bsonjson.Object:
		k.object(r, data, false)
	case bsonjson.Array:
		k.array(r, data)
	case bsonjson.Geo:
		for _, f := range geojson.Check(data) {
			k.faultWithin(f.Pointer, f.Code, f.Detail)
		}
	case bsonjson.Any:
		k.free(nil, kind, data)
	}
	if r.check != nil {
		if text := r.check.fault(tagValue(kind, data)); text != "" {
			k.fault("check", text)
		}
	}
}

// hasKind reports whether a stored type is one that a kind is stored as.
func hasKind(kind bsonjson.Kind, stored bson.Type, data []byte) bool {
	switch kind {
	case bsonjson.Any:
		return true
	case bsonjson.String:
		return stored == bson.TypeString
	case bsonjson.Int:
		return stored == bson.TypeInt64 || stored == bson.TypeInt32
	case bsonjson.Double: // of which others store whole ones as ints
		return stored == bson.TypeDouble || stored == bson.TypeInt64 || stored == bson.TypeInt32
	case bsonjson.Decimal:
		return stored == bson.TypeDecimal128
	case bsonjson.Bool:
		return stored == bson.TypeBoolean
	case bsonjson.Date:
		return stored == bson.TypeDateTime
	case bsonjson.ObjectID:
		return stored == bson.TypeObjectID
	case bsonjson.UUID:
		const length, subtype = 4 + 1 + 16, 4
		return stored == bson.TypeBinary && len(data) == length && data[subtype] == bson.TypeBinaryUUID
	case bsonjson.Binary:
		return stored == bson.TypeBinary
	case bsonjson.Object, bsonjson.Geo:
		return stored == bson.TypeEmbeddedDocument
	case bsonjson.Array:
		return stored == bson.TypeArray
	}
	return false
}

// text checks the rules of strings.
func (k *checker) text(r *rules, text []byte) {
	if r.minLength > 0 || r.maxLength >= 0 {
		k.length(r, utf8.RuneCount(text))
	}
	if r.pattern != nil && !r.pattern.re.Match(text) {
		k.fault("pattern", "must match the pattern "+r.pattern.source)
	}
	if r.enum != nil && !enumHasText(r.enum, text) {
		k.enumFault(r)
	}
}

func (k *checker) length(r *rules, length int) {
	if length < r.minLength {
		k.fault("min-length", "must be at least "+count(r.minLength, "character")+" long, not "+strconv.Itoa(length))
	}
	if r.maxLength >= 0 && length > r.maxLength {
		k.fault("max-length", "must be at most "+count(r.maxLength, "character")+" long, not "+strconv.Itoa(length))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func enumHasText(enum []bson.RawValue, text []byte) bool {
	for _, value := range enum {
		if string(value.Value[4:len(value.Value)-1]) == string(text) {
			return true
		}
	}
	return false
}

func (k *checker) enumFault(r *rules) {
	k.fault("enum", "must be one of "+list(r.enumTexts()))
}

// enumTexts are the values of an enum as JSON, strings without their quotes.
func (r *rules) enumTexts() []string {
	texts := make([]string, len(r.enum))
	for i, value := range r.enum {
		texts[i] = plainText(value)
	}
	return texts
}

func plainText(value bson.RawValue) string {
	if text, ok := value.StringValueOK(); ok {
		return text
	}
	return strings.Trim(string(bsonjson.AppendValue(nil, value)), `"`)
}

// ordered checks the rules of numbers and dates.
func (k *checker) ordered(r *rules, kind bson.Type, data []byte) {
	value := bson.RawValue{Type: kind, Value: data}
	if kind == bson.TypeInt32 {
		value = bsonjson.IntValue(int64(value.Int32()))
	}
	if !isFinite(value) {
		k.fault("range", "must be a finite number")
		return
	}
	if !r.min.IsZero() && compareOrdered(value, r.min) < 0 {
		k.fault("min", "must be at least "+r.minText)
	}
	if !r.max.IsZero() && compareOrdered(value, r.max) > 0 {
		k.fault("max", "must be at most "+r.maxText)
	}
	if r.enum != nil && !enumHasNumber(r.enum, value) {
		k.enumFault(r)
	}
}

func enumHasNumber(enum []bson.RawValue, value bson.RawValue) bool {
	for _, allowed := range enum {
		if compareOrdered(value, allowed) == 0 {
			return true
		}
	}
	return false
}

func isFinite(value bson.RawValue) bool {
	switch value.Type {
	case bson.TypeDouble:
		f := value.Double()
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	case bson.TypeDecimal128:
		d := value.Decimal128()
		return !d.IsNaN() && d.IsInf() == 0
	}
	return true
}

// array checks the elements, then the array as a whole.
func (k *checker) array(r *rules, data []byte) {
	items := 0
	for w := newWalk(data); w.next(); items++ {
		if !k.enter(bsonjson.Step{Index: items}) {
			return
		}
		k.value(r.items, w.kind, w.value)
		k.leave()
	}
	if items < r.minItems {
		k.fault("min-items", "must have at least "+count(r.minItems, "item")+", not "+strconv.Itoa(items))
	}
	if r.maxItems >= 0 && items > r.maxItems {
		k.fault("max-items", "must have at most "+count(r.maxItems, "item")+", not "+strconv.Itoa(items))
	}
	if r.uniqueItems {
		skipNulls := !r.items.shape.Nullable && r.items.shape.Kind != bsonjson.Any
		if first, second, found := firstRepeat(data, items, skipNulls); found {
			k.fault("unique-items", "must not hold the same value twice: items "+strconv.Itoa(first)+" and "+strconv.Itoa(second)+" are equal")
		}
	}
}

// free checks a value that no declaration speaks of: its names must be ones
// that MongoDB and filters can tell from operators.
func (k *checker) free(name []byte, kind bson.Type, data []byte) {
	if name != nil {
		if reason := bsonjson.BadName(string(name)); reason != "" {
			k.fault("name", "is a name that "+reason)
			return
		}
	}
	if kind != bson.TypeEmbeddedDocument && kind != bson.TypeArray {
		return
	}
	for w, i := newWalk(data), 0; w.next(); i++ {
		step, inner := bsonjson.Step{Index: i}, []byte(nil)
		if kind == bson.TypeEmbeddedDocument {
			step, inner = bsonjson.Step{Name: w.name}, w.name
		}
		if !k.enter(step) {
			return
		}
		k.free(inner, w.kind, w.value)
		k.leave()
	}
}

// walk steps through the elements of a BSON document without copies. It stops
// at an element that is not whole.
type walk struct {
	rest  []byte
	kind  bson.Type
	name  []byte
	value []byte
}

func newWalk(doc []byte) walk {
	const header, trailer = 4, 1
	if len(doc) < header+trailer {
		return walk{}
	}
	return walk{rest: doc[header : len(doc)-trailer]}
}

func (w *walk) next() bool {
	element, rest, ok := bsoncore.ReadElement(w.rest)
	if !ok {
		return false
	}
	w.kind, w.name = bson.Type(element[0]), element.KeyBytes()
	w.value, w.rest = element[len(w.name)+2:], rest
	return true
}
