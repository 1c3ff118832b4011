package query

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

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
}

// order binds the sort.
func (r Request) order(c *schema.Collection, p *Plan, faults *fault.List) order {
	if len(r.Sort) == 0 && p.near() {
		return nil
	}
	var o order
	at := r.source.pointer(partSort)
	for i, key := range r.Sort {
		target, err := resolver(c)(key.Path)
		switch {
		case err != nil:
			faults.Add(at, "unknown-field", "%q %s", shorten(key.Path), err)
		case len(target.Arrays) > 0 || !sortable(target.Shape.Kind):
			faults.Add(at, "type", "%q is of a type that has no one place in an order: %s", shorten(key.Path), typeName(target))
		case slices.ContainsFunc(r.Sort[:i], func(other SortKey) bool { return other.Path == key.Path }):
			faults.Add(at, "repeated", "names %q twice", shorten(key.Path))
		default:
			o = append(o, orderKey{target.Stored, key.Descending})
		}
	}
	return o.total(r.Deleted.indexesFor(c), p.Where)
}

// total ends an order with the key from which on no two documents are equal.
// Where there is none that is the id, in the direction of the last key so that
// an index serves both ways.
func (o order) total(indexes []schema.Index, where *filter.Bound) order {
	for i, k := range o {
		if k.stored == "_id" || o[:i+1].unique(indexes, where) {
			return o[:i+1]
		}
	}
	return append(o, orderKey{stored: "_id", descending: len(o) > 0 && o[len(o)-1].descending})
}

func typeName(target filter.Target) string {
	if len(target.Arrays) > 0 {
		return "it lies in an array"
	}
	return target.Shape.Kind.String()
}

// unique reports whether no two documents that where admits have the same keys:
// a unique index of all documents lies within the keys and what where fixes.
func (o order) unique(indexes []schema.Index, where *filter.Bound) bool {
	has := func(key bson.E) bool {
		return slices.ContainsFunc(o, func(k orderKey) bool { return k.stored == key.Key }) || fixes(where, key.Key)
	}
	return slices.ContainsFunc(indexes, func(index schema.Index) bool {
		return index.Unique && index.Partial == nil && !slices.ContainsFunc(index.Keys, func(key bson.E) bool { return !has(key) })
	})
}

// fixes reports whether a filter admits one value of a field alone.
func fixes(where *filter.Bound, stored string) bool {
	return where != nil && slices.ContainsFunc(where.Conditions(), func(n *filter.Node) bool {
		return n.Op == filter.Eq && n.Target.Stored == stored && len(n.Target.Arrays) == 0
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
		beyond, ok := k.beyond(position[i], backward)
		if !ok {
			continue
		}
		alternative := make(bson.D, 0, i+1)
		for j, equal := range o[:i] {
			alternative = append(alternative, bson.E{Key: equal.stored, Value: bson.D{{Key: "$eq", Value: position[j]}}})
		}
		alternatives = append(alternatives, append(alternative, beyond))
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

// beyond returns the range of one key that lies beyond a value, false for none.
//
// A $gt of the query language compares within one type: it would lose the
// documents that have null there, or nothing, or a value of another type, as
// those have that were stored before the schema said what it says. The one of
// an $expr follows the order of a sort, save that it takes a missing field for
// less than null. An id is always there, and of one type.
func (k orderKey) beyond(value bson.RawValue, backward bool) (bson.E, bool) {
	op := "$gt"
	if k.descending != backward {
		op = "$lt"
	}
	switch {
	case k.stored == "_id":
		return bson.E{Key: k.stored, Value: bson.D{{Key: op, Value: value}}}, true
	case value.Type == bson.TypeNull && op == "$lt":
		return bson.E{}, false
	}
	return beyondValue(k.stored, op, value), true
}

// beyondValue is the condition that a field lies beyond a value in the order of a
// sort, over all types.
func beyondValue(stored, op string, value bson.RawValue) bson.E {
	literal := bson.D{{Key: "$literal", Value: value}}
	return bson.E{Key: "$expr", Value: bson.D{{Key: op, Value: bson.A{"$" + stored, literal}}}}
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

// places reports whether a value can give a document its place. A cursor that
// was made by hand must not bring anything else into a condition.
func places(value bson.RawValue) bool {
	switch value.Type {
	case bson.TypeNull, bson.TypeString, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128, bson.TypeBoolean,
		bson.TypeDateTime, bson.TypeTimestamp, bson.TypeObjectID, bson.TypeBinary:
		return true
	}
	return false
}
