package store

import (
	"bytes"
	"math"
	"slices"
	"strings"

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

// SameIndex reports whether two indexes, each as createIndexes takes it or
// listIndexes shows it, are surely the same but for their names.
func SameIndex(a, b bson.Raw) bool {
	a, b = IndexDescription(a), IndexDescription(b)
	for _, of := range [][2]bson.Raw{{a, b}, {b, a}} {
		elements, err := of[0].Elements()
		if err != nil || slices.ContainsFunc(elements, func(e bson.RawElement) bool {
			return e.Key() != "name" && !sameValue(e.Value(), of[1].Lookup(e.Key()))
		}) {
			return false
		}
	}
	return true
}

// IndexDescription returns an index that listIndexes shows as createIndexes
// takes it: without versions and defaults, a text index with its fields, and each
// condition of a partial one with its operator. The numbers of its keys are int32.
func IndexDescription(index bson.Raw) bson.Raw {
	doc := bson.D{{Key: "key", Value: indexKeys(index)}, {Key: "name", Value: text(index.Lookup("name"))}}
	elements, _ := index.Elements()
	for _, e := range elements {
		switch {
		case e.Key() == "partialFilterExpression":
			doc = append(doc, bson.E{Key: e.Key(), Value: plainFilter(e.Value(), false)})
		case !isIndexDefault(e.Key(), e.Value()):
			doc = append(doc, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	raw, err := bson.Marshal(doc)
	if err != nil { // what MongoDB sent encodes
		panic("store: an index does not encode: " + err.Error())
	}
	return raw
}

// plainFilter returns a filter in the one form for what it says: equality as $eq,
// and whole numbers as int64. of says that the value is compared with.
func plainFilter(value bson.RawValue, of bool) any {
	switch value.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return value.AsInt64()
	case bson.TypeDouble:
		if f := value.Double(); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f)
		}
	case bson.TypeArray:
		list := bson.A{}
		values, _ := value.Array().Values()
		for _, item := range values {
			list = append(list, plainFilter(item, of))
		}
		return list
	case bson.TypeEmbeddedDocument:
		if of {
			return value
		}
		return plainConditions(value.Document())
	}
	return value
}

func plainConditions(filter bson.Raw) bson.D {
	doc := bson.D{}
	elements, _ := filter.Elements()
	for _, e := range elements {
		inner, isDocument := e.Value().DocumentOK()
		first, err := inner.IndexErr(0)
		switch name := e.Key(); {
		case strings.HasPrefix(name, "$"): // of conditions, or of a value
			doc = append(doc, bson.E{Key: name, Value: plainFilter(e.Value(), name != "$and" && name != "$or")})
		case isDocument && err == nil && strings.HasPrefix(first.Key(), "$"):
			doc = append(doc, bson.E{Key: name, Value: plainConditions(inner)})
		default:
			doc = append(doc, bson.E{Key: name, Value: bson.D{{Key: "$eq", Value: plainFilter(e.Value(), true)}}})
		}
	}
	return doc
}

// isIndexDefault reports whether an option says nothing that is not so without
// it, or that IndexDescription has otherwise.
func isIndexDefault(option string, value bson.RawValue) bool {
	switch option {
	case "key", "name", "v", "ns", "textIndexVersion", "2dsphereIndexVersion", "background":
		return true
	case "unique", "sparse", "hidden":
		flag, ok := value.BooleanOK()
		return ok && !flag
	case "default_language":
		return text(value) == "english"
	case "language_override":
		return text(value) == "language"
	case "weights":
		weights, _ := value.DocumentOK()
		elements, _ := weights.Elements()
		return !slices.ContainsFunc(elements, func(e bson.RawElement) bool { n, _ := e.Value().AsInt64OK(); return n != 1 })
	}
	return false
}

// indexKeys returns the keys of an index. MongoDB shows those of a text index as
// _fts and _ftsx, and the fields among the weights.
func indexKeys(index bson.Raw) bson.D {
	key, _ := index.Lookup("key").DocumentOK()
	weights, _ := index.Lookup("weights").DocumentOK()
	var keys, words bson.D
	place := -1
	elements, _ := key.Elements()
	for _, e := range elements {
		n, isNumber := e.Value().AsInt64OK()
		switch {
		case e.Key() == "_ftsx":
		case text(e.Value()) == "text":
			place = len(keys)
			if e.Key() != "_fts" {
				words = append(words, bson.E{Key: e.Key(), Value: "text"})
			}
		case isNumber:
			keys = append(keys, bson.E{Key: e.Key(), Value: int32(n)})
		default:
			keys = append(keys, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	if elements, _ := weights.Elements(); len(words) == 0 {
		for _, e := range elements {
			words = append(words, bson.E{Key: e.Key(), Value: "text"})
		}
	}
	slices.SortFunc(words, func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) })
	if place < 0 {
		return keys
	}
	return slices.Insert(keys, place, words...)
}

// sameValue compares two values of an option, of which numbers may be of
// different types.
func sameValue(a, b bson.RawValue) bool {
	n, isNumber := a.AsInt64OK()
	if m, ok := b.AsInt64OK(); ok && isNumber {
		return n == m
	}
	return a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}
