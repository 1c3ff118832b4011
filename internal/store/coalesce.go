package store

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Reads by id and single inserts of a collection are coalesced: while as many
// commands as the lane has room for are under way, the next requests gather and
// go out together, as one find with $in or one unordered insert. An idle service
// sends at once. Every request gets its own answer.

// The bounds of a lane. Two commands under way keep the server busy while one
// answer is taken apart; a batch is small enough for one reply even where
// documents are large.
const (
	laneInFlight = 2
	laneSize     = 256
)

// lane holds the batchers of one collection.
type lane struct {
	reads   *batcher[bson.RawValue, bson.Raw]
	inserts *batcher[bson.Raw, struct{}]
}

// lane returns the lane of a collection.
func (s *Store) lane(collection string) *lane {
	if l, ok := s.lanes.Load(collection); ok {
		return l.(*lane)
	}
	limits := batchLimits{inFlight: laneInFlight, size: laneSize, timeout: s.timeout}
	l := &lane{
		reads: newBatcher(limits, func(ctx context.Context, calls []*call[bson.RawValue, bson.Raw]) {
			s.readBatch(ctx, collection, calls)
		}),
		inserts: newBatcher(limits, func(ctx context.Context, calls []*call[bson.Raw, struct{}]) {
			s.insertBatch(ctx, collection, calls)
		}),
	}
	loaded, _ := s.lanes.LoadOrStore(collection, l)
	return loaded.(*lane)
}

func (l *lane) close() {
	l.reads.close()
	l.inserts.close()
}

// coalesced is what a batcher's error means to a caller.
func (s *Store) coalesced(ctx context.Context, err error) error {
	if errors.Is(err, errBatcherClosed) {
		err = mongo.ErrClientDisconnected
	}
	return mapError(ctx, err)
}

// readBatch answers reads by id with one command.
func (s *Store) readBatch(ctx context.Context, collection string, calls []*call[bson.RawValue, bson.Raw]) {
	if len(calls) == 1 {
		calls[0].response, calls[0].err = s.findOne(ctx, collection, calls[0].request)
		return
	}
	found, err := s.findIDs(s.requests(ctx, len(calls)), collection, calls)
	for _, c := range calls {
		doc, ok := found[idKey(c.request)]
		switch {
		case ok:
			c.response = doc
		case err != nil:
			c.err = err
		default:
			c.err = notFound(collection)
		}
	}
}

// findIDs returns the documents with the ids of calls, by idKey.
func (s *Store) findIDs(ctx context.Context, collection string, calls []*call[bson.RawValue, bson.Raw]) (map[string]bson.Raw, error) {
	rows, err := s.Find(ctx, Query{Collection: collection, Filter: in("_id", len(calls), func(i int) bson.RawValue { return calls[i].request }), Batch: int32(len(calls)) + 1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]bson.Raw, len(calls))
	for rows.Next() {
		doc := append(bson.Raw(nil), rows.Document()...)
		found[idKey(doc.Lookup("_id"))] = doc
	}
	return found, rows.Err()
}

// insertBatch stores the documents of several requests with one command.
func (s *Store) insertBatch(ctx context.Context, collection string, calls []*call[bson.Raw, struct{}]) {
	if len(calls) == 1 {
		_, err := s.collection(collection).InsertOne(s.named(ctx, collection), calls[0].request)
		calls[0].err = mapError(ctx, err)
		return
	}
	docs := make([]bson.Raw, len(calls))
	for i, c := range calls {
		docs[i] = c.request
	}
	failures, err := s.InsertMany(s.requests(ctx, len(calls)), collection, docs)
	for _, c := range calls {
		c.err = err
	}
	for _, f := range failures {
		calls[f.Index].err = f.Err
	}
}

func notFound(collection string) error {
	return fault.New(fault.NotFound, "%s has no document with this id", collection)
}
