package store

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Swap puts Next in the place of Current, if that has the version still.
type Swap struct {
	Current, Next bson.Raw
	// Shard has the conditions on the shard key of Current, nil for none.
	Shard bson.Raw
}

// SwapMany makes swaps of different documents, in no order. It returns how many
// it made and what was refused, as InsertMany tells it: the others of those that
// were not refused were no longer as they were read. Where the error is set each
// of them may be made or not.
func (s *Store) SwapMany(ctx context.Context, collection string, swaps []Swap) (made int, failures []Failure, err error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return 0, nil, err
	}
	defer done()
	models := make([]mongo.WriteModel, len(swaps))
	for i, swap := range swaps {
		version, _ := swap.Current.Lookup("version").AsInt64OK()
		filter := onShard(byVersion(swap.Current.Lookup("_id"), version), swap.Shard)
		models[i] = mongo.NewReplaceOneModel().SetFilter(filter).SetReplacement(swap.Next)
	}
	result, err := s.collection(collection).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	if result != nil {
		made = int(result.MatchedCount)
	}
	failures, err = s.refusals(ctx, err)
	sortFailures(failures)
	return made, failures, err
}
