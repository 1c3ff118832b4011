package query

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// order is the total order of a list: no two documents have the same place. It
// is empty for the order of distance, which $near makes.
type order []orderKey

// orderKey is one key of an order.
type orderKey struct {
	stored     string
	descending bool
	kind       bsonjson.Kind
	// nulls says that documents may lack the field, or hold null there. In
	// MongoDB's order both are the same, and come before all values.
	nulls bool
}

// order binds the sort. It ends with the id, in the direction of the last key so
// that an index serves both ways, unless the keys are unique together already.
func (r Request) order(c *schema.Collection, where *filter.Bound, faults *fault.List) order {
	if len(r.Sort) == 0 && where != nil && where.Has(filter.Near) {
		return nil
	}
	var o order
	at := r.source.pointer(partSort)
	for i, key := range r.Sort {
		target, err := resolver(c)(key.Path)
		switch {
		case err != nil:
			faults.Add(at, "unknown-field", "%q %s", shorten(key.Path), err)
			continue
		case len(target.Arrays) > 0 || !sortable(target.Shape.Kind):
			faults.Add(at, "type", "%q is of a type that has no one place in an order: %s", shorten(key.Path), typeName(target))
			continue
		case slices.ContainsFunc(r.Sort[:i], func(other SortKey) bool { return other.Path == key.Path }):
			faults.Add(at, "repeated", "names %q twice", shorten(key.Path))
			continue
		}
		o = append(o, orderKey{target.Stored, key.Descending, target.Shape.Kind, !c.Always(key.Path)})
		if target.Stored == "_id" {
			return o // what follows decides nothing
		}
	}
	if o.unique(c) {
		return o
	}
	return append(o, orderKey{stored: "_id", descending: len(o) > 0 && o[len(o)-1].descending, kind: c.IDShape().Kind})
}

func typeName(target filter.Target) string {
	if len(target.Arrays) > 0 {
		return "it lies in an array"
	}
	return target.Shape.Kind.String()
}

// unique reports whether a unique index of all documents lies within the keys.
func (o order) unique(c *schema.Collection) bool {
	has := func(field string) bool {
		return slices.ContainsFunc(o, func(k orderKey) bool { return k.stored == field && !k.nulls })
	}
	return slices.ContainsFunc(c.Indexes, func(index schema.Index) bool {
		return index.Unique && index.Partial == nil && !slices.ContainsFunc(index.Keys, func(e bson.E) bool { return !has(e.Key) })
	})
}

func (o order) sort(backward bool) bson.D {
	var sort bson.D
	for _, k := range o {
		direction := 1
		if k.descending != backward {
			direction = -1
		}
		sort = append(sort, bson.E{Key: k.stored, Value: direction})
	}
	return sort
}

// beyond returns the condition of the documents after a position, or before it.
// It is an alternative a key: the keys before are equal, and this one is beyond.
// So each alternative is one range of an index that has the keys, and MongoDB
// merges them without a sort.
func (o order) beyond(position []bson.RawValue, backward bool) bson.D {
	var alternatives bson.A
	for i, k := range o {
		for _, range_ := range k.beyond(position[i], backward) {
			alternative := bson.D{}
			for j, equal := range o[:i] {
				alternative = append(alternative, bson.E{Key: equal.stored, Value: position[j]})
			}
			alternatives = append(alternatives, append(alternative, range_))
		}
	}
	switch len(alternatives) {
	case 0:
		return nothing
	case 1:
		return alternatives[0].(bson.D)
	}
	return bson.D{{Key: "$or", Value: alternatives}}
}

// nothing is the condition that no document fulfils.
var nothing = bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{}}}}}

// beyond returns the ranges of one key that lie beyond a value. MongoDB compares
// within a type, so null, which is less than all values, is a range of its own.
func (k orderKey) beyond(value bson.RawValue, backward bool) []bson.E {
	down := k.descending != backward
	isNull := value.Type == bson.TypeNull
	switch {
	case isNull && down:
		return nil
	case isNull:
		return []bson.E{{Key: k.stored, Value: bson.D{{Key: "$ne", Value: nil}}}}
	case !down:
		return []bson.E{{Key: k.stored, Value: bson.D{{Key: "$gt", Value: value}}}}
	}
	less := bson.E{Key: k.stored, Value: bson.D{{Key: "$lt", Value: value}}}
	if !k.nulls {
		return []bson.E{less}
	}
	return []bson.E{less, {Key: k.stored, Value: nil}}
}

// valueOf returns the value that gives a document its place: null where it has
// none.
func (k orderKey) valueOf(doc bson.Raw) bson.RawValue {
	value, err := doc.LookupErr(strings.Split(k.stored, ".")...)
	if err != nil {
		return bson.RawValue{Type: bson.TypeNull}
	}
	return value
}

// admits reports whether a value can be that of a document. A cursor that was
// made by hand must not bring anything else into a condition.
func (k orderKey) admits(value bson.RawValue) bool {
	if value.Type == bson.TypeNull {
		return true
	}
	return slices.Contains(typesOf[k.kind], value.Type)
}

// typesOf are the types in which MongoDB may hold what is sorted by, those of
// others' writes included.
var typesOf = map[bsonjson.Kind][]bson.Type{
	bsonjson.String:   {bson.TypeString},
	bsonjson.Int:      {bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128},
	bsonjson.Double:   {bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128},
	bsonjson.Decimal:  {bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128},
	bsonjson.Bool:     {bson.TypeBoolean},
	bsonjson.Date:     {bson.TypeDateTime},
	bsonjson.ObjectID: {bson.TypeObjectID},
	bsonjson.UUID:     {bson.TypeBinary},
	bsonjson.Binary:   {bson.TypeBinary},
}
