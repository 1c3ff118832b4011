package bsonjson

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Options say how Decode reads.
type Options struct {
	// Defaults fills in the defaults of fields that are left out.
	Defaults bool
	// Now is what the Now generator gives.
	Now time.Time
	// Patch reads an RFC 7396 merge patch: a null stands for removal at any
	// member of an object, and is kept as BSON null for Merge.
	Patch bool
	// Extended also admits MongoDB Extended JSON, version 1 and 2, where the
	// wrapped value fits the field, and _id for id.
	Extended bool
	// Exact admits, with Extended and where any value may stand, those of types
	// that no schema declares as well, and keeps ints of 32 bits: what comes from
	// an export is stored as it was.
	Exact bool
	// Pointer is put before the pointer of every fault.
	Pointer string
}

// Decoded is a document as it was sent.
type Decoded struct {
	// Body holds all but the system fields, in the order in which they came,
	// then the defaults.
	Body bson.Raw
	// System holds the system fields that were sent, by System; the others
	// have the zero RawValue.
	System [systemCount]bson.RawValue
	// places are where the system fields came.
	places [systemCount]place
	// Defaulted is set where a default was filled in.
	Defaulted bool
	// Apart holds the members whose fields say so, in their order.
	Apart []Member
}

// place is where a system field came: before the byte of Body at offset, and as
// the how many-th of the system fields.
type place struct{ offset, turn int }

// Whole returns the document with its system fields where they came, but for
// the id, which MongoDB has first.
func (d Decoded) Whole(id bson.RawValue) bson.Raw {
	fields := [...]System{Version, CreatedAt, UpdatedAt, DeletedAt}
	sent := slices.DeleteFunc(fields[:], func(s System) bool { return d.System[s].Type == 0 })
	slices.SortFunc(sent, func(a, b System) int { return d.places[a].turn - d.places[b].turn })
	b := NewBuilder(len(d.Body)+96).Append("_id", id)
	at := 4
	for _, s := range sent {
		b.dst = append(b.dst, d.Body[at:d.places[s].offset]...)
		b.Append(s.Stored(), d.System[s])
		at = d.places[s].offset
	}
	b.dst = append(b.dst, d.Body[at:len(d.Body)-1]...)
	return b.Document()
}

// Member is a member of an object as it was sent.
type Member struct {
	Name string
	// Text is the part of the input that the value is, held to RFC 8259.
	Text []byte
}

// Decode reads one JSON object into BSON. Text that is no JSON is returned as a
// MalformedJSON fault; every value that does not fit its field is noted in
// faults and left out of Body, and decoding goes on.
//
// The result shares no memory with src, but for the members that are kept apart.
func Decode(src []byte, fields *Fields, opts Options, faults *fault.List) (Decoded, error) {
	d := newDecoder(src, opts, faults)
	defer d.release()
	if d.peek() != '{' {
		return Decoded{}, d.notAnObject()
	}
	if err := d.object(fields, true); err != nil {
		return Decoded{}, err
	}
	if err := d.end(); err != nil {
		return Decoded{}, err
	}
	return Decoded{Body: d.dst, System: d.system, places: d.places, Defaulted: d.defaulted, Apart: d.apart}, nil
}

// DecodeValue reads one JSON value of a shape. A value that does not fit is
// noted in faults, and the zero RawValue returned.
func DecodeValue(src []byte, shape *Shape, opts Options, faults *fault.List) (bson.RawValue, error) {
	d := newDecoder(src, opts, faults)
	defer d.release()
	kind, ok, err := d.value(shape, false)
	if err == nil {
		err = d.end()
	}
	if err != nil || !ok {
		return bson.RawValue{}, err
	}
	return bson.RawValue{Type: kind, Value: d.dst}, nil
}

