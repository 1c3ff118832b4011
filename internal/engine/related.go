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
		eachValue(doc, foreign, func(value bson.RawValue) {
			key := store.IDKey(value)
			if there := byValue[key]; len(there) == 0 || there[len(there)-1] != n {
				byValue[key] = append(there, n)
			}
		})
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
	if include.Relation.Kind == schema.BelongsTo && !include.Relation.Many {
		q.Sort = nil // of one there is no order
	}
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
func linked(doc bson.Raw, path string, byValue map[string][]int) (places []int) {
	several := false
	eachValue(doc, path, func(value bson.RawValue) {
		switch more := byValue[store.IDKey(value)]; {
		case len(more) == 0:
		case places == nil:
			places = more
		default:
			places, several = append(slices.Clip(places), more...), true
		}
	})
	if several {
		slices.Sort(places)
		places = slices.Compact(places)
	}
	return places
}

// valuesAt returns the different values at a path of some documents.
func valuesAt(docs []bson.Raw, path string) []bson.RawValue {
	values, seen := make([]bson.RawValue, 0, len(docs)), make(store.IDSet, len(docs))
	for _, doc := range docs {
		eachValue(doc, path, func(value bson.RawValue) {
			if seen.Add(value) {
				values = append(values, value)
			}
		})
	}
	return values
}

// eachValue visits the values at a path but null, those in arrays on the way as
// MongoDB finds them.
func eachValue(doc bson.Raw, path string, visit func(bson.RawValue)) {
	name, rest, deeper := strings.Cut(path, ".")
	value, err := doc.LookupErr(name)
	if err != nil {
		return
	}
	at := func(value bson.RawValue) {
		switch inner, isDocument := value.DocumentOK(); {
		case deeper && isDocument:
			eachValue(inner, rest, visit)
		case !deeper && value.Type != bson.TypeNull:
			visit(value)
		}
	}
	if value.Type != bson.TypeArray {
		at(value)
		return
	}
	elements, _ := value.Array().Values() // MongoDB's documents are whole
	for _, element := range elements {
		at(element)
	}
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
