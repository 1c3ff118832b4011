package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// RelatedQuery says what to find of the documents that others are related to:
// for each of the others the first few.
type RelatedQuery struct {
	// Query finds the related documents. Its Limit is for all together.
	Query
	// Each is how many are found for one document.
	Each int64
	// From and IDs are the collection and the ids of the others.
	From string
	IDs  []bson.RawValue
	// Local is the path in the others, and Foreign that in the related
	// documents, whose values are the same.
	Local, Foreign string
}

// The members of what FindRelated finds.
const (
	RelatedTo       = "_id"
	RelatedDocument = "document"
)

// FindRelated runs a query as one command, which reads no more of an index than
// it gives, and returns the first batch as FindBatch does. Each document has the
// id of one of the others as RelatedTo and one of its documents as
// RelatedDocument.
func (s *Store) FindRelated(ctx context.Context, q RelatedQuery) (docs []bson.Raw, more bool, err error) {
	return s.aggregate(ctx, q.From, q.pipeline(), int(q.Limit), options.Aggregate())
}

// Distinct returns the different values at a path of the documents that a filter
// admits, null left out, at most limit of them. Arrays are the paths of the
// arrays on the way, outermost first: their elements count.
func (s *Store) Distinct(ctx context.Context, collection string, filter bson.Raw, path string, arrays []string, limit int) ([]bson.RawValue, error) {
	stages := []bson.D{{{Key: "$match", Value: filter}}}
	for _, array := range arrays {
		stages = append(stages, bson.D{{Key: "$unwind", Value: "$" + array}})
	}
	stages = append(stages,
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$" + path}}}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$ne", Value: nil}}}}}},
		bson.D{{Key: "$limit", Value: limit}})
	docs, _, err := s.aggregate(ctx, collection, stages, limit, options.Aggregate())
	values := make([]bson.RawValue, len(docs))
	for i, doc := range docs {
		values[i] = doc.Lookup("_id")
	}
	return values, err
}

func (q RelatedQuery) pipeline() []bson.D {
	var inner []bson.D
	for _, stage := range []struct {
		name string
		doc  bson.Raw
	}{{"$match", q.Filter}, {"$sort", q.Sort}} {
		if stage.doc != nil {
			inner = append(inner, bson.D{{Key: stage.name, Value: stage.doc}})
		}
	}
	inner = append(inner, bson.D{{Key: "$limit", Value: q.Each}})
	if q.Projection != nil {
		inner = append(inner, bson.D{{Key: "$project", Value: q.Projection}})
	}
	return []bson.D{
		{{Key: "$match", Value: In("_id", q.IDs)}},
		{{Key: "$project", Value: bson.D{{Key: q.Local, Value: 1}}}},
		{{Key: "$lookup", Value: bson.D{
			{Key: "from", Value: q.Collection}, {Key: "localField", Value: q.Local}, {Key: "foreignField", Value: q.Foreign},
			{Key: "pipeline", Value: inner}, {Key: "as", Value: RelatedDocument},
		}}},
		{{Key: "$unwind", Value: "$" + RelatedDocument}}, // so that no row is larger than a document may be
		{{Key: "$project", Value: bson.D{{Key: RelatedDocument, Value: 1}}}},
		{{Key: "$limit", Value: q.Limit}},
	}
}
