package bsonjson

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MongoDB Extended JSON: version 2 as its specification has it, and the forms
// of version 1 that older tools wrote.

// IsWrapper reports whether an object that begins with this member stands for
// one value in Extended JSON.
func IsWrapper(name string) bool {
	switch name {
	case "$oid", "$uuid", "$numberDecimal", "$numberInt", "$numberLong", "$numberDouble", "$date", "$binary":
		return true
	}
	return false
}

// wrapped consumes the value of a wrapper's member and appends it.
func (d *decoder) wrapped(name string) (bson.Type, bool, error) {
	switch name {
	case "$oid":
		return d.value(&Shape{Kind: ObjectID}, false)
	case "$uuid":
		return d.value(&Shape{Kind: UUID}, false)
	case "$numberDecimal":
		return d.value(&Shape{Kind: Decimal}, false)
	case "$numberDouble":
		return d.wrappedNumber(&Shape{Kind: Double})
	case "$date":
		return d.wrappedDate()
	case "$binary":
		return d.wrappedBinary()
	}
	return d.wrappedNumber(&Shape{Kind: Int})
}

// wrapperName returns the name of the first member of the object at pos where
// it begins with "$", else nothing.
func (d *decoder) wrapperName() string {
	look := scanner{src: d.src, pos: d.pos + 1}
	if look.peek() != '"' || !bytes.HasPrefix(look.src[look.pos:], []byte(`"$`)) {
		return ""
	}
	name, err := look.string()
	if err != nil {
		return ""
	}
	return string(name)
}

// isForeign reports whether an object that begins with this member stands for a
// value of a type that no schema declares.
func isForeign(name string) bool {
	switch name {
	case "$regularExpression", "$timestamp", "$minKey", "$maxKey", "$code", "$symbol", "$undefined", "$dbPointer":
		return true
	}
	return false
}

// foreign consumes an object that stands for a value of a type that no schema
// declares. They are rare, so what the driver costs does not matter.
func (d *decoder) foreign() (bson.Type, bool, error) {
	start := d.pos
	d.opts.Extended = false
	err := d.skip()
	d.opts.Extended = true
	if err != nil {
		return 0, false, err
	}
	text := d.src[start:d.pos]
	var doc bson.Raw
	err = bson.UnmarshalExtJSON(slices.Concat([]byte(`{"v":`), text, []byte("}")), true, &doc)
	value := doc.Lookup("v")
	if err != nil || value.Type == bson.TypeEmbeddedDocument {
		return 0, d.badFormat("Extended JSON", text), nil
	}
	d.dst = append(d.dst, value.Value...)
	return value.Type, true, nil
}

// wrapper consumes an object that stands for one value and appends the value as
// the shape has it.
func (d *decoder) wrapper(shape *Shape) (bson.Type, bool, error) {
	if err := d.open(); err != nil {
		return 0, false, err
	}
	text, err := d.memberName()
	if err != nil {
		return 0, false, err
	}
	name, start := string(text), len(d.dst)
	d.peek()
	kind, ok, err := d.wrapped(name)
	if err != nil {
		return 0, false, err
	}
	if err := d.expect('}', `"}"`); err != nil {
		return 0, false, err
	}
	d.depth--
	if !ok {
		return 0, false, nil
	}
	value := bson.RawValue{Type: kind, Value: append([]byte(nil), d.dst[start:]...)}
	d.dst = d.dst[:start]
	if n, ok := value.Int64OK(); ok && d.opts.Exact && shape.Kind == Any && name == "$numberInt" && n == int64(int32(n)) {
		// The width counts where no schema says it.
		d.dst = binary.LittleEndian.AppendUint32(d.dst, uint32(n))
		return bson.TypeInt32, true, nil
	}
	kind, ok = d.fit(value, shape)
	return kind, ok, nil
}

