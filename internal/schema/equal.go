package schema

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// firstRepeat finds two equal elements of an array, equal as JSON Schema and
// MongoDB have it: 1 and 1.0 are, and so are objects whose members stand in
// another order. With skipNulls nulls are not compared: they stand for elements
// that could not be decoded.
func firstRepeat(array []byte, items int, skipNulls bool) (first, second int, found bool) {
	if items < 2 {
		return 0, 0, false
	}
	places := make(map[string]int, items)
	var key []byte
	for w, i := newWalk(array), 0; w.next(); i++ {
		if skipNulls && w.kind == bson.TypeNull {
			continue
		}
		key = appendCanonical(key[:0], w.kind, w.value)
		if at, twice := places[string(key)]; twice {
			return at, i, true
		}
		places[string(key)] = i
	}
	return 0, 0, false
}

// appendCanonical appends bytes that are the same for equal values.
func appendCanonical(dst []byte, kind bson.Type, data []byte) []byte {
	switch kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return appendNumber(dst, bson.RawValue{Type: kind, Value: data})
	case bson.TypeEmbeddedDocument:
		return appendMembers(dst, data)
	case bson.TypeArray:
		dst = append(dst, byte(kind))
		for w := newWalk(data); w.next(); {
			dst = appendSized(dst, appendCanonical(nil, w.kind, w.value))
		}
		return append(dst, math.MaxUint8)
	}
	return append(append(dst, byte(kind)), data...)
}

// appendMembers appends an object's members sorted by name.
func appendMembers(dst, data []byte) []byte {
	var members [][]byte
	for w := newWalk(data); w.next(); {
		members = append(members, appendCanonical(append(slices.Clone(w.name), 0), w.kind, w.value))
	}
	slices.SortFunc(members, bytes.Compare)
	dst = append(dst, byte(bson.TypeEmbeddedDocument))
	for _, member := range members {
		dst = appendSized(dst, member)
	}
	return append(dst, math.MaxUint8)
}

func appendSized(dst, part []byte) []byte {
	dst = binary.AppendUvarint(append(dst, 0), uint64(len(part)))
	return append(dst, part...)
}

// appendNumber appends a number by its value, whatever its type.
func appendNumber(dst []byte, value bson.RawValue) []byte {
	if n, ok := integral(value); ok {
		return binary.BigEndian.AppendUint64(append(dst, 'i'), uint64(n))
	}
	digits, exponent, finite := significand(value)
	if !finite {
		return append(append(dst, 'x'), value.Value...)
	}
	dst = strconv.AppendInt(append(dst, 'm'), int64(exponent), 10)
	return append(append(dst, 'e'), digits...)
}

// integral returns the value of a number that an int64 holds.
func integral(value bson.RawValue) (int64, bool) {
	switch value.Type {
	case bson.TypeInt32:
		return int64(value.Int32()), true
	case bson.TypeInt64:
		return value.Int64(), true
	case bson.TypeDouble:
		f := value.Double()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<63
	}
	digits, exponent, finite := significand(value)
	if !finite || exponent < 0 || exponent+len(digits) > 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(digits+string(bytes.Repeat([]byte("0"), exponent)), 10, 64)
	return n, err == nil
}

// significand returns the digits of a double or decimal without noughts at the
// end, and the power of ten that they count.
func significand(value bson.RawValue) (digits string, exponent int, finite bool) {
	if !isFinite(value) {
		return "", 0, false
	}
	d, ok := value.Decimal128OK()
	if !ok {
		// The shortest text that reads back as the double is the number that was meant.
		parsed, err := bson.ParseDecimal128(strconv.FormatFloat(value.Double(), 'e', -1, 64))
		if err != nil {
			return "", 0, false
		}
		d = parsed
	}
	n, exponent, err := d.BigInt()
	if err != nil {
		return "", 0, false
	}
	text := []byte(n.String())
	for len(text) > 1 && text[len(text)-1] == '0' {
		text, exponent = text[:len(text)-1], exponent+1
	}
	if n.Sign() == 0 {
		exponent = 0
	}
	return string(text), exponent, true
}
