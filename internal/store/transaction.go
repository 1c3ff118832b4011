package store

import (
	"context"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/sheafdb/sheaf/internal/fault"
)

// InTransaction runs fn so that all it does through the context that it is
// given is stored, or none: when fn returns an error, or an operation of the
// transaction failed, whatever fn made of that. Reads see one snapshot.
//
// fn is run again when other writes are in the way, for as long as
// Options.RetryTime, so it must have no effect outside. It is done with when
// ctx ends before the commit; once the commit is sent its answer is waited for.
// Inside a transaction, InTransaction runs fn as a part of that.
//
// An error that fn returns is returned as it is.
func (s *Store) InTransaction(ctx context.Context, fn func(context.Context) error) error {
	if t := transactionOf(ctx); t != nil {
		return t.part(ctx, fn)
	}
	t, err := s.newTransaction(ctx)
	if err != nil {
		return err
	}
	defer t.enter(ctx)()
	defer t.end()
	t.until = time.Now().Add(s.retryTime)
	return t.run(fn)
}

// newTransaction returns one that is not begun. It is to be ended.
func (s *Store) newTransaction(ctx context.Context) (*transaction, error) {
	session, err := s.client.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return nil, mapError(ctx, err)
	}
	return &transaction{store: s, session: session, client: ctx, ctx: ctx}, nil
}

type transactionKey struct{}

// transactionOf returns the transaction that ctx belongs to, nil for none.
func transactionOf(ctx context.Context) *transaction {
	t, _ := ctx.Value(transactionKey{}).(*transaction)
	return t
}

// outside returns ctx without its transaction and its session.
func outside(ctx context.Context) context.Context {
	if mongo.SessionFromContext(ctx) == nil {
		return ctx
	}
	return mongo.NewSessionContext(context.WithValue(ctx, transactionKey{}, (*transaction)(nil)), nil)
}

// transaction is one that is under way, over all its attempts.
type transaction struct {
	store   *Store
	session *mongo.Session
	// client is the context of who asked, ctx that of the operations.
	client, ctx context.Context
	// until is when the last attempt may begin.
	until time.Time
	// failure is that of the first operation of this attempt that failed.
	// MongoDB has given up the transaction then, so there is nothing to commit.
	failure error
	// conflict is set where the failure is one that a new attempt can mend. It
	// is noted here as fn may hide what the driver says.
	conflict bool
	// committed is set where nothing is left to be sent, uncommitted where the
	// commit was refused.
	committed, uncommitted bool
	// ending is closed when what was sent last to end the transaction is answered.
	ending chan struct{}
	// open is set for a session, which goes on over several calls.
	open bool
	// keepsSession is set where the session serves for further transactions.
	keepsSession bool
	// turns are the stripes of the queue that the transaction has the turn of.
	turns []int
}

// enter makes what is done next be asked for by ctx.
func (t *transaction) enter(ctx context.Context) context.CancelFunc {
	run, cancel := t.store.detach(ctx)
	t.client, t.ctx = ctx, mongo.NewSessionContext(context.WithValue(run, transactionKey{}, t), t.session)
	return cancel
}

// part runs fn inside of the transaction. What it did before it failed can only
// be undone with all the rest, so its failure is the transaction's.
func (t *transaction) part(ctx context.Context, fn func(context.Context) error) error {
	err := fn(ctx)
	if err != nil && t.failure == nil {
		t.failure = err
	}
	return err
}

// outcome returns what is in the way of a commit: the error of what was run, a
// failure that it hid, or that the client hung up.
func (t *transaction) outcome(err error) error {
	if err == nil {
		err = t.failure
	}
	if err == nil {
		err = mapError(t.client, t.client.Err())
	}
	return err
}

// note keeps the failure of an operation, as the driver and as Sheaf tell it.
func (t *transaction) note(driver, told error) {
	t.conflict = t.conflict || hasLabel(driver, labelTransient)
	if t.failure == nil {
		t.failure = told
	}
}

var snapshot = options.Transaction().SetReadConcern(readconcern.Snapshot()).
	SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary())

// run makes attempts until one is decided or the time is up.
func (t *transaction) run(fn func(context.Context) error) error {
	for wait := newBackoff(t.until); ; {
		err := t.attempt(fn)
		if err == nil || !t.conflict || t.ctx.Err() != nil || !wait.sleep(t.client) {
			return err
		}
		t.store.observer.Retry(t.client)
	}
}

