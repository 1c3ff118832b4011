package update

import (
	"bytes"
	"cmp"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// rank is the order of BSON's types, as MongoDB sorts them; numbers share one.
func rank(t bson.Type) int {
	switch t {
	case bson.TypeMinKey:
		return -1
	case bson.TypeUndefined:
		return 0
	case bson.TypeNull:
		return 5
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return 10
	case bson.TypeString, bson.TypeSymbol:
		return 15
	case bson.TypeEmbeddedDocument:
		return 20
	case bson.TypeArray:
		return 25
	case bson.TypeBinary:
		return 30
	case bson.TypeObjectID:
		return 35
	case bson.TypeBoolean:
		return 40
	case bson.TypeDateTime:
		return 45
	case bson.TypeTimestamp:
		return 47
	case bson.TypeRegex:
		return 50
	}
	return 100 + int(t)
}

// compare orders two values as MongoDB does.
func compare(a, b bson.RawValue) int {
	if order := cmp.Compare(rank(a.Type), rank(b.Type)); order != 0 {
		return order
	}
	switch a.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return compareNumbers(a, b)
	case bson.TypeString, bson.TypeSymbol:
		return bytes.Compare(a.Value[4:], b.Value[4:])
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return compareDocuments(a.Value, b.Value, a.Type == bson.TypeEmbeddedDocument)
	case bson.TypeBinary: // by length, subtype, and bytes
		return cmp.Or(cmp.Compare(len(a.Value), len(b.Value)), bytes.Compare(a.Value[4:], b.Value[4:]))
	case bson.TypeDateTime:
		return cmp.Compare(a.DateTime(), b.DateTime())
	case bson.TypeTimestamp:
		at, ai := a.Timestamp()
		bt, bi := b.Timestamp()
		return cmp.Or(cmp.Compare(at, bt), cmp.Compare(ai, bi))
	}
	return bytes.Compare(a.Value, b.Value)
}

// compareDocuments compares entry by entry: the type, the name where names
// count, then the value.
func compareDocuments(a, b bson.Raw, named bool) int {
	as, _ := a.Elements()
	bs, _ := b.Elements()
	for i := range min(len(as), len(bs)) {
		x, y := as[i].Value(), bs[i].Value()
		if order := cmp.Compare(rank(x.Type), rank(y.Type)); order != 0 {
			return order
		}
		if order := cmp.Compare(as[i].Key(), bs[i].Key()); named && order != 0 {
			return order
		}
		if order := compare(x, y); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// compareNumbers compares by value whatever the types. NaN comes first.
func compareNumbers(a, b bson.RawValue) int {
	x, xInt := a.AsInt64OK()
	y, yInt := b.AsInt64OK()
	if xInt && yInt && a.Type != bson.TypeDouble && b.Type != bson.TypeDouble {
		return cmp.Compare(x, y)
	}
	if a.Type == bson.TypeDouble && b.Type == bson.TypeDouble {
		return cmp.Compare(a.Double(), b.Double())
	}
	return compareMagnitudes(magnitudeOf(a), magnitudeOf(b))
}

// magnitude is a number on the way to a comparison: below, above or among the
// finite ones.
type magnitude struct {
	class int // -2 NaN, -1 and 1 the infinities, 0 finite
	exact *big.Rat
}

func compareMagnitudes(a, b magnitude) int {
	if a.class != 0 || b.class != 0 {
		return cmp.Compare(a.class, b.class)
	}
	return a.exact.Cmp(b.exact)
}

func magnitudeOf(v bson.RawValue) magnitude {
	switch v.Type {
	case bson.TypeDouble:
		f := v.Double()
		switch {
		case math.IsNaN(f):
			return magnitude{class: -2}
		case math.IsInf(f, 0):
			return magnitude{class: int(math.Copysign(1, f))}
		}
		return magnitude{exact: new(big.Rat).SetFloat64(f)}
	case bson.TypeDecimal128:
		d, kind := decimalOf(v)
		if kind != finite {
			return magnitude{class: map[decimalKind]int{notANumber: -2, negativeInfinity: -1, positiveInfinity: 1}[kind]}
		}
		return magnitude{exact: d.rat()}
	}
	n, _ := v.AsInt64OK()
	return magnitude{exact: new(big.Rat).SetInt64(n)}
}
