package migrate

import (
	"bytes"
	"math"
	"math/big"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// admitsAll reports whether the validator next surely takes every document that
// the validator before takes. Where that cannot be seen from the two it is false.
func admitsAll(next, before bson.Raw) bool {
	if bytes.Equal(next, before) {
		return true
	}
	if alternatives := alternativesOf(before); alternatives != nil {
		return !slices.ContainsFunc(alternatives, func(one bson.Raw) bool { return !admitsAll(next, one) })
	}
	if alternatives := alternativesOf(next); alternatives != nil {
		return slices.ContainsFunc(alternatives, func(one bson.Raw) bool { return admitsAll(one, before) })
	}
	after, ok := ruleOf(next)
	old, known := ruleOf(before)
	if !known { // it may take anything
		old, _ = ruleOf(nil)
	}
	return ok && old.implies(after)
}

// alternativesOf returns those of a validator that is an $or of others alone, as
// eitherOf makes it.
func alternativesOf(validator bson.Raw) []bson.Raw {
	elements, err := validator.Elements()
	if err != nil || len(elements) != 1 || elements[0].Key() != "$or" {
		return nil
	}
	list, _ := elements[0].Value().ArrayOK()
	values, _ := list.Values()
	alternatives := make([]bson.Raw, len(values))
	for i, value := range values {
		alternatives[i], _ = value.DocumentOK()
	}
	return alternatives
}

// sameMeaning reports whether two validators surely take the same documents.
func sameMeaning(a, b bson.Raw) bool { return admitsAll(a, b) && admitsAll(b, a) }

// implies reports whether every value that keeps r surely keeps other.
func (r *rule) implies(other *rule) bool {
	if r.raw != nil && bytes.Equal(r.raw, other.raw) {
		return true
	}
	types := r.possible()
	if other.opaque || !types.within(other.types) || !r.impliesEnum(other) {
		return false
	}
	if types.has(stringType) && !r.impliesStrings(other) {
		return false
	}
	if types.has(numberTypes) && !r.impliesNumbers(other) {
		return false
	}
	if types.has(arrayType) && !r.impliesArrays(other) {
		return false
	}
	return !types.has(objectType) || r.impliesObjects(other)
}

func (r *rule) impliesEnum(other *rule) bool {
	if other.enum == nil {
		return true
	}
	return r.enum != nil && !slices.ContainsFunc(r.enum, func(v bson.RawValue) bool {
		return equalTypes(v).has(r.types) && !contains(other.enum, v)
	})
}

func (r *rule) impliesStrings(other *rule) bool {
	return atLeast(r.minLength, other.minLength) && atMost(r.maxLength, other.maxLength) &&
		(other.pattern == nil || r.pattern != nil && *r.pattern == *other.pattern)
}

// atLeast reports whether a lower limit is as strict as another; nil is none.
func atLeast(limit, other *int64) bool {
	return other == nil || *other == 0 || limit != nil && *limit >= *other
}

func atMost(limit, other *int64) bool { return other == nil || limit != nil && *limit <= *other }

func (r *rule) impliesNumbers(other *rule) bool {
	return (other.min.IsZero() || !r.min.IsZero() && compare(r.min, other.min) >= 0) &&
		(other.max.IsZero() || !r.max.IsZero() && compare(r.max, other.max) <= 0)
}

func (r *rule) impliesArrays(other *rule) bool {
	if !atLeast(r.minItems, other.minItems) || !atMost(r.maxItems, other.maxItems) || other.uniqueItems && !r.uniqueItems {
		return false
	}
	if other.items == nil || r.maxItems != nil && *r.maxItems == 0 {
		return true
	}
	return r.itemRule().implies(other.items)
}

func (r *rule) itemRule() *rule {
	if r.items == nil {
		return anything()
	}
	return r.items
}

func (r *rule) impliesObjects(other *rule) bool {
	for _, name := range other.required {
		if !slices.Contains(r.required, name) {
			return false
		}
	}
	for _, p := range other.properties {
		own := r.property(p.name)
		if own == nil && !r.closed {
			own = anything()
		}
		if own != nil && !own.implies(p.rule) {
			return false
		}
	}
	return !other.closed || r.closed && !slices.ContainsFunc(r.properties, func(p property) bool { return other.property(p.name) == nil })
}

// compare compares two finite numbers of any types.
func compare(a, b bson.RawValue) int {
	x, _ := rational(a)
	y, _ := rational(b)
	return x.Cmp(y)
}

// maxExponent bounds the decimals that are looked at: MongoDB's own go further
// than any schema, and take their time.
const maxExponent = 400

// rational returns a finite number exactly; ok is false for all else.
func rational(v bson.RawValue) (n *big.Rat, ok bool) {
	n = new(big.Rat)
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return n.SetInt64(v.AsInt64()), true
	case bson.TypeDouble:
		f := v.Double()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return n, false
		}
		return n.SetFloat64(f), true
	case bson.TypeDecimal128:
		digits, exponent, err := v.Decimal128().BigInt()
		if err != nil || exponent > maxExponent || exponent < -maxExponent {
			return n, false
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
		if exponent < 0 {
			return n.SetFrac(digits, scale), true
		}
		return n.SetInt(digits.Mul(digits, scale)), true
	}
	return n, false
}
