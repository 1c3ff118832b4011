package bsonjson

import (
	"strconv"
	"unicode/utf8"
)

// Step is one step of a pointer: the name of a member, or an index where Name is
// nil.
type Step struct {
	Name  []byte
	Index int
}

// Pointer returns the RFC 6901 JSON pointer to where steps lead from another.
func Pointer(from string, steps []Step) string {
	var room [64]byte
	dst := append(room[:0], from...)
	for _, s := range steps {
		if dst = append(dst, '/'); s.Name == nil {
			dst = strconv.AppendInt(dst, int64(s.Index), 10)
			continue
		}
		dst = appendEscaped(dst, s.Name)
	}
	return string(dst)
}

// appendEscaped writes a name as a reference token.
func appendEscaped(dst, name []byte) []byte {
	for _, b := range name {
		switch b {
		case '~':
			dst = append(dst, "~0"...)
		case '/':
			dst = append(dst, "~1"...)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// AppendToken appends one reference token to a JSON pointer.
func AppendToken(pointer, name string) string {
	return Pointer(pointer, []Step{{Name: []byte(name)}})
}

// pointer returns where the decoder stands.
func (d *decoder) pointer() string { return Pointer(d.opts.Pointer, d.path) }

// fault notes a problem of the value where the decoder stands.
func (d *decoder) fault(code, format string, args ...any) {
	if d.muted == 0 {
		d.faults.Add(d.pointer(), code, format, args...)
	}
}

func (d *decoder) wrongType(shape *Shape, got string) {
	d.fault("type", "must be %s: got %s", article(shape.Kind), got)
}

// String is the name that schema files use.
func (k Kind) String() string { return kindNames[k] }

var kindNames = map[Kind]string{
	Any: "any", String: "string", Int: "int", Double: "double", Decimal: "decimal", Bool: "bool",
	Date: "date", ObjectID: "objectId", UUID: "uuid", Binary: "binary", Object: "object", Array: "array", Geo: "geo",
	coordinates: "coordinates",
}

// article names a kind in a sentence about JSON.
func article(k Kind) string {
	switch k {
	case Bool:
		return "true or false"
	case Double:
		return "a number"
	case Int:
		return "an int"
	case Decimal:
		return "a string that holds a decimal number"
	case Date:
		return "a string that holds an RFC 3339 date-time"
	case ObjectID:
		return "a string of 24 hexadecimal digits"
	case UUID:
		return "a string that holds a uuid"
	case Binary:
		return "a string that holds base64"
	case Object:
		return "an object"
	case Array:
		return "an array"
	case Geo:
		return "a GeoJSON object"
	case coordinates:
		return "a number or an array of them"
	}
	return "a " + k.String()
}

// maxQuoted is how many bytes of a value a fault repeats.
const maxQuoted = 40

func shorten(text []byte) string {
	if len(text) <= maxQuoted {
		return string(text)
	}
	end := maxQuoted
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return string(text[:end]) + "…"
}

func quote(text []byte) string { return strconv.Quote(shorten(text)) }