// ParseText reads a value of a scalar shape from plain text, such as a part of
// a URL. The error is a sentence about the value, such as "must be an int".
func ParseText(text string, shape *Shape) (bson.RawValue, error) {
	src := []byte(text)
	switch shape.Kind {
	case ObjectID: // what most paths have
		if id, ok := parseObjectID(src); ok {
			return bson.RawValue{Type: bson.TypeObjectID, Value: id[:]}, nil
		}
	}
	switch shape.Kind {
	case Int:
		if strings.ContainsAny(text, ".eE") { // one way to write it in a URL
			return bson.RawValue{}, fmt.Errorf("must be %s", article(shape.Kind))
		}
	case Double, Bool:
	default:
		if !utf8.ValidString(text) {
			return bson.RawValue{}, errors.New("must be UTF-8")
		}
		src = appendString(nil, src)
	}
	var faults fault.List
	value, err := DecodeValue(src, shape, Options{}, &faults)
	if err != nil || len(faults.Items) > 0 {
		return bson.RawValue{}, fmt.Errorf("must be %s", article(shape.Kind))
	}
	return value, nil
}

// decoder writes BSON while it scans. Faults of values are noted; only text
// that is no JSON ends it.
type decoder struct {
	scanner
	dst    []byte
	opts   Options
	faults *fault.List
	path   []Step
	// names are the undeclared member names of the objects that are open.
	names  [][]byte
	system [systemCount]bson.RawValue
	places [systemCount]place
	// sent counts the system fields; defaulted is set where a default was filled in.
	sent      int
	defaulted bool
	apart     []Member
	depth     int
	// muted counts the values around this one whose faults are not told.
	muted int
}

func newDecoder(src []byte, opts Options, faults *fault.List) *decoder {
	d := decoders.Get().(*decoder)
	*d = decoder{
		scanner: scanner{src: src},
		dst:     make([]byte, 0, len(src)+len(src)/4+64),
		path:    d.path[:0],
		names:   d.names[:0],
		opts:    opts,
		faults:  faults,
	}
	return d
}

// decoders are reused for their path and names.
var decoders = sync.Pool{New: func() any { return &decoder{path: make([]Step, 0, 8)} }}

// release gives the decoder back, without what it read and wrote.
func (d *decoder) release() {
	clear(d.path[:cap(d.path)])
	clear(d.names[:cap(d.names)])
	if cap(d.path)+cap(d.names) > maxPooledSteps {
		return
	}
	*d = decoder{path: d.path, names: d.names}
	decoders.Put(d)
}

// maxPooledSteps keeps one odd document from holding its memory for ever.
const maxPooledSteps = 1024

// value appends one value of a shape and returns its BSON type. ok is false for
// a value that does not fit; what it appended is then to be cut off.
func (d *decoder) value(shape *Shape, member bool) (kind bson.Type, ok bool, err error) {
	switch c := d.peek(); {
	case c == '"':
		text, err := d.string()
		if err != nil {
			return 0, false, err
		}
		kind, ok = d.text(text, shape)
		return kind, ok, nil
	case c == '{':
		return d.objectValue(shape)
	case c == '[':
		return d.arrayValue(shape)
	case c == '-' || c-'0' <= 9:
		text, integral, err := d.number()
		if err != nil {
			return 0, false, err
		}
		kind, ok = d.numeric(text, integral, shape)
		return kind, ok, nil
	case c == 't':
		kind, ok = d.boolean(shape, 1)
		return kind, ok, d.literal("true")
	case c == 'f':
		kind, ok = d.boolean(shape, 0)
		return kind, ok, d.literal("false")
	case c == 'n':
		kind, ok = d.null(shape, member)
		return kind, ok, d.literal("null")
	}
	return 0, false, d.unexpected("value")
}

func (d *decoder) boolean(shape *Shape, b byte) (bson.Type, bool) {
	if shape.Kind != Bool && shape.Kind != Any {
		d.wrongType(shape, [2]string{"false", "true"}[b])
		return 0, false
	}
	d.dst = append(d.dst, b)
	return bson.TypeBoolean, true
}

