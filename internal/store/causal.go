package store

import (
	"context"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A primary that was just elected has all that its predecessor acknowledged, but
// does not know of the last of it that a majority has it, until it committed a write
// of its own. A read that asks for what a majority has would be given what was
// before. So a store keeps the latest operation time that it was told, and its reads
// ask for no less: all of them together are causally consistent, as those of one
// session of MongoDB's are.

// operationTime is the latest one that a store was told: the seconds in the upper
// half, and the place within the second.
type operationTime struct{ latest atomic.Uint64 }

// note takes the time of an answer that was read from what a majority has, or
// waited until it had what was written. Others tell of what may still be under way,
// statements of a transaction too, and reads would wait for that.
func (o *operationTime) note(ctx context.Context, command string, reply bson.Raw) {
	switch command {
	case "find", "getMore", "aggregate", "count", "insert", "update", "delete", "findAndModify":
		if transactionOf(ctx) != nil {
			return
		}
	case "commitTransaction":
	default:
		return
	}
	seconds, place, ok := reply.Lookup("operationTime").TimestampOK()
	told := uint64(seconds)<<32 | uint64(place)
	for latest := o.latest.Load(); ok && told > latest; latest = o.latest.Load() {
		if o.latest.CompareAndSwap(latest, told) {
			return
		}
	}
}

// reading returns ctx for reads that see whatever the store was told is stored. It
// is to be ended when they are over. A transaction has a snapshot of its own.
func (s *Store) reading(ctx context.Context) (context.Context, context.CancelFunc) {
	latest := s.heard.latest.Load()
	if latest == 0 || mongo.SessionFromContext(ctx) != nil {
		return ctx, func() {}
	}
	session, err := s.client.StartSession(causal)
	if err != nil {
		return ctx, func() {} // the client is closed, which the read will tell
	}
	// It refuses a session that has ended only.
	_ = session.AdvanceOperationTime(&bson.Timestamp{T: uint32(latest >> 32), I: uint32(latest)})
	return mongo.NewSessionContext(ctx, session), func() { session.EndSession(ctx) }
}

var causal = options.Session().SetCausalConsistency(true)

// record reads one of the service's own documents by its id; a nil projection takes
// all of it. The error is the driver's, mongo.ErrNoDocuments where there is none.
func (s *Store) record(ctx context.Context, collection string, id, projection, into any) error {
	ctx, done := s.reading(s.named(ctx, collection))
	defer done()
	o := options.FindOne()
	if projection != nil {
		o.SetProjection(projection)
	}
	return s.collection(collection).FindOne(ctx, bson.D{{Key: "_id", Value: id}}, o).Decode(into)
}

// catchUp returns when a snapshot that is taken next holds whatever the store was
// told is stored: MongoDB cannot be asked for a new one that is no older than a time.
func (s *Store) catchUp(ctx context.Context, collection string) error {
	_, _, err := s.FindBatch(ctx, Query{Collection: collection, Limit: 1})
	return err
}