// fit appends a value that came with a type of its own as the shape has it.
func (d *decoder) fit(value bson.RawValue, shape *Shape) (bson.Type, bool) {
	switch {
	case shape.Kind == Any || kindOf(value) == shape.Kind:
		d.dst = append(d.dst, value.Value...)
		return value.Type, true
	case value.Type == bson.TypeInt64 && (shape.Kind == Double || shape.Kind == Decimal):
		return d.fitNumber(strconv.AppendInt(nil, value.Int64(), 10), shape)
	case value.Type == bson.TypeDouble && shape.Kind == Int:
		return d.numeric(strconv.AppendFloat(nil, value.Double(), 'f', -1, 64), false, shape)
	case value.Type == bson.TypeObjectID && shape.Kind == String:
		d.appendText(hex.AppendEncode(nil, value.Value))
		return bson.TypeString, true
	}
	d.wrongType(shape, article(kindOf(value)))
	return 0, false
}

func (d *decoder) fitNumber(text []byte, shape *Shape) (bson.Type, bool) {
	if shape.Kind == Decimal {
		return d.text(text, shape)
	}
	return d.numeric(text, true, shape)
}

// kindOf returns the kind that a value is stored as; Any where none is.
func kindOf(value bson.RawValue) Kind {
	switch value.Type {
	case bson.TypeString:
		return String
	case bson.TypeInt32, bson.TypeInt64:
		return Int
	case bson.TypeDouble:
		return Double
	case bson.TypeDecimal128:
		return Decimal
	case bson.TypeBoolean:
		return Bool
	case bson.TypeDateTime:
		return Date
	case bson.TypeObjectID:
		return ObjectID
	case bson.TypeBinary:
		if subtype, _ := value.Binary(); subtype == bson.TypeBinaryUUID {
			return UUID
		}
		return Binary
	case bson.TypeEmbeddedDocument:
		return Object
	case bson.TypeArray:
		return Array
	}
	return Any
}

// numberText consumes a number, or a string that holds one.
func (d *decoder) numberText() (text []byte, integral bool, err error) {
	if d.peek() != '"' {
		return d.number()
	}
	text, err = d.string()
	if err != nil {
		return nil, false, err
	}
	inner := scanner{src: text}
	if _, integral, err = inner.number(); err != nil || inner.pos != len(text) {
		return text, false, errNoNumber
	}
	return text, integral, nil
}

func (d *decoder) wrappedNumber(shape *Shape) (bson.Type, bool, error) {
	text, integral, err := d.numberText()
	if err == errNoNumber {
		return 0, d.badFormat("a number", text), nil
	}
	if err != nil {
		return 0, false, err
	}
	kind, ok := d.numeric(text, integral, shape)
	return kind, ok, nil
}

// wrappedDate reads {"$numberLong": ms}, a number of milliseconds, or text: RFC
// 3339, also with the offset written without a colon as version 1 did.
func (d *decoder) wrappedDate() (bson.Type, bool, error) {
	switch d.peek() {
	case '{':
		if !IsWrapper(d.wrapperName()) {
			d.fault("format", `must be a date: "$date" takes text or {"$numberLong": …}`)
			return 0, false, d.skip()
		}
		_, ok, err := d.wrapper(&Shape{Kind: Int})
		return bson.TypeDateTime, ok, err
	case '"':
		text, err := d.string()
		if err != nil {
			return 0, false, err
		}
		kind, ok := d.text(withColon(text), &Shape{Kind: Date})
		return kind, ok, nil
	}
	_, ok, err := d.wrappedNumber(&Shape{Kind: Int})
	return bson.TypeDateTime, ok, err
}

// withColon turns a trailing ±hhmm into ±hh:mm.
func withColon(text []byte) []byte {
	at := len(text) - len("+0000")
	if at < 0 || text[at] != '+' && text[at] != '-' {
		return text
	}
	return bytes.Join([][]byte{text[:at+3], text[at+3:]}, []byte(":"))
}