func (d *decoder) null(shape *Shape, member bool) (bson.Type, bool) {
	if shape.Nullable || shape.Kind == Any || d.opts.Patch && member {
		return bson.TypeNull, true
	}
	d.fault("null", "is null; leave it out, or declare the field nullable")
	return 0, false
}

// numeric appends a number as the shape has it.
func (d *decoder) numeric(text []byte, integral bool, shape *Shape) (bson.Type, bool) {
	switch {
	case shape.Kind == Int || shape.Kind == Any && integral && string(text) != "-0": // no int is -0
		n, fit := parseInt(text, integral)
		if fit != fits {
			d.badInt(text, fit)
			return 0, false
		}
		d.dst = binary.LittleEndian.AppendUint64(d.dst, uint64(n))
		return bson.TypeInt64, true
	case shape.Kind == Double || shape.Kind == Any || shape.Kind == coordinates:
		f, ok := parseDouble(text)
		if !ok {
			d.fault("range", "does not fit a double: %s", shorten(text))
			return 0, false
		}
		d.dst = binary.LittleEndian.AppendUint64(d.dst, math.Float64bits(f))
		return bson.TypeDouble, true
	case shape.Kind == Decimal:
		d.fault("type", `must be a decimal, which is a string in JSON: write "%s"`, shorten(text))
		return 0, false
	}
	d.wrongType(shape, "the number "+shorten(text))
	return 0, false
}

func (d *decoder) badInt(text []byte, fit numberFit) {
	if fit == notIntegral {
		d.fault("type", "must be an int, and %s has a fraction", shorten(text))
		return
	}
	d.fault("range", "does not fit an int (-9223372036854775808 to 9223372036854775807): %s", shorten(text))
}

// text appends a string as the shape has it.
func (d *decoder) text(text []byte, shape *Shape) (bson.Type, bool) {
	switch shape.Kind {
	case Any:
		d.appendText(text)
		return bson.TypeString, true
	case String:
		d.appendText(shape.Transform.apply(text))
		return bson.TypeString, true
	case Date:
		millis, reason := parseDate(text)
		if reason != "" {
			d.fault("format", "%s: got %s", reason, quote(text))
			return 0, false
		}
		d.dst = binary.LittleEndian.AppendUint64(d.dst, uint64(millis))
		return bson.TypeDateTime, true
	case ObjectID:
		id, ok := parseObjectID(text)
		d.dst = append(d.dst, id[:]...)
		return bson.TypeObjectID, ok || d.badFormat("an objectId, which is 24 hexadecimal digits", text)
	case UUID:
		id, ok := parseUUID(text)
		d.appendUUID(id)
		return bson.TypeBinary, ok || d.badFormat("a uuid such as 0190b6f4-8f5c-7a3e-9c1d-2b4e6f8a0c1e", text)
	case Decimal:
		n, ok := parseDecimal(text)
		high, low := n.GetBytes()
		d.dst = binary.LittleEndian.AppendUint64(d.dst, low)
		d.dst = binary.LittleEndian.AppendUint64(d.dst, high)
		return bson.TypeDecimal128, ok || d.badFormat("a decimal number of at most 34 digits", text)
	case Binary:
		return bson.TypeBinary, d.base64(text, 0) || d.badFormat("base64 with padding (RFC 4648 section 4)", text)
	}
	d.wrongType(shape, "the string "+quote(text))
	return 0, false
}

func (d *decoder) badFormat(wanted string, text []byte) bool {
	d.fault("format", "must be %s: got %s", wanted, quote(text))
	return false
}

func (d *decoder) appendText(text []byte) {
	d.dst = binary.LittleEndian.AppendUint32(d.dst, uint32(len(text)+1))
	d.dst = append(append(d.dst, text...), 0)
}

func (d *decoder) appendUUID(id [16]byte) {
	d.dst = binary.LittleEndian.AppendUint32(d.dst, uint32(len(id)))
	d.dst = append(d.dst, bson.TypeBinaryUUID)
	d.dst = append(d.dst, id[:]...)
}

