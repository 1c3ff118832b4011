package store

import (
	"context"
	"errors"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Aggregate runs a pipeline in memory and returns the first batch of what comes
// out: at most limit documents, and at most 16 MiB; more says that there are
// others. The documents are parts of one answer: who keeps one keeps them all.
//
// A pipeline that MongoDB refuses, be it for a value in it or for one that it
// meets, is an InvalidParameter fault: schema files are checked before.
func (s *Store) Aggregate(ctx context.Context, collection string, pipeline []bson.Raw, limit int) (docs []bson.Raw, more bool, err error) {
	docs, more, err = s.aggregate(ctx, collection, pipeline, limit, options.Aggregate().SetAllowDiskUse(false))
	return docs, more, refusedPipeline(err)
}

// aggregate returns the first batch of a pipeline, at most limit documents.
func (s *Store) aggregate(ctx context.Context, collection string, pipeline any, limit int, o *options.AggregateOptionsBuilder) (docs []bson.Raw, more bool, err error) {
	ctx, done := s.reading(s.named(ctx, collection))
	o.SetBatchSize(int32(min(limit, math.MaxInt32-1)) + 1)
	o.SetCustom(bson.M{"maxTimeMS": s.maxTime(ctx)}) //nolint:staticcheck // the driver has no other way to bound a pipeline in MongoDB
	cursor, err := s.collection(collection).Aggregate(ctx, pipeline, o)
	rows, err := s.rows(ctx, cursor, done, err)
	if err != nil {
		return nil, false, err
	}
	return rows.firstBatch()
}

// refusedPipeline tells what MongoDB cannot compute apart from what it cannot
// write or find.
func refusedPipeline(err error) error {
	told, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	_, refused := errors.AsType[mongo.CommandError](err)
	switch {
	case told.Code == fault.PayloadTooLarge:
		return fault.Wrap(err, fault.ResultTooLarge, "the result holds a document that is larger than MongoDB's limit of 16 MiB")
	case refused && (told.Code == fault.Internal || told.Code == fault.ValidationFailed):
		return fault.Wrap(err, fault.InvalidParameter, "the database cannot compute this, for the parameters or for values that it met; the log has the details under this request id")
	}
	return err
}
