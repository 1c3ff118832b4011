package store

import (
	"context"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Matching counts the documents that match a filter, and returns the first few of
// them. It may read the whole collection; the time of ctx bounds it.
func (s *Store) Matching(ctx context.Context, collection string, filter bson.Raw, few int) (count int64, first []bson.Raw, err error) {
	first, more, err := s.FindBatch(ctx, Query{Collection: collection, Filter: filter, Limit: int64(few)})
	if err != nil || !more && len(first) < few {
		return int64(len(first)), first, err
	}
	pipeline := []bson.D{
		{{Key: "$match", Value: filter}},
		{{Key: "$count", Value: "n"}},
	}
	counted, _, err := s.aggregate(ctx, collection, pipeline, 1, options.Aggregate())
	if err == nil && len(counted) == 1 {
		count = counted[0].Lookup("n").AsInt64()
	}
	return max(count, int64(len(first))), first, err
}

// Shared are documents that share a value which a unique index would not let
// them share.
type Shared struct {
	// Count is how many documents share it; IDs are the first of them.
	Count int64
	IDs   []bson.RawValue
}

// mostShared is how many ids are told of documents that share a value.
const mostShared = 5

// Duplicates returns what a unique index would refuse of the stored documents:
// how many values are shared, how many documents share one, and the first few
// values. index is as createIndexes takes it. MongoDB may use its disk for it; the
// time of ctx bounds it.
func (s *Store) Duplicates(ctx context.Context, collection string, index bson.Raw, few int) (values, documents int64, first []Shared, err error) {
	pipeline := append(sharedValues(index), bson.D{{Key: "$facet", Value: bson.D{
		{Key: "all", Value: bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: nil},
			{Key: "values", Value: bson.D{{Key: "$sum", Value: 1}}}, {Key: "documents", Value: bson.D{{Key: "$sum", Value: "$n"}}}}}}}},
		{Key: "first", Value: bson.A{bson.D{{Key: "$sort", Value: bson.D{{Key: "least", Value: 1}}}}, bson.D{{Key: "$limit", Value: few}}}},
	}}})
	docs, _, err := s.aggregate(ctx, collection, pipeline, 1, options.Aggregate().SetAllowDiskUse(true))
	if err != nil || len(docs) == 0 {
		return 0, 0, nil, err
	}
	for _, all := range elements(docs[0].Lookup("all")) {
		values, _ = all.Document().Lookup("values").AsInt64OK()
		documents, _ = all.Document().Lookup("documents").AsInt64OK()
	}
	for _, value := range elements(docs[0].Lookup("first")) {
		row := value.Document()
		count, _ := row.Lookup("n").AsInt64OK()
		first = append(first, Shared{count, elements(row.Lookup("ids"))})
	}
	return values, documents, first, nil
}

// sharedValues are the stages that leave a document a value of an index which
// several documents have. An array counts with each of its elements, once for a
// document.
func sharedValues(index bson.Raw) []bson.D {
	var stages []bson.D
	key, _ := index.Lookup("key").DocumentOK()
	keys, _ := key.Elements()
	if admitted := indexed(index, keys); len(admitted) > 0 {
		stages = append(stages, bson.D{{Key: "$match", Value: admitted}})
	}
	value, unwound, only := bson.D{}, map[string]bool{}, bson.D{}
	for i, e := range keys {
		for _, path := range prefixes(e.Key()) {
			if !unwound[path] {
				unwound[path] = true
				stages = append(stages, bson.D{{Key: "$unwind", Value: bson.D{{Key: "path", Value: "$" + path}, {Key: "preserveNullAndEmptyArrays", Value: true}}}})
			}
		}
		only = append(only, bson.E{Key: "k" + strconv.Itoa(i), Value: bson.D{{Key: "$ifNull", Value: bson.A{"$" + e.Key(), nil}}}})
		value = append(value, bson.E{Key: "k" + strconv.Itoa(i), Value: "$_id.k" + strconv.Itoa(i)})
	}
	return append(stages,
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: append(only, bson.E{Key: "d", Value: "$_id"})}}}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: value}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}},
			{Key: "least", Value: bson.D{{Key: "$min", Value: "$_id.d"}}},
			{Key: "ids", Value: bson.D{{Key: "$minN", Value: bson.D{{Key: "input", Value: "$_id.d"}, {Key: "n", Value: mostShared}}}}}}}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 1}}}}}})
}

// indexed is the filter of the documents that an index holds, empty for all.
func indexed(index bson.Raw, keys []bson.RawElement) bson.D {
	admitted := bson.D{}
	if partial, ok := index.Lookup("partialFilterExpression").DocumentOK(); ok {
		admitted = append(admitted, bson.E{Key: "$and", Value: bson.A{partial}})
	}
	if sparse, _ := index.Lookup("sparse").BooleanOK(); sparse {
		some := bson.A{}
		for _, e := range keys {
			some = append(some, bson.D{{Key: e.Key(), Value: bson.D{{Key: "$exists", Value: true}}}})
		}
		admitted = append(admitted, bson.E{Key: "$or", Value: some})
	}
	return admitted
}

// prefixes are the paths on the way to a dotted path, itself included.
func prefixes(path string) []string {
	var all []string
	for i, r := range path {
		if r == '.' {
			all = append(all, path[:i])
		}
	}
	return append(all, path)
}