// base64 appends the bytes that a text stands for as binary of a subtype.
func (d *decoder) base64(text []byte, subtype byte) bool {
	start := len(d.dst)
	d.dst = append(d.dst, 0, 0, 0, 0, subtype)
	var ok bool
	d.dst, ok = appendBase64Bytes(d.dst, text)
	binary.LittleEndian.PutUint32(d.dst[start:], uint32(len(d.dst)-start-5))
	return ok
}

func (d *decoder) objectValue(shape *Shape) (bson.Type, bool, error) {
	if d.opts.Extended {
		switch name := d.wrapperName(); {
		case IsWrapper(name):
			return d.wrapper(shape)
		case d.opts.Exact && shape.Kind == Any && isForeign(name):
			return d.foreign()
		}
	}
	switch shape.Kind {
	case Object:
		return bson.TypeEmbeddedDocument, true, d.object(shape.Fields, false)
	case Any:
		return bson.TypeEmbeddedDocument, true, d.object(anything, false)
	case Geo:
		return bson.TypeEmbeddedDocument, true, d.object(geometry, false)
	}
	d.wrongType(shape, "an object")
	return 0, false, d.skip()
}

// anything is an object without declared members; geometry one with GeoJSON's,
// whose coordinates are doubles at any depth.
var (
	anything = NewFields(nil, true)
	geometry = newGeometry()
)

func newGeometry() *Fields {
	return NewFields([]Field{
		{Name: "type", Shape: &Shape{Kind: String}},
		{Name: "coordinates", Shape: &Shape{Kind: coordinates}},
		{Name: "geometries", Shape: &Shape{Kind: Array, Items: &Shape{Kind: Geo}}},
	}, false)
}

func (d *decoder) arrayValue(shape *Shape) (bson.Type, bool, error) {
	switch shape.Kind {
	case Array:
		return bson.TypeArray, true, d.array(shape.Items)
	case Any:
		return bson.TypeArray, true, d.array(shape)
	case coordinates:
		return bson.TypeArray, true, d.array(shape)
	}
	d.wrongType(shape, "an array")
	return 0, false, d.skip()
}

// skip consumes a value of any type without telling its faults.
func (d *decoder) skip() error {
	start := len(d.dst)
	d.muted++
	_, _, err := d.value(&Shape{Kind: Any}, false)
	d.muted--
	d.dst = d.dst[:start]
	return err
}

// object appends an embedded document.
func (d *decoder) object(fields *Fields, top bool) error {
	if err := d.open(); err != nil {
		return err
	}
	start, firstName := len(d.dst), len(d.names)
	d.dst = append(d.dst, 0, 0, 0, 0)
	seen := newBits(len(fields.all))
	var undeclared map[string]struct{}
	for more := d.peek() != '}'; more; {
		name, err := d.memberName()
		if err != nil {
			return err
		}
		i, declared := d.lookup(fields, name, top)
		if declared {
			if !seen.set(i) {
				return d.duplicate(name)
			}
		} else if undeclared, err = d.newName(&name, firstName, undeclared); err != nil {
			return err
		}
		if err := d.member(fields, i, name, top); err != nil {
			return err
		}
		if more, err = d.more('}'); err != nil {
			return err
		}
	}
	d.pos++
	d.depth--
	d.names = d.names[:firstName]
	if d.opts.Defaults && fields.hasDefaults {
		d.defaults(fields, seen)
	}
	d.close(start)
	return nil
}

// open consumes the first byte of an object or array and counts its level.
func (d *decoder) open() error {
	if d.depth++; d.depth > MaxDepth {
		return d.malformed(fmt.Sprintf("more than %d levels of objects and arrays", MaxDepth))
	}
	d.pos++
	return nil
}

