package update

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// decimal is a finite decimal128 (IEEE 754-2008): a sign, digits, and the power
// of ten that they count. Zero has a sign too.
type decimal struct {
	negative bool
	digits   *big.Int
	exponent int
}

// The bounds of decimal128.
const (
	decimalDigits = 34
	minExponent   = -6176
	maxExponent   = 6111
)

// decimalKind tells finite decimals from those that are no numbers.
type decimalKind uint8

const (
	finite decimalKind = iota
	notANumber
	positiveInfinity
	negativeInfinity
)

// decimalOf reads a number of any type as a decimal. Doubles are cut to 15
// digits, as MongoDB does.
func decimalOf(v bson.RawValue) (decimal, decimalKind) {
	switch v.Type {
	case bson.TypeDecimal128:
		return ofDecimal128(v.Decimal128())
	case bson.TypeDouble:
		if v.Double() == 0 {
			return decimal{math.Signbit(v.Double()), new(big.Int), 0}, finite
		}
		const digits = 15
		d, err := bson.ParseDecimal128(strconv.FormatFloat(v.Double(), 'e', digits-1, 64))
		if err != nil {
			return decimal{}, notANumber
		}
		return ofDecimal128(d)
	}
	n, _ := v.AsInt64OK()
	digits := big.NewInt(n)
	return decimal{n < 0, digits.Abs(digits), 0}, finite
}

func ofDecimal128(d bson.Decimal128) (decimal, decimalKind) {
	switch {
	case d.IsNaN():
		return decimal{}, notANumber
	case d.IsInf() > 0:
		return decimal{}, positiveInfinity
	case d.IsInf() < 0:
		return decimal{}, negativeInfinity
	}
	digits, exponent, err := d.BigInt()
	if err != nil {
		return decimal{}, notANumber
	}
	high, _ := d.GetBytes()
	return decimal{high>>63 == 1, digits.Abs(digits), exponent}, finite
}

// value returns the decimal rounded to what BSON holds: 34 digits, ties to even.
func (d decimal) value() bson.RawValue {
	d = d.rounded()
	if d.exponent > maxExponent {
		return decimalValue(signBit(d.negative)|0x78<<56, 0) // an infinity
	}
	low := new(big.Int).And(d.digits, new(big.Int).SetUint64(^uint64(0))).Uint64()
	high := new(big.Int).Rsh(d.digits, 64).Uint64()
	return decimalValue(signBit(d.negative)|uint64(d.exponent-minExponent)<<49|high, low)
}

func signBit(negative bool) uint64 {
	if negative {
		return 1 << 63
	}
	return 0
}

func decimalValue(high, low uint64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDecimal128, Value: binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, low), high)}
}

// rounded brings the digits and the exponent into their bounds. The exponent
// stays above its bound where the number is too large.
func (d decimal) rounded() decimal {
	drop := max(digitsOf(d.digits)-decimalDigits, minExponent-d.exponent, 0)
	d = d.dropped(drop)
	if digitsOf(d.digits) > decimalDigits { // 9…9 became 10…0
		d = d.dropped(1)
	}
	if d.digits.Sign() == 0 {
		d.exponent = min(max(d.exponent, minExponent), maxExponent)
		return d
	}
	if over := d.exponent - maxExponent; over > 0 && digitsOf(d.digits)+over <= decimalDigits {
		d.digits, d.exponent = new(big.Int).Mul(d.digits, power(over)), maxExponent
	}
	return d
}

// dropped rounds the last digits off, ties to even.
func (d decimal) dropped(count int) decimal {
	if count == 0 {
		return d
	}
	unit := power(count)
	quotient, rest := new(big.Int).QuoRem(d.digits, unit, new(big.Int))
	half := rest.Lsh(rest, 1).Cmp(unit)
	if half > 0 || half == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, big.NewInt(1))
	}
	return decimal{d.negative, quotient, d.exponent + count}
}

// exact reports whether value returns the very number.
func (d decimal) exact() bool {
	r := d.rounded()
	return r.exponent <= maxExponent && r.rat().Cmp(d.rat()) == 0
}

func (d decimal) signed() *big.Int {
	if d.negative {
		return new(big.Int).Neg(d.digits)
	}
	return d.digits
}

func (d decimal) rat() *big.Rat {
	if d.exponent >= 0 {
		return new(big.Rat).SetInt(new(big.Int).Mul(d.signed(), power(d.exponent)))
	}
	return new(big.Rat).SetFrac(d.signed(), power(-d.exponent))
}

func (d decimal) negated() decimal { return decimal{!d.negative, d.digits, d.exponent} }

// plus returns the exact sum, with the lesser of the exponents.
func (d decimal) plus(e decimal) decimal {
	exponent := min(d.exponent, e.exponent)
	sum := new(big.Int).Mul(d.signed(), power(d.exponent-exponent))
	sum.Add(sum, new(big.Int).Mul(e.signed(), power(e.exponent-exponent)))
	negative := sum.Sign() < 0
	if sum.Sign() == 0 {
		negative = d.negative && e.negative
	}
	return decimal{negative, sum.Abs(sum), exponent}
}

// times returns the exact product.
func (d decimal) times(e decimal) decimal {
	return decimal{d.negative != e.negative, new(big.Int).Mul(d.digits, e.digits), d.exponent + e.exponent}
}

func power(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}

// digitsOf is the number of decimal digits, 0 for zero.
func digitsOf(n *big.Int) int {
	return len(strings.TrimPrefix(n.String(), "0"))
}
