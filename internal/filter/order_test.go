package filter_test

import (
	"math/big"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/sheafdb/sheaf/internal/filter"
)

func value(v any) bson.RawValue {
	kind, data, err := bson.MarshalValue(v)
	if err != nil {
		panic(err)
	}
	return bson.RawValue{Type: kind, Value: data}
}

// TestOrderOfDecimals holds the order of decimals against exact fractions.
func TestOrderOfDecimals(t *testing.T) {
	draw := func(t *rapid.T, label string) (bson.Decimal128, *big.Rat) {
		n := rapid.Int64Range(-2000, 2000).Draw(t, label)
		exponent := rapid.IntRange(-6, 6).Draw(t, label+" exponent")
		d, ok := bson.ParseDecimal128FromBigInt(big.NewInt(n), exponent)
		if !ok {
			t.Fatal("not a decimal")
		}
		power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil))
		value := new(big.Rat).SetInt64(n)
		if exponent < 0 {
			return d, value.Quo(value, power)
		}
		return d, value.Mul(value, power)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, x := draw(t, "a")
		b, y := draw(t, "b")
		if got, want := filter.Order(value(a), value(b)), x.Cmp(y); got != want {
			t.Fatalf("Order(%s, %s) = %d; want %d", a, b, got, want)
		}
	})
}

func TestOrderOfTheGreatestExponents(t *testing.T) {
	ordered := []string{"-9E+6111", "-1E-6176", "0", "1E-6176", "1E-10", "1", "9E+6111"}
	for i := range ordered {
		for j := range ordered {
			a, errA := bson.ParseDecimal128(ordered[i])
			b, errB := bson.ParseDecimal128(ordered[j])
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if got := filter.Order(value(a), value(b)); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("Order(%s, %s) = %d", a, b, got)
			}
		}
	}
}
