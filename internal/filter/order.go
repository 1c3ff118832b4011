package filter

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compares decides one comparison as MongoDB's queries do: values of different
// types do not compare, but for null and what is missing, which are equal; and
// NaN equals NaN and is beside all other numbers.
func compares(op Op, value, operand bson.RawValue) bool {
	rank, wanted := rankOf(value), rankOf(operand)
	switch {
	case rank == rankMissing && wanted == rankNull, rank == rankNull && wanted == rankMissing:
		return op != Gt && op != Lt
	case rank != wanted:
		return false
	case rank == rankNumber && (isNaN(value) || isNaN(operand)):
		return isNaN(value) && isNaN(operand) && op != Gt && op != Lt
	}
	order := Order(value, operand)
	switch op {
	case Gt:
		return order > 0
	case Gte:
		return order >= 0
	case Lt:
		return order < 0
	case Lte:
		return order <= 0
	}
	return order == 0
}

// The ranks of the types in MongoDB's order of all values.
const (
	rankMinKey = iota - 1
	rankMissing
	rankNull
	rankNumber
	rankString
	rankObject
	rankArray
	rankBinary
	rankObjectID
	rankBool
	rankDate
	rankTimestamp
	rankRegex
	rankOther
	rankMaxKey
)

func rankOf(value bson.RawValue) int {
	switch value.Type {
	case 0, bson.TypeUndefined:
		return rankMissing
	case bson.TypeNull:
		return rankNull
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return rankNumber
	case bson.TypeString, bson.TypeSymbol:
		return rankString
	case bson.TypeEmbeddedDocument:
		return rankObject
	case bson.TypeArray:
		return rankArray
	case bson.TypeBinary:
		return rankBinary
	case bson.TypeObjectID:
		return rankObjectID
	case bson.TypeBoolean:
		return rankBool
	case bson.TypeDateTime:
		return rankDate
	case bson.TypeTimestamp:
		return rankTimestamp
	case bson.TypeRegex:
		return rankRegex
	case bson.TypeMinKey:
		return rankMinKey
	case bson.TypeMaxKey:
		return rankMaxKey
	}
	return rankOther
}

// Order compares two values in MongoDB's order of all values: negative where a
// comes first, 0 where they are equal. Types come one after another; numbers of
// all types compare by their exact value, NaN before all others.
func Order(a, b bson.RawValue) int {
	rank := rankOf(a)
	if order := cmp.Compare(rank, rankOf(b)); order != 0 {
		return order
	}
	switch rank {
	case rankNumber:
		return orderNumbers(a, b)
	case rankString:
		return bytes.Compare(textOf(a), textOf(b))
	case rankObject, rankArray:
		return orderMembers(a.Value, b.Value)
	case rankBinary:
		return orderBinary(a.Value, b.Value)
	case rankDate:
		return cmp.Compare(a.DateTime(), b.DateTime())
	case rankTimestamp:
		return cmp.Compare(binary.LittleEndian.Uint64(a.Value), binary.LittleEndian.Uint64(b.Value))
	}
	return bytes.Compare(a.Value, b.Value)
}

// textOf returns the bytes of a string, its length and its end left out.
func textOf(value bson.RawValue) []byte { return value.Value[4 : len(value.Value)-1] }

// orderMembers compares documents, or arrays, member by member: by type, then
// by name, then by value. One that the other begins with comes first.
func orderMembers(a, b bson.Raw) int {
	these, _ := a.Elements()
	those, _ := b.Elements()
	for i := range min(len(these), len(those)) {
		x, y := these[i].Value(), those[i].Value()
		if order := cmp.Compare(rankOf(x), rankOf(y)); order != 0 {
			return order
		}
		if order := cmp.Compare(these[i].Key(), those[i].Key()); order != 0 {
			return order
		}
		if order := Order(x, y); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(these), len(those))
}

// orderBinary compares by length, then subtype, then bytes.
func orderBinary(a, b []byte) int {
	if order := cmp.Compare(len(a), len(b)); order != 0 {
		return order
	}
	const length = 4
	return bytes.Compare(a[length:], b[length:])
}

func isNaN(value bson.RawValue) bool {
	switch value.Type {
	case bson.TypeDouble:
		return math.IsNaN(value.Double())
	case bson.TypeDecimal128:
		return value.Decimal128().IsNaN()
	}
	return false
}

// infinity returns 1 or -1 for an infinite number, 0 for another.
func infinity(value bson.RawValue) int {
	switch {
	case value.Type == bson.TypeDouble && math.IsInf(value.Double(), 1):
		return 1
	case value.Type == bson.TypeDouble && math.IsInf(value.Double(), -1):
		return -1
	case value.Type == bson.TypeDecimal128:
		return value.Decimal128().IsInf()
	}
	return 0
}

func orderNumbers(a, b bson.RawValue) int {
	switch {
	case isInt(a) && isInt(b):
		return cmp.Compare(a.AsInt64(), b.AsInt64())
	case a.Type == bson.TypeDouble && b.Type == bson.TypeDouble:
		return cmp.Compare(a.Double(), b.Double()) // NaN first
	case isNaN(a) || isNaN(b):
		return cmp.Compare(b2i(isNaN(b)), b2i(isNaN(a)))
	case infinity(a) != 0 || infinity(b) != 0:
		return cmp.Compare(infinity(a), infinity(b))
	}
	return exact(a).compare(exact(b))
}

func isInt(value bson.RawValue) bool {
	return value.Type == bson.TypeInt32 || value.Type == bson.TypeInt64
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decimal is a finite number: digits times a power of ten.
type decimal struct {
	digits   *big.Int
	exponent int
}

// exact returns the value of a finite number of any type.
func exact(value bson.RawValue) decimal {
	switch value.Type {
	case bson.TypeDouble:
		return exactDouble(value.Double())
	case bson.TypeDecimal128:
		digits, exponent, err := value.Decimal128().BigInt()
		if err == nil {
			return decimal{digits, exponent}
		}
	}
	return decimal{big.NewInt(value.AsInt64()), 0}
}

// exactDouble writes a double, which is a whole number times a power of two, as
// one times a power of ten: half of 1 is 5 tenths.
func exactDouble(f float64) decimal {
	const mantissaBits = 53
	fraction, exponent := math.Frexp(f)
	digits := big.NewInt(int64(math.Ldexp(fraction, mantissaBits)))
	exponent -= mantissaBits
	if exponent >= 0 {
		return decimal{digits.Lsh(digits, uint(exponent)), 0}
	}
	return decimal{digits.Mul(digits, power(5, -exponent)), exponent}
}

func power(base int64, exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(exponent)), nil)
}

func (d decimal) compare(other decimal) int {
	if order := cmp.Compare(d.digits.Sign(), other.digits.Sign()); order != 0 || d.digits.Sign() == 0 {
		return order
	}
	// The magnitudes decide where they differ; only numbers of like magnitude
	// are written out, so that no exponent makes a number of thousands of digits.
	if order := cmp.Compare(d.magnitude(), other.magnitude()); order != 0 {
		return order * d.digits.Sign()
	}
	shared := min(d.exponent, other.exponent)
	return d.scaled(shared).Cmp(other.scaled(shared))
}

// magnitude is the place of the first digit before the point.
func (d decimal) magnitude() int { return len(new(big.Int).Abs(d.digits).String()) + d.exponent }

func (d decimal) scaled(exponent int) *big.Int {
	return new(big.Int).Mul(d.digits, power(10, d.exponent-exponent))
}
