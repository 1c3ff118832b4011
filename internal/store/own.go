package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"github.com/sheafdb/sheaf/internal/schema"
)

// prepareParallel is how many collections are seen to at once.
const prepareParallel = 8

// Prepare makes the collections of the service's own ready that a model needs: it
// has MongoDB delete what is in them for a while only. Where that is so already it
// changes nothing.
func (s *Store) Prepare(ctx context.Context, model *schema.Model) error {
	var group errgroup.Group
	group.SetLimit(prepareParallel)
	group.Go(func() error { return s.expire(ctx, answers, "expiresAt", 0) })
	group.Go(func() error { return s.expire(ctx, locks, "at", lockExpireAfter) })
	for _, c := range model.Collections {
		if c.History != nil {
			group.Go(func() error { return s.PrepareHistory(ctx, c) })
		}
	}
	return group.Wait()
}

// expire makes MongoDB delete the documents of a collection some seconds after the
// date that a field holds.
func (s *Store) expire(ctx context.Context, collection, field string, seconds int32) error {
	index := bson.D{{Key: "key", Value: bson.D{{Key: field, Value: int32(1)}}}, {Key: "name", Value: field + "_1"}, {Key: "expireAfterSeconds", Value: seconds}}
	return mapError(ctx, s.restructure(ctx, bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{index}}}))
}
