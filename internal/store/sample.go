package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Sample calls visit with documents of a collection: with all where there are no
// more than most, else with as many at random. whole says that these were all;
// count is how many there are by MongoDB's own books. A document is valid until
// visit returns.
func (s *Store) Sample(ctx context.Context, collection string, most int, visit func(bson.Raw) error) (whole bool, count int64, err error) {
	count, err = s.EstimatedCount(ctx, collection)
	if err != nil {
		return false, 0, err
	}
	if count <= int64(most) {
		return true, count, s.Each(ctx, Query{Collection: collection}, visit)
	}
	ctx, done := s.reading(s.named(ctx, collection))
	pipeline := bson.A{bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: int64(most)}}}}}
	o := options.Aggregate().SetAllowDiskUse(true)
	o.SetCustom(bson.M{"maxTimeMS": s.maxTime(ctx)}) //nolint:staticcheck // the driver has no other way to bound a pipeline in MongoDB
	cursor, err := s.collection(collection).Aggregate(ctx, pipeline, o)
	rows, err := s.rows(ctx, cursor, done, err)
	if err != nil {
		return false, count, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows.Document()); err != nil {
			return false, count, err
		}
	}
	return false, count, rows.Err()
}