// close ends the BSON document that began at start.
func (d *decoder) close(start int) {
	d.dst = append(d.dst, 0)
	binary.LittleEndian.PutUint32(d.dst[start:], uint32(len(d.dst)-start))
}

func (d *decoder) memberName() ([]byte, error) {
	if d.peek() != '"' {
		return nil, d.unexpected("member name")
	}
	name, err := d.string()
	if err != nil {
		return nil, err
	}
	if len(d.scratch) > 0 && len(name) > 0 && &name[0] == &d.scratch[0] {
		name = append([]byte(nil), name...) // the value may need scratch
	}
	return name, d.expect(':', `":"`)
}

func (d *decoder) lookup(fields *Fields, name []byte, top bool) (int, bool) {
	if top && d.opts.Extended && string(name) == "_id" {
		name = []byte("id")
	}
	i, ok := fields.Lookup(name)
	if !ok {
		return -1, false
	}
	return i, true
}

// manyNames is from how many undeclared names on an object is looked up in a
// map rather than one by one.
const manyNames = 16

// newName notes an undeclared member name, which must be new to the object.
func (d *decoder) newName(name *[]byte, first int, set map[string]struct{}) (map[string]struct{}, error) {
	own := d.names[first:]
	if set != nil || len(own) >= manyNames {
		if set == nil {
			set = make(map[string]struct{}, 2*manyNames)
			for _, n := range own {
				set[string(n)] = struct{}{}
			}
		}
		if _, ok := set[string(*name)]; ok {
			return set, d.duplicate(*name)
		}
		set[string(*name)] = struct{}{}
		return set, nil
	}
	for _, n := range own {
		if string(n) == string(*name) {
			return nil, d.duplicate(*name)
		}
	}
	d.names = append(d.names, *name)
	return nil, nil
}

func (d *decoder) duplicate(name []byte) error {
	return d.malformed("the name " + quote(name) + " stands twice in one object")
}

// errNoNumber marks text in a number wrapper that is no number.
var errNoNumber = errors.New("no number")

var anyShape = &Shape{Kind: Any}

// member appends the value of a declared field i, or of an undeclared name.
func (d *decoder) member(fields *Fields, i int, name []byte, top bool) error {
	shape, system := anyShape, NotSystem
	if i >= 0 {
		field := &fields.all[i]
		if field.Apart {
			return d.keepApart(field)
		}
		shape, system = field.Shape, field.System
	}
	d.path = append(d.path, Step{Name: name})
	if i < 0 && !d.admits(fields, name, top) {
		err := d.skip()
		d.leave()
		return err
	}
	start := len(d.dst)
	d.dst = append(append(append(d.dst, 0), name...), 0)
	first := len(d.dst)
	kind, ok, err := d.value(shape, true)
	d.leave()
	switch {
	case err != nil:
		return err
	case !ok:
		d.dst = d.dst[:start]
	case top && system != NotSystem:
		d.system[system] = bson.RawValue{Type: kind, Value: append([]byte(nil), d.dst[first:]...)}
		d.dst = d.dst[:start]
		d.places[system] = place{start, d.sent}
		d.sent++
	default:
		d.dst[start] = byte(kind)
	}
	return nil
}

func (d *decoder) keepApart(field *Field) error {
	d.peek()
	start := d.pos
	err := d.skip()
	d.apart = append(d.apart, Member{Name: field.Name, Text: d.src[start:d.pos]})
	return err
}

func (d *decoder) leave() { d.path = d.path[:len(d.path)-1] }

// admits reports whether an undeclared member is kept, and notes why not.
func (d *decoder) admits(fields *Fields, name []byte, top bool) bool {
	if !fields.open || top && string(name) == "_id" {
		d.fault("unknown-field", "is not a field of the schema%s", nearest.Hint(string(name), fields.Names()))
		return false
	}
	if reason := BadName(string(name)); reason != "" {
		d.fault("name", "is a name that %s", reason)
		return false
	}
	return true
}

