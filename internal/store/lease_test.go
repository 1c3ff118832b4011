package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

const (
	longLease = time.Hour
	// shortLease is over before the next command comes.
	shortLease = time.Millisecond
)

func acquire(t *testing.T, s *store.Store, who string, lasts time.Duration) *store.Lease {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		lease, _, err := s.Acquire(t.Context(), "test", who, lasts)
		if err != nil {
			t.Fatal(err)
		}
		if lease != nil {
			return lease
		}
	}
	t.Fatalf("%s does not get the lease", who)
	return nil
}

func release(t *testing.T, l *store.Lease) {
	t.Helper()
	if err := l.Release(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestOneHasALeaseAtATime(t *testing.T) {
	s := open(t)
	ada := acquire(t, s, "ada", longLease)
	lease, holder, err := s.Acquire(t.Context(), "test", "bob", longLease)
	if err != nil || lease != nil || holder.Who != "ada" || holder.Fence != ada.Fence() || holder.Free {
		t.Fatalf("bob got %v beside %+v (%v)", lease, holder, err)
	}
	if err := ada.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := s.LeaseHolder(t.Context(), "test"); err != nil || now.Beats <= holder.Beats {
		t.Errorf("a renewal leaves %+v (%v)", now, err)
	}
	release(t, ada)
	bob := acquire(t, s, "bob", longLease)
	if bob.Fence() <= ada.Fence() {
		t.Errorf("the fence %d came after %d", bob.Fence(), ada.Fence())
	}
	release(t, bob)
	if holder, err = s.LeaseHolder(t.Context(), "test"); err != nil || !holder.Free || holder.Who != "" {
		t.Errorf("released, the lease is %+v (%v)", holder, err)
	}
}

func TestManyWantALease(t *testing.T) {
	uri, db := testkit.Mongo(t)
	var holders, most, turns atomic.Int32
	done := make(chan error)
	const processes = 8
	for range processes {
		s := openAt(t, uri, db)
		go func() {
			done <- func() error {
				for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
					lease, _, err := s.Acquire(t.Context(), "test", "somebody", longLease)
					if err != nil {
						return err
					}
					if lease != nil {
						most.Store(max(most.Load(), holders.Add(1)))
						turns.Add(1)
						holders.Add(-1)
						return lease.Release(t.Context())
					}
				}
				return errors.New("no turn came")
			}()
		}()
	}
	for range processes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 1 || turns.Load() != processes {
		t.Errorf("%d had the lease at once, and %d in all", most.Load(), turns.Load())
	}
}

// A holder that was held up writes nothing once another has taken over, be it that it
// begins a transaction then, or that it has one open.
func TestALateHolderWritesNothing(t *testing.T) {
	uri, db := testkit.Mongo(t)
	adas, bobs := openAt(t, uri, db), openAt(t, uri, db)
	for _, name := range []string{"things", "others"} {
		insert(t, adas, name, bson.D{{Key: "_id", Value: 0}})
	}
	ada := acquire(t, adas, "ada", shortLease)
	var bob *store.Lease
	err := ada.InTransaction(t.Context(), func(ctx context.Context) error {
		if err := adas.Insert(ctx, "things", raw(t, bson.D{{Key: "_id", Value: 1}})); err != nil {
			return err
		}
		if bob == nil {
			bob = acquire(t, bobs, "bob", longLease)
		}
		return nil
	})
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a transaction that was open when another took over ended with %v", err)
	}
	for name, late := range map[string]func() error{
		"a transaction": func() error {
			return ada.InTransaction(t.Context(), func(ctx context.Context) error {
				return adas.Insert(ctx, "things", raw(t, bson.D{{Key: "_id", Value: 2}}))
			})
		},
		"a renewal": func() error { return ada.Renew(t.Context()) },
	} {
		if err := late(); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("%s after another took over ended with %v", name, err)
		}
	}
	release(t, ada)
	if n, err := adas.Count(t.Context(), "things", raw(t, bson.D{})); err != nil || n != 1 {
		t.Errorf("%d documents are there (%v)", n, err)
	}
	if err := bob.InTransaction(t.Context(), func(ctx context.Context) error {
		return bobs.Insert(ctx, "things", raw(t, bson.D{{Key: "_id", Value: 3}}))
	}); err != nil {
		t.Errorf("the holder cannot write: %v", err)
	}
	release(t, bob)
}
