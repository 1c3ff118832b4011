package schema

import (
	"math/big"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func TestEqualValuesHaveOneCanonicalForm(t *testing.T) {
	decimal := func(text string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	groups := [][]any{
		{int32(1), int64(1), 1.0, decimal("1"), decimal("1.000")},
		{int64(0), 0.0, decimal("0E+10"), decimal("-0")},
		{0.5, decimal("0.50")},
		{int64(1 << 62), float64(1 << 62)},
		{1e20, decimal("1E+20"), decimal("100000000000000000000")},
		{"1"}, {"a"}, {true}, {bson.Null{}}, {bson.A{}}, {bson.D{}},
		{bson.A{int64(1), "a"}, bson.A{1.0, "a"}},
		{bson.A{"a", int64(1)}},
		{bson.A{bson.A{"a"}, "b"}}, {bson.A{bson.A{"a", "b"}}},
		{bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 2}}, bson.D{{Key: "b", Value: 2.0}, {Key: "a", Value: 1}}},
		{bson.D{{Key: "a", Value: 2}, {Key: "b", Value: 1}}},
	}
	forms := map[string]int{}
	for i, group := range groups {
		for n, value := range group {
			kind, data, err := bson.MarshalValue(value)
			if err != nil {
				t.Fatal(err)
			}
			form := string(appendCanonical(nil, kind, data))
			if other, ok := forms[form]; ok && other != i {
				t.Errorf("%v has the form of group %d", value, other)
			}
			if n == 0 {
				forms[form] = i
			} else if _, ok := forms[form]; !ok {
				t.Errorf("%v is not equal to %v", value, group[0])
			}
		}
	}
}

// TestCompareDecimals holds the order of decimals against exact fractions.
func TestCompareDecimals(t *testing.T) {
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
		if got, want := compareDecimals(a, b), x.Cmp(y); got != want {
			t.Fatalf("compareDecimals(%s, %s) = %d; want %d", a, b, got, want)
		}
	})
}

func TestCompareDecimalsOfTheGreatestExponents(t *testing.T) {
	ordered := []string{"-9E+6111", "-1E-6176", "0", "1E-6176", "1E-10", "1", "9E+6111"}
	for i := range ordered {
		for j := range ordered {
			a, errA := bson.ParseDecimal128(ordered[i])
			b, errB := bson.ParseDecimal128(ordered[j])
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if got := compareDecimals(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compareDecimals(%s, %s) = %d", a, b, got)
			}
		}
	}
}
