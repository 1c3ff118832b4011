package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/fault"
)

// leases is the collection of what only one process at a time may do.
//
//	{_id: what, fence: n, beats: n, who, since, expiresAt, session}
//
// A lease that is not renewed until expiresAt, by the clock of MongoDB, is free.
// Every holder has a greater fence than those before, and writes only in
// transactions that write the document of the lease, and find its fence there: so
// one that was held up, and does not know that another has taken over, writes
// nothing. session is that of the holder's transactions: what one that is dead left
// open of them would be in the way for a minute, and is ended by the next.
const leases = "_sheaf.leases"

// ErrLeaseLost is wrapped by the errors of a Lease that another has taken over.
var ErrLeaseLost = errors.New("the lease is another's")

// Lease is the right to do what only one process at a time may do. It is for one
// goroutine at a time, but for Renew. It must be released.
type Lease struct {
	store   *Store
	what    string
	fence   int64
	lasts   time.Duration
	session *mongo.Session
}

// Holder is who has a lease, or had it last.
type Holder struct {
	// Fence counts the holders, Beats how often this one has shown that it lives.
	Fence int64 `bson:"fence"`
	Beats int64 `bson:"beats"`
	// Who is the holder as it calls itself; empty for none.
	Who       string    `bson:"who"`
	Since     time.Time `bson:"since"`
	ExpiresAt time.Time `bson:"expiresAt"`
	// Free is set where there is no holder, or where it has let its lease expire.
	Free    bool     `bson:"free"`
	Session bson.Raw `bson:"session"`
}

// LeaseHolder returns who has a lease. The zero Fence is that of a lease that
// nobody ever had.
func (s *Store) LeaseHolder(ctx context.Context, what string) (Holder, error) {
	free := bson.D{{Key: "$lte", Value: bson.A{"$expiresAt", "$$NOW"}}} // a missing date is the least
	fields := bson.D{{Key: "free", Value: free}}
	for _, name := range []string{"fence", "beats", "who", "since", "expiresAt", "session"} {
		fields = append(fields, bson.E{Key: name, Value: 1})
	}
	var holder Holder
	err := s.record(ctx, leases, what, fields, &holder)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return Holder{Free: true}, nil
	}
	return holder, mapError(ctx, err)
}

// Acquire takes a lease that is free, for as long as it lasts and is renewed.
// Where another has it the Lease is nil, and the Holder tells of that one.
func (s *Store) Acquire(ctx context.Context, what, who string, lasts time.Duration) (*Lease, Holder, error) {
	holder, err := s.LeaseHolder(ctx, what)
	if err != nil || !holder.Free {
		return nil, holder, err
	}
	s.endSession(ctx, holder.Session)
	session, err := s.client.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return nil, holder, mapError(ctx, err)
	}
	l := &Lease{store: s, what: what, lasts: lasts, session: session}
	taken, err := l.take(ctx, holder.Fence, who)
	if err == nil && taken {
		return l, Holder{}, nil
	}
	session.EndSession(ctx)
	if err != nil {
		return nil, holder, err
	}
	holder, err = s.LeaseHolder(ctx, what) // another was faster
	return nil, holder, err
}

// endSession ends what a dead process left open in a session. Where MongoDB does not
// let this user do that, it ends by itself.
func (s *Store) endSession(ctx context.Context, session bson.Raw) {
	if session != nil {
		_ = s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "killSessions", Value: bson.A{session}}}).Err()
	}
}

// take makes the holder of a fence be followed by this one.
func (l *Lease) take(ctx context.Context, before int64, who string) (bool, error) {
	l.fence = before + 1
	ctx = l.store.named(ctx, leases)
	set := bson.D{
		{Key: "fence", Value: l.fence},
		{Key: "beats", Value: int64(0)},
		{Key: "who", Value: bson.D{{Key: "$literal", Value: who}}},
		{Key: "since", Value: "$$NOW"},
		{Key: "expiresAt", Value: l.end()},
		{Key: "session", Value: bson.D{{Key: "$literal", Value: l.session.ID()}}},
	}
	// A holder who was not dead has a lease that is renewed.
	expired := bson.D{{Key: "$lte", Value: bson.A{"$expiresAt", "$$NOW"}}}
	filter := bson.D{{Key: "_id", Value: l.what}, {Key: "fence", Value: before}, {Key: "$expr", Value: expired}}
	o := options.UpdateOne()
	if before == 0 {
		filter = bson.D{{Key: "_id", Value: l.what}, {Key: "fence", Value: bson.D{{Key: "$exists", Value: false}}}}
		o.SetUpsert(true)
	}
	result, err := l.store.collection(leases).UpdateOne(ctx, filter, mongo.Pipeline{{{Key: "$set", Value: set}}}, o)
	if before == 0 && mongo.IsDuplicateKeyError(err) {
		return false, nil
	}
	if err != nil {
		return false, l.store.told(ctx, err)
	}
	return result.MatchedCount+result.UpsertedCount == 1, nil
}

// end is when a lease expires that is renewed now.
func (l *Lease) end() bson.D {
	return bson.D{{Key: "$add", Value: bson.A{"$$NOW", l.lasts.Milliseconds()}}}
}

// Fence is the number of the holder.
func (l *Lease) Fence() int64 { return l.fence }

// Renew makes the lease last from now on. It fails with ErrLeaseLost where another
// has it.
func (l *Lease) Renew(ctx context.Context) error {
	beat := bson.D{
		{Key: "expiresAt", Value: l.end()},
		{Key: "beats", Value: bson.D{{Key: "$add", Value: bson.A{"$beats", int64(1)}}}},
	}
	return l.update(ctx, beat)
}

// update sets fields of the lease, if it is still this holder's.
func (l *Lease) update(ctx context.Context, set bson.D) error {
	ctx = l.store.named(ctx, leases)
	filter := bson.D{{Key: "_id", Value: l.what}, {Key: "fence", Value: l.fence}}
	result, err := l.store.collection(leases).UpdateOne(ctx, filter, mongo.Pipeline{{{Key: "$set", Value: set}}})
	if err != nil {
		return l.store.failed(ctx, err)
	}
	if result.MatchedCount == 0 {
		return fault.Wrap(ErrLeaseLost, fault.Internal, "another process has taken over")
	}
	return nil
}

// InTransaction runs fn as Store.InTransaction does, and renews the lease in the
// transaction. Where another has the lease, nothing of it is stored.
func (l *Lease) InTransaction(ctx context.Context, fn func(context.Context) error) error {
	t := &transaction{store: l.store, session: l.session, keepsSession: true, client: ctx, ctx: ctx}
	defer t.enter(ctx)()
	defer t.settle()
	t.until = time.Now().Add(l.store.retryTime)
	return t.run(func(ctx context.Context) error {
		if err := l.Renew(ctx); err != nil {
			return err
		}
		return fn(ctx)
	})
}

// Release lets others have the lease.
func (l *Lease) Release(ctx context.Context) error {
	defer l.session.EndSession(ctx)
	// The session goes on to be used by others of this process: nobody is to end it.
	err := l.update(ctx, bson.D{{Key: "expiresAt", Value: "$$NOW"}, {Key: "who", Value: ""}, {Key: "session", Value: "$$REMOVE"}})
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	return err
}
