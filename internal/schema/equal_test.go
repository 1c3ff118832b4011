package schema

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
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
