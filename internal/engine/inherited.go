package engine

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// While a new schema is rolled out, instances with the old one meet documents of
// the new one: fields that they do not know, and values that only the new one
// admits. What is in a document already is nobody's fault who changes something
// else; what a client sends is held against the schema in full before.

// checkChange notes what a stored document would break of the rules as next, but
// for what it is like that now.
func checkChange(c *schema.Collection, current, next bson.Raw, pointer string, faults *fault.List) {
	before := len(faults.Items)
	c.Check(next, pointer, faults)
	own := slices.DeleteFunc(faults.Items[before:], func(item fault.Item) bool {
		return inherited(item.Code, splitPointer(item.Pointer[len(pointer):]), current, next)
	})
	faults.Items = faults.Items[:before+len(own)]
}

// inherited reports whether what is at fault was there before.
func inherited(code string, path []string, current, next bson.Raw) bool {
	if code == "unknown-field" {
		return holds(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: current}, path)
	}
	was, placed := follow(current, path)
	is, stays := follow(next, path)
	return placed && stays && was.Type == is.Type && bytes.Equal(was.Value, is.Value)
}

// follow returns what a path leads to, or the whole of an array that lies on it.
// placed is false where there is nothing that could hold it.
func follow(doc bson.Raw, path []string) (value bson.RawValue, placed bool) {
	value = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	for _, name := range path {
		object, ok := value.DocumentOK()
		if !ok {
			return value, value.Type == bson.TypeArray
		}
		value = object.Lookup(name)
	}
	return value, true
}

// holds reports whether a path leads to a value, in whichever item of the arrays
// on it: items move.
func holds(value bson.RawValue, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch value.Type {
	case bson.TypeEmbeddedDocument:
		next, err := value.Document().LookupErr(path[0])
		return err == nil && holds(next, path[1:])
	case bson.TypeArray:
		items, _ := value.Array().Values()
		return slices.ContainsFunc(items, func(item bson.RawValue) bool { return holds(item, path[1:]) })
	}
	return false
}

// splitPointer takes an RFC 6901 pointer into a document apart.
func splitPointer(pointer string) []string {
	if pointer == "" {
		return nil
	}
	names := strings.Split(pointer[1:], "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	if names[0] == "id" {
		names[0] = "_id"
	}
	return names
}