// BadName says why MongoDB cannot hold a member of this name, "" where it can.
func BadName(name string) string {
	for i := range len(name) {
		switch {
		case name[i] == 0:
			return "holds a NUL character"
		case i == 0 && name[i] == '$':
			return `begins with "$"`
		}
	}
	return ""
}

// array appends the elements of a BSON array.
func (d *decoder) array(items *Shape) error {
	if err := d.open(); err != nil {
		return err
	}
	start := len(d.dst)
	d.dst = append(d.dst, 0, 0, 0, 0)
	d.path = append(d.path, Step{})
	for more := d.peek() != ']'; more; d.path[len(d.path)-1].Index++ {
		if err := d.element(items); err != nil {
			return err
		}
		var err error
		if more, err = d.more(']'); err != nil {
			return err
		}
	}
	d.leave()
	d.pos++
	d.depth--
	d.close(start)
	return nil
}

// element appends one element of an array. One that does not fit becomes null,
// so that the pointers of the others stay right.
func (d *decoder) element(items *Shape) error {
	start := len(d.dst)
	d.dst = append(d.dst, 0)
	d.dst = appendIndex(d.dst, d.path[len(d.path)-1].Index)
	d.dst = append(d.dst, 0)
	first := len(d.dst)
	kind, ok, err := d.value(items, false)
	if !ok {
		d.dst, kind = d.dst[:first], bson.TypeNull
	}
	d.dst[start] = byte(kind)
	return err
}

// appendIndex writes the name of an array's element.
func appendIndex(dst []byte, index int) []byte {
	return strconv.AppendInt(dst, int64(index), 10)
}

// parseDouble returns the nearest double of a JSON number, which must be finite.
func parseDouble(text []byte) (float64, bool) {
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

// defaults appends the defaults of the fields that were not seen.
func (d *decoder) defaults(fields *Fields, seen bits) {
	for i := range fields.all {
		field := &fields.all[i]
		if field.Default != nil && !seen.has(i) {
			d.dst, d.defaulted = appendDefault(d.dst, field, d.opts.Now), true
		}
	}
}

func appendDefault(dst []byte, field *Field, now time.Time) []byte {
	value := field.Default.Make(field.Shape, now)
	dst = append(append(append(dst, byte(value.Type)), field.Name...), 0)
	return append(dst, value.Value...)
}

// Make returns the value for a document of a write at a time.
func (v *Default) Make(shape *Shape, now time.Time) bson.RawValue {
	switch v.Generate {
	case Now:
		return bson.RawValue{Type: bson.TypeDateTime, Value: binary.LittleEndian.AppendUint64(nil, uint64(now.UnixMilli()))}
	case NewUUID:
		d, id := decoder{}, uuid.New()
		if shape.Kind == String {
			d.appendText([]byte(id.String()))
			return bson.RawValue{Type: bson.TypeString, Value: d.dst}
		}
		d.appendUUID(id)
		return bson.RawValue{Type: bson.TypeBinary, Value: d.dst}
	}
	return v.Value
}

func (d *decoder) notAnObject() error {
	if err := d.skip(); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return err
	}
	return fault.New(fault.ValidationFailed, "the body must be a JSON object").WithItems(
		fault.Item{Pointer: d.opts.Pointer, Code: "type", Detail: "must be an object"})
}

// bits is a set of small numbers.
type bits struct {
	first uint64
	rest  []uint64
}

func newBits(n int) bits {
	if n <= 64 {
		return bits{}
	}
	return bits{rest: make([]uint64, (n-1)/64)}
}

// set adds i and reports whether it was new.
func (b *bits) set(i int) bool {
	if b.has(i) {
		return false
	}
	if i < 64 {
		b.first |= 1 << i
	} else {
		b.rest[i/64-1] |= 1 << (i % 64)
	}
	return true
}

func (b *bits) has(i int) bool {
	if i < 64 {
		return b.first>>i&1 == 1
	}
	return b.rest[i/64-1]>>(i%64)&1 == 1
}
