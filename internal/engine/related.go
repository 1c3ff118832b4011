package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// found are the documents that a relation leads to, as they are stored.
type found struct {
	docs []bson.Raw
	of   func(doc bson.Raw) []int
}

// find reads the documents that a relation leads to from any of some documents,
// with one command, or none where there is nothing to look for.
func (i *inclusion) find(ctx context.Context, from *schema.Collection, include *query.Include, docs []bson.Raw) (found, error) {
	local, foreign := include.Relation.Ends()
	values := valuesAt(docs, local)
	if len(values) == 0 {
		return found{of: func(bson.Raw) []int { return nil }}, nil
	}
	q, err := i.query(ctx, include)
	if err != nil {
		return found{}, err
	}
	if include.Plan.Limit > 0 && include.Relation.Many {
		return i.findFirst(ctx, include, store.RelatedQuery{
			Query: q, Each: int64(include.Plan.Limit), From: from.Name, IDs: valuesAt(docs, "_id"), Local: local, Foreign: foreign,
		})
	}
	q.Filter = both(store.In(foreign, values), q.Filter)
	all, more, err := i.engine.store.FindBatch(ctx, q)
	if err != nil {
		return found{}, err
	}
	byValue := make(map[string][]int, len(all))
	for n, doc := range all {
		for _, value := range valuesAt(all[n:n+1], foreign) {
			key := store.IDKey(value)
			byValue[key] = append(byValue[key], n)
		}
		i.read.add(size{1, int64(len(doc))})
	}
	return found{all, func(doc bson.Raw) []int { return linked(doc, local, byValue) }}, i.enough(include, more)
}

// findFirst is find for a relation of which each document takes only the first
// few.
func (i *inclusion) findFirst(ctx context.Context, include *query.Include, q store.RelatedQuery) (found, error) {
	rows, more, err := i.engine.store.FindRelated(ctx, q)
	if err != nil {
		return found{}, err
	}
	var all []bson.Raw
	places, byID := map[string]int{}, map[string][]int{}
	for _, row := range rows {
		doc := row.Lookup(store.RelatedDocument).Document()
		key := store.IDKey(doc.Lookup("_id"))
		if _, there := places[key]; !there {
			places[key] = len(all)
			all = append(all, doc)
		}
		id := store.IDKey(row.Lookup(store.RelatedTo))
		byID[id] = append(byID[id], places[key])
		i.read.add(size{1, int64(len(doc))})
	}
	return found{all, func(doc bson.Raw) []int { return byID[store.IDKey(doc.Lookup("_id"))] }}, i.enough(include, more)
}

// query is what a relation's documents are found by, but for whose they are. It
// finds one document more than there may be.
func (i *inclusion) query(ctx context.Context, include *query.Include) (store.Query, error) {
	_, q, err := i.engine.listQuery(ctx, include.Plan)
	q.Limit = int64(max(i.limits.IncludedDocuments-i.read.documents, 0) + 1)
	return q, err
}

// enough refuses what goes beyond the limits. One batch holds what the limits
// admit, unless MongoDB ended it before.
func (i *inclusion) enough(include *query.Include, more bool) error {
	if err := i.admits(include, i.read); err != nil || !more {
		return err
	}
	return include.TooMuch("size of one batch of MongoDB")
}

// linked returns the places of what any value of a document leads to, in order.
func linked(doc bson.Raw, path string, byValue map[string][]int) []int {
	values := valuesAt([]bson.Raw{doc}, path)
	if len(values) == 1 {
		return byValue[store.IDKey(values[0])]
	}
	var places []int
	for _, value := range values {
		places = append(places, byValue[store.IDKey(value)]...)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// valuesAt returns the different values at a path of some documents, null left
// out.
func valuesAt(docs []bson.Raw, path string) []bson.RawValue {
	var values []bson.RawValue
	seen := store.IDSet{}
	for _, doc := range docs {
		eachValue(doc, path, func(value bson.RawValue) {
			if value.Type != bson.TypeNull && seen.Add(value) {
				values = append(values, value)
			}
		})
	}
	return values
}

// eachValue visits the values at a path, those in arrays on the way as MongoDB
// finds them.
func eachValue(doc bson.Raw, path string, visit func(bson.RawValue)) {
	name, rest, deeper := strings.Cut(path, ".")
	for _, element := range spread(doc.Lookup(name)) {
		switch inner, isDocument := element.DocumentOK(); {
		case !deeper:
			visit(element)
		case isDocument:
			eachValue(inner, rest, visit)
		}
	}
}

// spread returns the elements of an array, any other value by itself.
func spread(value bson.RawValue) []bson.RawValue {
	switch value.Type {
	case 0:
		return nil
	case bson.TypeArray:
		elements, err := value.Array().Values()
		if err != nil {
			return nil
		}
		return elements
	}
	return []bson.RawValue{value}
}

// both returns the filter of what passes two.
func both(a, b bson.Raw) bson.Raw {
	if elements, err := b.Elements(); err != nil || len(elements) == 0 {
		return a
	}
	list := bsonjson.NewBuilder(len(a)+len(b)).
		Append("0", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: a}).
		Append("1", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: b}).Document()
	return bsonjson.NewBuilder(len(list)+5).Append("$and", bson.RawValue{Type: bson.TypeArray, Value: list}).Document()
}
