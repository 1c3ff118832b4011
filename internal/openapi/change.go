package openapi

import (
	"github.com/sheafdb/sheaf/internal/schema"
)

// The media types of changes that are not a merge patch.
const (
	mediaJSONPatch = "application/json-patch+json"
	mediaUpdate    = "application/vnd.sheaf.update+json"
)

// change describes a body of PATCH, which the media type tells.
func (s scope) change(media string) schema.JSON {
	switch media {
	case mediaJSONPatch:
		return jsonPatchSchema
	case mediaUpdate:
		return updateSchema
	}
	return s.ref(schema.Patch)
}

var pointerSchema = schema.JSON{m("type", "string"), m("pattern", "^(/([^~/]|~0|~1)*)*$")}

// jsonPatchSchema is RFC 6902.
var jsonPatchSchema = schema.JSON{
	m("type", "array"), m("maxItems", maxArray),
	m("items", schema.JSON{
		m("type", "object"), m("required", []string{"op", "path"}),
		m("properties", schema.JSON{
			m("op", schema.JSON{m("enum", []string{"add", "remove", "replace", "move", "copy", "test"})}),
			m("path", pointerSchema),
			m("from", pointerSchema),
			m("value", schema.JSON{}),
		}),
	}),
}

// updateOperators tells what each update operator does.
var updateOperators = []struct{ name, description string }{
	{"$set", "Puts a value at a path."},
	{"$unset", "Removes what is at a path; the operand is true."},
	{"$inc", "Adds a number."},
	{"$mul", "Multiplies by a number."},
	{"$min", "Puts a value where it is less than what is there."},
	{"$max", "Puts a value where it is more than what is there."},
	{"$push", "Adds an item to an array, or those of $each, at $position, and keeps what $slice says."},
	{"$addToSet", "Adds an item, or those of $each, that the array does not have."},
	{"$pull", "Takes out the items that equal a value, or that fulfil a condition."},
	{"$pop", "Takes out the last item (1), or the first (-1)."},
}

// updateSchema has a member for each operator: dotted paths and their operands.
var updateSchema = func() schema.JSON {
	properties := schema.JSON{}
	for _, o := range updateOperators {
		properties = append(properties, m(o.name, schema.JSON{m("type", "object"), m("description", o.description)}))
	}
	return schema.JSON{m("type", "object"), m("minProperties", 1), m("properties", properties), m("additionalProperties", false)}
}()
