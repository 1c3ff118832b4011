package store

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
)

// indexSpec describes an index as createIndexes takes it.
func indexSpec(index schema.Index) bson.D {
	spec := bson.D{{Key: "key", Value: index.Keys}, {Key: "name", Value: index.Name}}
	if index.Unique {
		spec = append(spec, bson.E{Key: "unique", Value: true})
	}
	if index.Partial != nil {
		spec = append(spec, bson.E{Key: "partialFilterExpression", Value: index.Partial})
	}
	if index.ExpireAfter != nil {
		spec = append(spec, bson.E{Key: "expireAfterSeconds", Value: int64(index.ExpireAfter.Seconds())})
	}
	return spec
}

// missingIndexes returns those that do not exist as they should. One that may
// differ from what exists is among them: MongoDB is the judge of that.
func missingIndexes(wanted []schema.Index, existing []bson.Raw) []schema.Index {
	return slices.DeleteFunc(slices.Clone(wanted), func(index schema.Index) bool {
		return slices.ContainsFunc(existing, func(e bson.Raw) bool { return sameIndex(e, index) })
	})
}

// sameIndex reports whether an index as listIndexes shows it is surely the
// wanted one, whatever its name.
func sameIndex(existing bson.Raw, wanted schema.Index) bool {
	spec, err := bson.Marshal(indexSpec(wanted))
	if err != nil || hasOtherOptions(existing) {
		return false
	}
	for _, option := range []string{"key", "unique", "partialFilterExpression", "expireAfterSeconds"} {
		if !sameValue(existing.Lookup(option), bson.Raw(spec).Lookup(option)) {
			return false
		}
	}
	return true
}

// hasOtherOptions reports whether an index has an option that Sheaf never
// gives, such as the weights of a text index.
func hasOtherOptions(index bson.Raw) bool {
	known := []string{"v", "key", "name", "unique", "partialFilterExpression", "expireAfterSeconds", "2dsphereIndexVersion"}
	elements, err := index.Elements()
	return err != nil || slices.ContainsFunc(elements, func(e bson.RawElement) bool { return !slices.Contains(known, e.Key()) })
}

// sameValue compares two values of an option, of which numbers may be of
// different types. A zero value stands for an option that is not there.
func sameValue(a, b bson.RawValue) bool {
	n, isNumber := a.AsInt64OK()
	if m, ok := b.AsInt64OK(); ok && isNumber {
		return n == m
	}
	return a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}

// conflicting returns the name of the existing index that is in the way of a
// wanted one: it has the same name or the same keys.
func conflicting(existing []bson.Raw, wanted schema.Index) string {
	keys, _ := bson.Marshal(wanted.Keys)
	for _, e := range existing {
		stored, _ := e.Lookup("key").DocumentOK()
		if name := text(e.Lookup("name")); name == wanted.Name || bytes.Equal(stored, keys) {
			return name
		}
	}
	return wanted.Name
}
