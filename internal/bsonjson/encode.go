package bsonjson

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendDocument writes a document as JSON, its _id as id. Types that have no
// plain JSON form, which only others can have stored, come as Extended JSON.
// A document that is not whole ends where it breaks off.
func AppendDocument(dst []byte, doc bson.Raw) []byte {
	e := encoder{dst: dst, value: appendPlainValue}
	return e.document(doc, true)
}

// AppendValue writes one value as JSON.
func AppendValue(dst []byte, value bson.RawValue) []byte {
	e := encoder{dst: dst, value: appendPlainValue}
	e.any(value.Type, value.Value)
	return e.dst
}

// encoder walks raw BSON; value writes what is neither object nor array.
type encoder struct {
	dst   []byte
	value func(dst []byte, kind bson.Type, value []byte) []byte
}

func (e *encoder) document(doc []byte, top bool) []byte {
	e.dst = append(e.dst, '{')
	for w, first := newWalker(doc), true; w.next(); first = false {
		if !first {
			e.dst = append(e.dst, ',')
		}
		if top && string(w.name) == "_id" {
			e.dst = append(e.dst, `"id":`...)
		} else {
			e.dst = append(appendString(e.dst, w.name), ':')
		}
		e.any(w.kind, w.value)
	}
	e.dst = append(e.dst, '}')
	return e.dst
}

func (e *encoder) array(doc []byte) {
	e.dst = append(e.dst, '[')
	for w, first := newWalker(doc), true; w.next(); first = false {
		if !first {
			e.dst = append(e.dst, ',')
		}
		e.any(w.kind, w.value)
	}
	e.dst = append(e.dst, ']')
}

func (e *encoder) any(kind bson.Type, value []byte) {
	switch kind {
	case bson.TypeEmbeddedDocument:
		e.document(value, false)
	case bson.TypeArray:
		e.array(value)
	default:
		e.dst = e.value(e.dst, kind, value)
	}
}

func appendPlainValue(dst []byte, kind bson.Type, value []byte) []byte {
	switch kind {
	case bson.TypeString:
		return appendString(dst, value[4:len(value)-1])
	case bson.TypeInt64:
		return strconv.AppendInt(dst, int64(u64(value)), 10)
	case bson.TypeInt32:
		return strconv.AppendInt(dst, int64(int32(u32(value))), 10)
	case bson.TypeBoolean:
		return appendBool(dst, value[0])
	case bson.TypeNull:
		return append(dst, "null"...)
	case bson.TypeDateTime:
		return append(appendDate(append(dst, '"'), int64(u64(value))), '"')
	case bson.TypeObjectID:
		return append(hex.AppendEncode(append(dst, '"'), value), '"')
	case bson.TypeDouble:
		if f := math.Float64frombits(u64(value)); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return appendDouble(dst, f)
		}
	case bson.TypeDecimal128:
		return append(append(append(dst, '"'), decimalOf(value).String()...), '"')
	case bson.TypeBinary:
		return appendBinary(dst, value)
	}
	return appendExtendedValue(dst, kind, value)
}

func appendBool(dst []byte, b byte) []byte {
	if b == 0 {
		return append(dst, "false"...)
	}
	return append(dst, "true"...)
}

func appendBinary(dst, value []byte) []byte {
	data := value[5:]
	dst = append(dst, '"')
	if value[4] == bson.TypeBinaryUUID && len(data) == 16 {
		return append(appendUUID(dst, data), '"')
	}
	return append(base64.StdEncoding.AppendEncode(dst, data), '"')
}

func decimalOf(value []byte) bson.Decimal128 {
	return bson.NewDecimal128(u64(value[8:]), u64(value))
}

const hexDigits = "0123456789abcdef"

// appendString writes text as a JSON string. It escapes what RFC 8259 asks for
// and no more; bytes that are no UTF-8 become U+FFFD.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, text[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = appendEscape(append(dst, text[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	if at := bytes.IndexByte([]byte("\"\\\b\f\n\r\t"), c); at >= 0 {
		return append(dst, '\\', `"\bfnrt`[at])
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
