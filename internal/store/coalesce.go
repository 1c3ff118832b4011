package store

import (
	"context"
	"errors"
	"math"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/fault"
)

// Reads by id and single inserts of a collection are coalesced: while as many
// commands as the lane has room for are under way, the next requests gather and
// go out together, as one find with $in or one unordered insert. An idle service
// sends at once. Every request gets its own answer.

// The bounds of a lane. Two commands under way keep the server busy while one
// answer is taken apart; a batch is small enough for one message each way.
const (
	laneInFlight   = 2
	laneSize       = 256
	laneBytes      = 8 << 20
	laneQueue      = 10_000
	laneQueueBytes = 64 << 20
)

type (
	readCall   = coalesce.Call[bson.RawValue, bson.Raw]
	insertCall = coalesce.Call[bson.Raw, struct{}]
)

// lane holds the batchers of one collection.
type lane struct {
	reads   *coalesce.Batcher[bson.RawValue, bson.Raw]
	inserts *coalesce.Batcher[bson.Raw, struct{}]
	// documentSize is what the documents that were read lately weigh, in bytes:
	// where they are large, fewer are read at once.
	documentSize atomic.Int64
}

// lane returns the lane of a collection.
func (s *Store) lane(collection string) *lane {
	if l, ok := s.lanes.Load(collection); ok {
		return l.(*lane)
	}
	limits := coalesce.Limits{InFlight: laneInFlight, Size: laneSize, Bytes: laneBytes, Queue: laneQueue, QueueBytes: laneQueueBytes, Timeout: s.timeout}
	l := &lane{}
	limits.Sent = s.Batches("insert")
	l.inserts = coalesce.New(limits, func(doc bson.Raw) int { return len(doc) },
		func(ctx context.Context, calls []*insertCall) { s.insertBatch(ctx, collection, calls) })
	limits.Sent = s.Batches("read")
	limits.QueueBytes = math.MaxInt // what waits are ids
	l.reads = coalesce.New(limits, func(bson.RawValue) int { return int(l.documentSize.Load()) },
		func(ctx context.Context, calls []*readCall) { s.readBatch(ctx, collection, l, calls) })
	loaded, _ := s.lanes.LoadOrStore(collection, l)
	return loaded.(*lane)
}

func (l *lane) close() {
	l.reads.Close()
	l.inserts.Close()
}

// noteSize keeps a running mean of the sizes of documents.
func (l *lane) noteSize(total, documents int) {
	const weight = 8 // of what was known before, to one of what is new
	if documents > 0 {
		known := l.documentSize.Load()
		l.documentSize.Store(known + (int64(total/documents)-known)/weight)
	}
}

// CoalescesIn reports whether requests share commands: those of a transaction
// are for its session alone.
func (s *Store) CoalescesIn(ctx context.Context) bool {
	return s.coalesces && transactionOf(ctx) == nil
}

// coalesced is what a batcher's error means to a caller.
func (s *Store) coalesced(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, coalesce.ErrClosed):
		err = mongo.ErrClientDisconnected
	case errors.Is(err, coalesce.ErrFull):
		return fault.Wrap(err, fault.Overloaded, "too many requests wait for the same collection")
	}
	return s.told(ctx, err)
}

// readBatch answers reads by id with one command.
func (s *Store) readBatch(ctx context.Context, collection string, l *lane, calls []*readCall) {
	if len(calls) == 1 {
		calls[0].Response, calls[0].Err = s.findOne(ctx, collection, byID(calls[0].Request))
		l.noteSize(len(calls[0].Response), 1)
		return
	}
	found, err := s.findIDs(s.requests(ctx, len(calls)), collection, l, calls)
	for _, c := range calls {
		doc, ok := found[IDKey(c.Request)]
		switch {
		case ok:
			c.Response = doc
		case err != nil:
			c.Err = err
		default:
			c.Err = notFound(collection)
		}
	}
}

// findIDs returns the documents with the ids of calls, by IDKey.
func (s *Store) findIDs(ctx context.Context, collection string, l *lane, calls []*readCall) (map[string]bson.Raw, error) {
	ids := in("_id", len(calls), func(i int) bson.RawValue { return calls[i].Request })
	rows, err := s.Find(ctx, Query{Collection: collection, Filter: ids, Batch: int32(len(calls)) + 1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found, total := make(map[string]bson.Raw, len(calls)), 0
	for rows.Next() {
		doc := rows.Document() // callers let go of it soon, and so of the answer that it is a part of
		found[IDKey(doc.Lookup("_id"))] = doc
		total += len(doc)
	}
	l.noteSize(total, len(found))
	return found, rows.Err()
}

// insertBatch stores the documents of several requests with one command.
func (s *Store) insertBatch(ctx context.Context, collection string, calls []*insertCall) {
	if len(calls) == 1 {
		_, err := s.collection(collection).InsertOne(s.named(ctx, collection), calls[0].Request)
		calls[0].Err = s.told(ctx, err)
		return
	}
	docs := make([]bson.Raw, len(calls))
	for i, c := range calls {
		docs[i] = c.Request
	}
	failures, err := s.InsertMany(s.requests(ctx, len(calls)), collection, docs)
	for _, c := range calls {
		c.Err = err
	}
	for _, f := range failures {
		calls[f.Index].Err = f.Err
	}
}

func notFound(collection string) error {
	return fault.New(fault.NotFound, "%s has no document with this id", collection)
}