func (t *transaction) attempt(fn func(context.Context) error) error {
	t.failure, t.conflict, t.uncommitted = nil, false, false
	if err := t.client.Err(); err != nil {
		return mapError(t.client, err)
	}
	if err := t.session.StartTransaction(snapshot); err != nil {
		return mapError(t.ctx, err)
	}
	if err := t.outcome(fn(t.ctx)); err != nil {
		if t.conflict && t.ctx.Err() == nil {
			t.conclude(func(ctx context.Context) { _ = t.session.AbortTransaction(ctx) })
		}
		return err
	}
	return t.commit()
}

// commit asks for the commit until it is known what became of it, or the time
// of the operations is up.
func (t *transaction) commit() error {
	deadline, _ := t.ctx.Deadline()
	for wait := newBackoff(deadline); ; {
		err := t.session.CommitTransaction(t.ctx)
		if err == nil {
			t.committed = true
			return nil
		}
		if !hasLabel(err, labelUnknownCommit) || !wait.sleep(t.ctx) {
			t.uncommitted = !mongo.IsTimeout(err) // else the driver still holds it for open
			t.conflict = hasLabel(err, labelTransient) && !hasLabel(err, labelUnknownCommit)
			return t.store.told(t.ctx, err)
		}
	}
}

// endTimeout bounds what is sent for a transaction that is over. One that the
// server hears nothing of ends there by itself after a minute.
const endTimeout = 2 * time.Second

// conclude sends what ends an attempt or the transaction, after what was sent for
// that before. It waits for that no longer than the operations may take: where
// MongoDB does not answer, the client need not wait for it. What fails leaves a
// transaction that has ended already, or will.
func (t *transaction) conclude(send func(context.Context)) {
	over, before := make(chan struct{}), t.ending
	t.ending = over
	t.store.endings.Store(over, nil)
	parent := context.WithoutCancel(t.ctx)
	go func() {
		defer t.store.endings.Delete(over)
		defer close(over)
		if before != nil {
			<-before
		}
		ctx, cancel := context.WithTimeout(parent, endTimeout)
		defer cancel()
		send(ctx)
	}()
	select {
	case <-over:
	case <-t.ctx.Done():
	}
}

// end gives the session back, and aborts what is left open.
func (t *transaction) end() {
	defer t.leaveQueue()
	if t.committed {
		t.giveBack(t.ctx)
		return
	}
	t.conclude(func(ctx context.Context) {
		if t.uncommitted || fault.Is(t.failure, fault.Timeout) || fault.Is(t.failure, fault.DatabaseUnavailable) {
			t.fence(ctx)
		}
		t.giveBack(ctx)
	})
}

// giveBack leaves nothing open in the session.
func (t *transaction) giveBack(ctx context.Context) {
	if t.keepsSession {
		_ = t.session.AbortTransaction(ctx) // says that there is none after a commit
		return
	}
	t.session.EndSession(ctx)
}

// settle is end for a session that serves for the next transaction: nothing may be
// under way in it any more.
func (t *transaction) settle() {
	t.end()
	if t.ending != nil {
		<-t.ending
	}
}

// fence ends a transaction whose commit was refused, or of which a statement may
// still be on its way: that would begin it anew after an abort. A write with the next
// number of the session ends the transaction where it comes second, and has the
// statement refused where it comes first. This one finds nothing to delete.
func (t *transaction) fence(ctx context.Context) {
	now, cancel := context.WithCancel(ctx)
	cancel()
	_ = t.session.AbortTransaction(now) // on this side alone; not after a commit
	_ = t.store.collection(locks).FindOneAndDelete(mongo.NewSessionContext(t.store.named(ctx, locks), t.session), bson.D{{Key: "_id", Value: nil}})
}

// backoff is the wait between attempts: random, up to a bound that doubles from
// 2 ms to 128 ms.
type backoff struct {
	until time.Time
	bound time.Duration
}

func newBackoff(until time.Time) *backoff { return &backoff{until: until, bound: 2 * time.Millisecond} }

// sleep waits, and reports whether there is time for another attempt and
// somebody who wants it.
func (b *backoff) sleep(ctx context.Context) bool {
	wait := time.Duration(rand.Int64N(int64(b.bound)))
	b.bound = min(2*b.bound, 128*time.Millisecond)
	if time.Now().Add(wait).After(b.until) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
