package store

import (
	"context"
	"errors"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/coalesce"
)

// counters is the collection that holds the last id of every sequence, as
// {_id: collection, last: int64}. No schema can declare its name.
const counters = "_sheaf.counters"

// maxIDs bounds the callers whose ids one command takes.
const maxIDs = 10_000

// NextID is NextIDs for one document.
func (s *Store) NextID(ctx context.Context, collection string) (int64, error) {
	return s.NextIDs(ctx, collection, 1)
}

// NextIDs returns the first of n successive ids for documents of a collection,
// larger than any that were returned before, on every instance of the service.
// They are never returned again, so what fails after it leaves a gap. The first
// id follows the largest integer _id in the collection.
//
// It takes no part in a transaction: ids that one does not use are lost.
func (s *Store) NextIDs(ctx context.Context, collection string, n int) (int64, error) {
	first, err := s.sequence(collection).batcher.Do(outside(ctx), int64(n))
	return first, s.coalesced(ctx, err)
}

// RaiseSequence makes the ids that NextID returns from now on larger than
// atLeast, for documents that come with their ids.
func (s *Store) RaiseSequence(ctx context.Context, collection string, atLeast int64) error {
	ctx, done, err := s.write(outside(ctx), counters)
	if err != nil {
		return err
	}
	defer done()
	result, err := s.collection(counters).UpdateByID(ctx, collection, raise(atLeast))
	if err != nil || result.MatchedCount == 1 {
		return mapError(ctx, err)
	}
	return mapError(ctx, s.startSequence(ctx, collection, atLeast))
}

func raise(atLeast int64) bson.D {
	return bson.D{{Key: "$max", Value: bson.D{{Key: "last", Value: atLeast}}}}
}

// sequence gives the ids of one collection out.
type sequence struct {
	store      *Store
	collection string
	batcher    *coalesce.Batcher[int64, int64]
}

func (q *sequence) close() { q.batcher.Close() }

// sequence returns the sequence of a collection. While one command for ids is
// under way further callers gather, and the next asks for as many ids.
func (s *Store) sequence(collection string) *sequence {
	if q, ok := s.sequences.Load(collection); ok {
		return q.(*sequence)
	}
	q := &sequence{store: s, collection: collection}
	q.batcher = coalesce.New(coalesce.Limits{InFlight: 1, Size: maxIDs, Queue: maxIDs, Timeout: s.timeout, Sent: s.Batches("ids")}, nil, q.allocate)
	loaded, _ := s.sequences.LoadOrStore(collection, q)
	return loaded.(*sequence)
}

// allocate takes as many ids as the calls ask for.
func (q *sequence) allocate(ctx context.Context, calls []*coalesce.Call[int64, int64]) {
	var total int64
	for _, c := range calls {
		total += c.Request
	}
	last, err := q.advance(q.store.named(ctx, counters), total)
	next := last - total + 1
	for _, c := range calls {
		c.Response, c.Err = next, err
		next += c.Request
	}
}

// advance raises the counter by n and returns what it is then.
func (q *sequence) advance(ctx context.Context, n int64) (int64, error) {
	last, err := q.increment(ctx, n)
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return last, err
	}
	if err := q.store.startSequence(ctx, q.collection, 0); err != nil {
		return 0, err
	}
	return q.increment(ctx, n)
}

func (q *sequence) increment(ctx context.Context, n int64) (int64, error) {
	var counter struct{ Last int64 }
	update := bson.D{{Key: "$inc", Value: bson.D{{Key: "last", Value: n}}}}
	err := q.store.collection(counters).FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: q.collection}}, update,
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&counter)
	return counter.Last, err
}

// startSequence makes the counter of a collection that has none: after the ids
// that the collection holds, and after atLeast. Where another made it meanwhile
// it is only ever raised.
func (s *Store) startSequence(ctx context.Context, collection string, atLeast int64) error {
	largest, err := s.largestID(ctx, collection)
	if err != nil {
		return err
	}
	for wait := newBackoff(time.Now().Add(s.timeout)); ; {
		_, err = s.collection(counters).UpdateByID(ctx, collection, raise(max(largest, atLeast)), options.UpdateOne().SetUpsert(true))
		// Two upserts of the same document at once: one of them is refused.
		if !mongo.IsDuplicateKeyError(err) || !wait.sleep(ctx) {
			return err
		}
	}
}

// largestID returns the largest integer _id of a collection, 0 for none.
func (s *Store) largestID(ctx context.Context, collection string) (int64, error) {
	integers := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: int64(math.MinInt64)}, {Key: "$lte", Value: int64(math.MaxInt64)}}}}
	descending := options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(bson.D{{Key: "_id", Value: 1}})
	doc, err := s.collection(collection).FindOne(ctx, integers, descending).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	largest, _ := doc.Lookup("_id").AsInt64OK()
	return max(largest, 0), err
}
