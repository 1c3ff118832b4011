package schema

import (
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// What is known of a caller takes the type of the field that it is compared with,
// as the literals of a filter do. Where it does not fit, the rule does not apply.

// Documents returns the documents of a rule for a caller, nil for all. ok is
// false where what is known of the caller does not fit the rule: then there are
// none.
func (r *Rule) Documents(caller Caller) (where *filter.Bound, ok bool) {
	if r.Where == nil {
		return nil, true
	}
	return r.Where.Fill(func(name string, shape *bsonjson.Shape, list bool) ([]bson.RawValue, bool) {
		return claims(caller, name, shape, list)
	})
}

// For returns the value of an assignment for a caller; ok is as for Documents.
func (a Assignment) For(caller Caller) (value bson.RawValue, ok bool) {
	if a.Parameter == "" {
		return a.Value, true
	}
	list := a.Shape.Kind == bsonjson.Array
	shape := a.Shape
	if list {
		shape = shape.Items
	}
	values, ok := claims(caller, a.Parameter, shape, list)
	if !ok || list {
		return arrayOf(values), ok
	}
	return values[0], true
}

func arrayOf(values []bson.RawValue) bson.RawValue {
	items := template{kind: arrayTemplate}
	for _, value := range values {
		items.inner = append(items.inner, template{value: value})
	}
	data, _ := items.appendInner(nil, nil)
	return bson.RawValue{Type: bson.TypeArray, Value: data}
}

// claims returns what is known of a caller under a name, as values of a shape:
// one, or any number where a list is wanted.
func claims(caller Caller, name string, shape *bsonjson.Shape, list bool) ([]bson.RawValue, bool) {
	known, ok := caller.Claim(name)
	if !ok {
		return nil, false
	}
	several, isList := known.([]any)
	if !isList {
		several = []any{known}
	}
	if isList && !list {
		return nil, false
	}
	values := make([]bson.RawValue, len(several))
	for i, each := range several {
		if values[i], ok = claim(each, shape); !ok {
			return nil, false
		}
	}
	return values, true
}

// claim types one value. Null is nobody's: it would match what is not there.
func claim(known any, shape *bsonjson.Shape) (value bson.RawValue, ok bool) {
	if text, isText := known.(string); isText {
		value, err := bsonjson.ParseText(text, shape)
		return value, err == nil && value.Type != bson.TypeNull
	}
	text, err := json.Marshal(known)
	if err != nil {
		return value, false
	}
	var faults fault.List
	value, err = bsonjson.DecodeValue(text, shape, bsonjson.Options{}, &faults)
	return value, err == nil && len(faults.Items) == 0 && value.Type != bson.TypeNull && !value.IsZero()
}
