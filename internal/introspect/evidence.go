package introspect

import (
	"hash/maphash"
	"math"
	"regexp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/geojson"
)

// The bounds of what is remembered of one place.
const (
	// maxDistinct is how many different values are told apart.
	maxDistinct = 10_000
	// maxWords is how many different texts are kept, and maxWord how long they
	// may be, in bytes: those that could be the values of an enum.
	maxWords, maxWord = 24, 40
	// maxIDs is how many different values are kept that could be ids.
	maxIDs = 500
	// maxNames is how many different members of one object are kept.
	maxNames = 500
)

// evidence is what was seen at one place of the documents: in a field, or among
// the items of an array.
type evidence struct {
	// values are all, nulls those of them that are null.
	values, nulls int64
	// kinds counts the others by the type that a schema has for them; what none
	// has is foreign.
	kinds map[string]int64

	distinct map[uint64]struct{}
	more     bool // than maxDistinct
	// words counts texts; nil where they are too many or too long.
	words map[string]int64
	// moments are texts that read like dates.
	moments int64
	// ids are values that could be ids of documents, each once.
	ids     []bson.RawValue
	someIDs bool // of more than are kept

	object *object
	items  *evidence
	// fewest and most are the lengths of arrays.
	fewest, most int64
}

// object is what was seen of the members of objects.
type object struct {
	// count is how many objects there were, mentions how many members in all.
	count, mentions int64
	names           []string
	members         map[string]*evidence
	crowded         bool // more names than maxNames
	// unnamed counts members with the empty name, operators those whose name
	// begins with a dollar: neither can be declared.
	unnamed, operators int64
}

func newEvidence() *evidence {
	return &evidence{kinds: map[string]int64{}, distinct: map[uint64]struct{}{}, words: map[string]int64{}}
}

func newObject() *object { return &object{members: map[string]*evidence{}} }

// foreign is the kind of values that no type but any admits.
const foreign = "of a type of MongoDB's own"

// kindOf names the narrowest type of a schema that admits a value.
func kindOf(value bson.RawValue) string {
	switch value.Type {
	case bson.TypeString:
		return "string"
	case bson.TypeInt32, bson.TypeInt64:
		return "int"
	case bson.TypeDouble:
		if f := value.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return "double"
		}
	case bson.TypeDecimal128:
		if d := value.Decimal128(); !d.IsNaN() && d.IsInf() == 0 {
			return "decimal"
		}
	case bson.TypeBoolean:
		return "bool"
	case bson.TypeDateTime:
		return "date"
	case bson.TypeObjectID:
		return "objectId"
	case bson.TypeBinary:
		if subtype, data := value.Binary(); subtype == bson.TypeBinaryUUID && len(data) == 16 {
			return "uuid"
		}
		return "binary"
	case bson.TypeEmbeddedDocument:
		if len(geojson.Check(value.Value)) == 0 {
			return "geo"
		}
		return "object"
	case bson.TypeArray:
		return "array"
	}
	return foreign
}

var seed = maphash.MakeSeed()

// see takes a value into account.
func (e *evidence) see(value bson.RawValue) {
	e.values++
	if value.Type == bson.TypeNull {
		e.nulls++
		return
	}
	kind := kindOf(value)
	e.kinds[kind]++
	e.tellApart(value)
	switch kind {
	case "string":
		e.text(value.StringValue())
	case "object", "geo":
		if e.object == nil {
			e.object = newObject()
		}
		e.object.see(value.Document(), func(string, bson.RawValue) bool { return false })
	case "array":
		e.array(value.Array())
	}
	switch kind {
	case "string", "int", "objectId", "uuid":
		e.id(value)
	}
}

func (e *evidence) tellApart(value bson.RawValue) {
	if e.more {
		return
	}
	var h maphash.Hash
	h.SetSeed(seed)
	_ = h.WriteByte(byte(value.Type))
	_, _ = h.Write(value.Value)
	e.distinct[h.Sum64()] = struct{}{}
	e.more = len(e.distinct) > maxDistinct
}

var momentPattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)|^\d{1,2}[./]\d{1,2}[./]\d{4}$`)

func (e *evidence) text(text string) {
	if len(text) < maxWord && momentPattern.MatchString(text) {
		e.moments++
	}
	if e.words == nil {
		return
	}
	e.words[text]++
	if len(e.words) > maxWords || len(text) > maxWord {
		e.words = nil
	}
}

func (e *evidence) id(value bson.RawValue) {
	switch {
	case slices.ContainsFunc(e.ids, value.Equal):
	case len(e.ids) == maxIDs:
		e.someIDs = true
	default:
		e.ids = append(e.ids, bson.RawValue{Type: value.Type, Value: slices.Clone(value.Value)})
	}
}

func (e *evidence) array(items bson.RawArray) {
	if e.items == nil {
		e.items, e.fewest = newEvidence(), math.MaxInt64
	}
	values, _ := items.Values()
	for _, value := range values {
		e.items.see(value)
	}
	e.fewest, e.most = min(e.fewest, int64(len(values))), max(e.most, int64(len(values)))
}

// see takes an object into account; those members that apart takes are not
// counted.
func (o *object) see(doc bson.Raw, apart func(string, bson.RawValue) bool) {
	o.count++
	elements, _ := doc.Elements()
	for _, element := range elements {
		name, value := element.Key(), element.Value()
		switch {
		case apart(name, value):
			continue
		case name == "":
			o.unnamed++
			continue
		case name[0] == '$':
			o.operators++
			continue
		}
		o.mentions++
		if member := o.member(name); member != nil {
			member.see(value)
		}
	}
}

func (o *object) member(name string) *evidence {
	member := o.members[name]
	switch {
	case member != nil:
	case len(o.names) == maxNames:
		o.crowded = true
	default:
		member = newEvidence()
		o.members[name], o.names = member, append(o.names, name)
	}
	return member
}

// An object is taken for a map, whose names are values themselves, where it has
// mapNames of them and a name is met in one of mapShare objects at most, on
// average; or fewer, nearly all of which are met once.
const (
	mapNames, fewMapNames = 12, 6
	mapShare              = 20
)

// isMap reports whether the names of the members are data rather than fields.
func (o *object) isMap() bool {
	names := int64(len(o.names))
	switch {
	case o.crowded:
		return true
	case names < mapNames:
		return names >= fewMapNames && o.count >= fewMapNames && o.mentions <= names+names/fewMapNames
	}
	return o.mentions <= names*max(2, o.count/mapShare)
}