// wrappedBinary reads {"base64": …, "subType": …}, or the text and "$type" of
// version 1.
func (d *decoder) wrappedBinary() (bson.Type, bool, error) {
	if d.peek() == '{' {
		if err := d.open(); err != nil {
			return 0, false, err
		}
		kind, ok, err := d.binaryMembers("base64", "subType", true)
		if err != nil {
			return 0, false, err
		}
		d.depth--
		return kind, ok, d.expect('}', `"}"`)
	}
	return d.binaryMembers("$binary", "$type", false)
}

// binaryMembers reads the members that hold the bytes and the subtype; where
// named is false the name of the first one is already consumed.
func (d *decoder) binaryMembers(bytesName, typeName string, named bool) (bson.Type, bool, error) {
	var data, subtype []byte
	for more := true; more; named = true {
		name := []byte(bytesName)
		var err error
		if named {
			if name, err = d.memberName(); err != nil {
				return 0, false, err
			}
		}
		if d.peek() != '"' {
			return 0, false, d.unexpected("string")
		}
		text, err := d.string()
		if err != nil {
			return 0, false, err
		}
		switch string(name) {
		case bytesName:
			data = append([]byte{}, text...)
		case typeName:
			subtype = append([]byte{}, text...)
		default:
			return 0, false, d.malformed("an unknown member of $binary: " + quote(name))
		}
		if more, err = d.more('}'); err != nil {
			return 0, false, err
		}
	}
	code, err := strconv.ParseUint(string(subtype), 16, 8)
	if err != nil && len(subtype) > 0 || data == nil || !d.base64(data, byte(code)) {
		return 0, d.badFormat("binary data in base64 with a subtype in hexadecimal", data), nil
	}
	return bson.TypeBinary, true, nil
}

// AppendExtended writes a document as canonical Extended JSON version 2, its
// _id as id.
func AppendExtended(dst []byte, doc bson.Raw) []byte {
	return extended.document(dst, doc, true)
}

// AppendExtendedValue writes a value as AppendExtended does.
func AppendExtendedValue(dst []byte, value bson.RawValue) []byte {
	return extended.value(dst, value.Type, value.Value)
}

func appendExtendedValue(dst []byte, kind bson.Type, value []byte) []byte {
	switch kind {
	case bson.TypeBoolean:
		return appendBool(dst, value[0])
	case bson.TypeNull:
		return append(dst, "null"...)
	case bson.TypeObjectID:
		return wrap(dst, "$oid", func(b []byte) []byte { return hex.AppendEncode(b, value) })
	case bson.TypeInt32:
		return wrap(dst, "$numberInt", func(b []byte) []byte { return strconv.AppendInt(b, int64(int32(u32(value))), 10) })
	case bson.TypeInt64:
		return wrap(dst, "$numberLong", func(b []byte) []byte { return strconv.AppendInt(b, int64(u64(value)), 10) })
	case bson.TypeDouble:
		return wrap(dst, "$numberDouble", func(b []byte) []byte { return appendExtendedDouble(b, value) })
	case bson.TypeDateTime:
		dst = wrap(append(dst, `{"$date":`...), "$numberLong", func(b []byte) []byte { return strconv.AppendInt(b, int64(u64(value)), 10) })
		return append(dst, '}')
	case bson.TypeDecimal128:
		return wrap(dst, "$numberDecimal", func(b []byte) []byte { return append(b, decimalOf(value).String()...) })
	}
	return appendForeign(dst, kind, value)
}

func appendExtendedDouble(dst, value []byte) []byte {
	switch f := math.Float64frombits(u64(value)); {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	default:
		return appendDouble(dst, f)
	}
}

// wrap writes {"name":"text"}.
func wrap(dst []byte, name string, text func([]byte) []byte) []byte {
	dst = append(append(append(dst, `{"`...), name...), `":"`...)
	return append(text(dst), `"}`...)
}

// appendForeign writes the types that no schema declares by means of the
// driver; they are rare, so its cost does not matter.
func appendForeign(dst []byte, kind bson.Type, value []byte) []byte {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: bson.RawValue{Type: kind, Value: value}}}, true, false)
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, bytes.TrimSuffix(bytes.TrimPrefix(text, []byte(`{"v":`)), []byte("}"))...)
}

func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
