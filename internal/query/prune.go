package query

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// keep makes sure that a projection has a field, which the page needs though the
// client does not: what comes back for that alone is noted, to be taken out
// again.
func (p *Plan) keep(path string) {
	if p.Projection == nil {
		return
	}
	elements, _ := p.Projection.Elements()
	if len(elements) > 0 && elements[0].Value().AsInt64() == 0 {
		p.keepExcluded(path, elements)
		return
	}
	if path == "_id" || slices.ContainsFunc(elements, func(e bson.RawElement) bool { return path == e.Key() || strings.HasPrefix(path, e.Key()+".") }) {
		return
	}
	p.Projection = marshal(append(fieldsOf(elements), bson.E{Key: path, Value: 1}))
	p.drop = append(p.drop, strings.Split(unselected(path, elements), "."))
}

// keepExcluded lets a field come back that was to be left out.
func (p *Plan) keepExcluded(path string, elements []bson.RawElement) {
	i := slices.IndexFunc(elements, func(e bson.RawElement) bool { return path == e.Key() || strings.HasPrefix(path, e.Key()+".") })
	if i < 0 {
		return
	}
	p.drop = append(p.drop, strings.Split(elements[i].Key(), "."))
	if len(elements) == 1 {
		p.Projection = nil
		return
	}
	p.Projection = marshal(fieldsOf(slices.Delete(elements, i, i+1)))
}

func fieldsOf(elements []bson.RawElement) bson.D {
	var fields bson.D
	for _, e := range elements {
		fields = append(fields, bson.E{Key: e.Key(), Value: e.Value()})
	}
	return fields
}

// unselected returns the shortest part of a path that nothing was selected of.
func unselected(path string, selected []bson.RawElement) string {
	for i := range len(path) {
		if path[i] == '.' && !slices.ContainsFunc(selected, func(e bson.RawElement) bool { return strings.HasPrefix(e.Key(), path[:i+1]) }) {
			return path[:i]
		}
	}
	return path
}

// Prune returns a document without what was read for the page or its includes
// alone.
func (p *Plan) Prune(doc bson.Raw) bson.Raw { return prune(doc, p.drop) }

// prune returns a document without some fields, which may lie in the elements of
// arrays.
func prune(doc bson.Raw, drop [][]string) bson.Raw {
	if len(drop) == 0 {
		return doc
	}
	index, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(doc)))
	elements, _ := doc.Elements() // MongoDB's documents are whole
	for _, e := range elements {
		var inner [][]string
		gone := false
		for _, path := range drop {
			if path[0] == e.Key() {
				gone = gone || len(path) == 1
				inner = append(inner, path[1:])
			}
		}
		value := e.Value()
		switch {
		case gone:
		case len(inner) > 0 && value.Type == bson.TypeEmbeddedDocument:
			dst = bsoncore.AppendDocumentElement(dst, e.Key(), bsoncore.Document(prune(value.Document(), inner)))
		case len(inner) > 0 && value.Type == bson.TypeArray:
			dst = bsoncore.AppendArrayElement(dst, e.Key(), pruneElements(value.Array(), inner))
		default:
			dst = append(dst, e...)
		}
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return dst
}

func pruneElements(array bson.RawArray, drop [][]string) bsoncore.Array {
	index, dst := bsoncore.AppendArrayStart(make([]byte, 0, len(array)))
	values, _ := array.Values()
	for i, value := range values {
		if object, isObject := value.DocumentOK(); isObject {
			dst = bsoncore.AppendDocumentElement(dst, strconv.Itoa(i), bsoncore.Document(prune(object, drop)))
			continue
		}
		dst = append(bsoncore.AppendHeader(dst, bsoncore.Type(value.Type), strconv.Itoa(i)), value.Value...)
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, index)
	return dst
}
