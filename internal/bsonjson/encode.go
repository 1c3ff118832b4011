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
func AppendDocument(dst []byte, doc bson.Raw) []byte { return plain.document(dst, doc, true) }

// AppendValue writes one value as JSON.
func AppendValue(dst []byte, value bson.RawValue) []byte {
	return plain.value(dst, value.Type, value.Value)
}

// encoding is one of the two ways to write what is neither object nor array.
type encoding bool

const (
	plain    encoding = false
	extended encoding = true
)

func (e encoding) document(dst, doc []byte, top bool) []byte {
	dst = append(dst, '{')
	for rest := body(doc); len(rest) > 0; {
		name, value, after, ok := element(rest)
		if !ok {
			break
		}
		if top && string(name) == "_id" {
			name = name[1:]
		}
		dst = append(appendString(dst, name), ':')
		dst = append(e.value(dst, bson.Type(rest[0]), value), ',')
		rest = after
	}
	return closed(dst, '{', '}')
}

func (e encoding) array(dst, doc []byte) []byte {
	dst = append(dst, '[')
	for rest := body(doc); len(rest) > 0; {
		_, value, after, ok := element(rest)
		if !ok {
			break
		}
		dst = append(e.value(dst, bson.Type(rest[0]), value), ',')
		rest = after
	}
	return closed(dst, '[', ']')
}

// closed ends an object or array, whose last byte is a comma unless it is empty.
func closed(dst []byte, begin, end byte) []byte {
	if last := len(dst) - 1; dst[last] != begin {
		dst[last] = end
		return dst
	}
	return append(dst, end)
}

func (e encoding) value(dst []byte, kind bson.Type, value []byte) []byte {
	switch kind {
	case bson.TypeString:
		return appendString(dst, value[4:len(value)-1])
	case bson.TypeEmbeddedDocument:
		return e.document(dst, value, false)
	case bson.TypeArray:
		return e.array(dst, value)
	}
	if e == extended {
		return appendExtendedValue(dst, kind, value)
	}
	return appendPlainValue(dst, kind, value)
}

func appendPlainValue(dst []byte, kind bson.Type, value []byte) []byte {
	switch kind {
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

// plainByte tells the bytes that stand for themselves in a JSON string: ASCII
// without the controls, the quote and the backslash.
var plainByte = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// appendString writes text as a JSON string. It escapes what RFC 8259 asks for
// and no more; bytes that are no UTF-8 become U+FFFD.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	for i := range text {
		if !plainByte[text[i]] {
			return appendSpecial(append(dst, text[:i]...), text[i:])
		}
	}
	return append(append(dst, text...), '"')
}

// appendSpecial goes on with a string from a byte that is not plain.
func appendSpecial(dst, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case plainByte[c]:
			i++
			continue
		case c >= utf8.RuneSelf:
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
