package update

import (
	"errors"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

var (
	errNoNumber = errors.New("holds no number")
	errOverflow = errors.New("would not fit an int (-9223372036854775808 to 9223372036854775807)")
)

func isNumber(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// add and multiply are MongoDB's $inc and $mul: decimals stay decimals, doubles
// doubles, and ints ints, which must fit. The second operand is one that Compile
// typed, so that no int32 comes out.
func add(a, b bson.RawValue) (bson.RawValue, error) {
	return calculate(a, b, func(x, y int64) (int64, bool) {
		sum := x + y
		return sum, (sum > x) == (y > 0)
	}, func(x, y float64) float64 { return x + y }, addDecimals)
}

func multiply(a, b bson.RawValue) (bson.RawValue, error) {
	return calculate(a, b, func(x, y int64) (int64, bool) {
		product := new(big.Int).Mul(big.NewInt(x), big.NewInt(y))
		return product.Int64(), product.IsInt64()
	}, func(x, y float64) float64 { return x * y }, multiplyDecimals)
}

func calculate(a, b bson.RawValue, ints func(x, y int64) (int64, bool), doubles func(x, y float64) float64,
	decimals func(a, b bson.RawValue) bson.RawValue,
) (bson.RawValue, error) {
	switch {
	case !isNumber(a):
		return bson.RawValue{}, errNoNumber
	case a.Type == bson.TypeDecimal128 || b.Type == bson.TypeDecimal128:
		return decimals(a, b), nil
	case a.Type == bson.TypeDouble || b.Type == bson.TypeDouble:
		return doubleValue(doubles(float(a), float(b))), nil
	}
	x, _ := a.AsInt64OK()
	y, _ := b.AsInt64OK()
	n, ok := ints(x, y)
	if !ok {
		return bson.RawValue{}, errOverflow
	}
	return bsonjson.IntValue(n), nil
}

func float(v bson.RawValue) float64 {
	if f, ok := v.DoubleOK(); ok {
		return f
	}
	n, _ := v.AsInt64OK()
	return float64(n)
}

func doubleValue(f float64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDouble, Value: bsoncore.AppendDouble(nil, f)}
}

// notANumberValue is the result of a calculation with what is no finite number;
// the rules refuse it as they do every such value.
var notANumberValue = decimalValue(0x7c<<56, 0)

func addDecimals(a, b bson.RawValue) bson.RawValue {
	x, xKind := decimalOf(a)
	y, yKind := decimalOf(b)
	if xKind != finite || yKind != finite {
		return notANumberValue
	}
	return x.plus(y).value()
}

func multiplyDecimals(a, b bson.RawValue) bson.RawValue {
	x, xKind := decimalOf(a)
	y, yKind := decimalOf(b)
	if xKind != finite || yKind != finite {
		return notANumberValue
	}
	return x.times(y).value()
}

// nextUp is the least double above f.
func nextUp(f float64) float64 { return math.Nextafter(f, math.Inf(1)) }

func nextDown(f float64) float64 { return math.Nextafter(f, math.Inf(-1)) }
