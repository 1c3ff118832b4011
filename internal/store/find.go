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
	// Count is how many documents share it; Least and Most are the ids of two.
	Count       int64
	Least, Most bson.RawValue
}

// Duplicates returns what a unique index would refuse of the stored documents:
// how many values are shared, how many documents share one, and the first few
// values. index is as createIndexes takes it. MongoDB may use its disk for it; the
// time of ctx bounds it.
func (s *Store) Duplicates(ctx context.Context, collection string, index bson.Raw, few int) (values, documents int64, first []Shared, err error) {
	many, err := s.holdArrays(ctx, collection, index)
	if err != nil {
		return 0, 0, nil, err
	}
	pipeline := append(sharedValues(index, many), bson.D{{Key: "$facet", Value: bson.D{
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
		first = append(first, Shared{count, row.Lookup("least"), row.Lookup("most")})
	}
	return values, documents, first, nil
}

// holdArrays reports whether a document has an array on the path of a key.
func (s *Store) holdArrays(ctx context.Context, collection string, index bson.Raw) (bool, error) {
	some := bson.A{}
	for _, e := range indexKeys(index) {
		for _, path := range prefixes(e.Key) {
			some = append(some, bson.D{{Key: path, Value: bson.D{{Key: "$type", Value: "array"}}}})
		}
	}
	filter, err := bson.Marshal(bson.D{{Key: "$or", Value: some}})
	if err != nil {
		return false, err
	}
	found, _, err := s.FindBatch(ctx, Query{Collection: collection, Filter: filter, Projection: OnlyID, Limit: 1})
	return len(found) > 0, err
}

// sharedValues are the stages that leave a document a value of an index which
// several documents have. With many an array counts with each of its elements,
// once for a document.
func sharedValues(index bson.Raw, many bool) []bson.D {
	var stages []bson.D
	keys := indexKeys(index)
	if admitted := indexed(index, keys); len(admitted) > 0 {
		stages = append(stages, bson.D{{Key: "$match", Value: admitted}})
	}
	value, again := bson.D{}, bson.D{}
	for i, e := range keys {
		name := "k" + strconv.Itoa(i)
		value = append(value, bson.E{Key: name, Value: bson.D{{Key: "$ifNull", Value: bson.A{"$" + e.Key, nil}}}})
		again = append(again, bson.E{Key: name, Value: "$_id." + name})
	}
	id := "$_id"
	if many {
		stages = append(stages, unwound(keys)...)
		stages = append(stages, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: append(value, bson.E{Key: "d", Value: id})}}}})
		value, id = again, "$_id.d"
	}
	return append(stages,
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: value}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}},
			{Key: "least", Value: bson.D{{Key: "$min", Value: id}}}, {Key: "most", Value: bson.D{{Key: "$max", Value: id}}}}}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 1}}}}}})
}

// unwound are the stages that make a document of each element of the arrays on the
// paths of keys.
func unwound(keys bson.D) []bson.D {
	var stages []bson.D
	done := map[string]bool{}
	for _, e := range keys {
		for _, path := range prefixes(e.Key) {
			if !done[path] {
				done[path] = true
				stages = append(stages, bson.D{{Key: "$unwind", Value: bson.D{{Key: "path", Value: "$" + path}, {Key: "preserveNullAndEmptyArrays", Value: true}}}})
			}
		}
	}
	return stages
}

// indexed is the filter of the documents that an index holds, empty for all.
func indexed(index bson.Raw, keys bson.D) bson.D {
	admitted := bson.D{}
	if partial, ok := index.Lookup("partialFilterExpression").DocumentOK(); ok {
		admitted = append(admitted, bson.E{Key: "$and", Value: bson.A{partial}})
	}
	if sparse, _ := index.Lookup("sparse").BooleanOK(); sparse {
		some := bson.A{}
		for _, e := range keys {
			some = append(some, bson.D{{Key: e.Key, Value: bson.D{{Key: "$exists", Value: true}}}})
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
