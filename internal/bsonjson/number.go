package bsonjson

import (
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// numberFit says how a number fits a kind.
type numberFit uint8

const (
	fits numberFit = iota
	outOfRange
	notIntegral
)

// parseInt returns the exact value of a JSON number. Texts such as 1.0 and 1e3
// are integers too, as JSON Schema has it.
func parseInt(text []byte, integral bool) (int64, numberFit) {
	if !integral {
		return parseScaledInt(text)
	}
	negative, digits := text[0] == '-', text
	if negative {
		digits = text[1:]
	}
	return intOf(digits, 0, negative)
}

// intOf returns digits followed by zeros noughts.
func intOf(digits []byte, zeros int, negative bool) (int64, numberFit) {
	var n uint64
	for i := range len(digits) + zeros {
		digit := uint64(0)
		if i < len(digits) {
			digit = uint64(digits[i] - '0')
		}
		if n > (math.MaxUint64-9)/10 {
			return 0, outOfRange
		}
		n = n*10 + digit
	}
	switch {
	case negative && n <= -math.MinInt64:
		return -int64(n), fits
	case !negative && n <= math.MaxInt64:
		return int64(n), fits
	}
	return 0, outOfRange
}

// parseScaledInt is parseInt for a number with a fraction or an exponent.
func parseScaledInt(text []byte) (int64, numberFit) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	digits, scale, ok := significand(text)
	switch {
	case len(digits) == 0:
		return 0, fits
	case !ok:
		return 0, outOfRange
	case scale < 0:
		return 0, notIntegral
	case len(digits)+scale > 20:
		return 0, outOfRange
	}
	return intOf(digits, scale, negative)
}

// significand returns the digits of an unsigned number without leading and
// trailing noughts, and the power of ten that they count. ok is false for a
// power beyond an int.
func significand(text []byte) (digits []byte, scale int, ok bool) {
	ok = true
	fraction := false
	for i, c := range text {
		if c == 'e' || c == 'E' {
			exponent, err := strconv.Atoi(string(text[i+1:]))
			scale, ok = scale+exponent, err == nil
			break
		}
		switch {
		case c == '.':
			fraction = true
			continue
		case fraction:
			scale--
		}
		if c != '0' || len(digits) > 0 {
			digits = append(digits, c)
		}
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits, scale = digits[:len(digits)-1], scale+1
	}
	return digits, scale, ok
}

// maxDecimal bounds the text of a decimal: 34 digits, a sign, a point and an
// exponent need less.
const maxDecimal = 100

// parseDecimal returns the IEEE 754 decimal128 of a decimal number's text,
// which must be exact: at most 34 digits that count.
func parseDecimal(text []byte) (bson.Decimal128, bool) {
	s := scanner{src: text}
	if len(text) == 0 || len(text) > maxDecimal {
		return bson.Decimal128{}, false
	}
	if _, _, err := s.number(); err != nil || s.pos != len(text) {
		return bson.Decimal128{}, false
	}
	d, err := bson.ParseDecimal128(string(text))
	return d, err == nil && !d.IsNaN() && d.IsInf() == 0
}

// appendDouble writes a finite double in its shortest form, with ".0" where it
// is integral, so that it is read back as a double.
func appendDouble(dst []byte, f float64) []byte {
	start := len(dst)
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	for _, c := range dst[start:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
