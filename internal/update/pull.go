package update

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// condition tells which items $pull takes out: those for which a document that
// has nothing but an array of the one item fulfils a filter with $elemMatch.
type condition struct {
	*filter.Bound
}

// holder is the name of that array, and matching where the condition begins in
// that filter.
const (
	holder   = "items"
	matching = "/" + holder + "/$elemMatch"
)

func (c *condition) holds(item bson.RawValue) bool {
	return c.Match(documentOf([]element{{holder, arrayOf([]bson.RawValue{item})}}).Value)
}

// readPull takes a value, or an object for a condition on the items.
func readPull(k *compiler, place schema.Place, text []byte, at string) (operand, error) {
	name, isObject, err := firstName(text)
	if err != nil {
		return operand{}, err
	}
	if !isObject || k.Extended && bsonjson.IsWrapper(name) {
		value, err := k.value(place.Item(), text, at, false)
		return operand{values: []bson.RawValue{value}}, err
	}
	fields := bsonjson.NewFields([]bsonjson.Field{{Name: holder, Shape: place.Shape()}}, false)
	var faults fault.List
	src := append(append([]byte(`{"`+holder+`":{"$elemMatch":`), text...), "}}"...)
	var bound *filter.Bound
	if tree := filter.Parse(src, "", &faults); tree != nil {
		bound = tree.Bind(filter.Fields(fields), &faults)
	}
	for _, item := range faults.Items {
		k.faults.Add(at+strings.TrimPrefix(item.Pointer, matching), item.Code, "%s", item.Detail)
	}
	if bound != nil && !bound.Matchable() {
		k.faults.Add(at, "unknown-operator", "has an operator that only a search knows")
	}
	return operand{condition: &condition{bound}}, nil
}
