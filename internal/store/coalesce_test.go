package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// counted opens a store that counts the commands of one name.
func counted(t *testing.T, command string) (*store.Store, *atomic.Int64) {
	t.Helper()
	uri, db := testkit.Mongo(t)
	var count atomic.Int64
	observer := observe.New(observe.Subscriber{Command: func(_ context.Context, c observe.Command) {
		if c.Name == command {
			count.Add(1)
		}
	}})
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: observer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, &count
}

func value(t *testing.T, v any) bson.RawValue {
	t.Helper()
	kind, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: kind, Value: data}
}

func raw(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	data, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The batches under way of one collection must not keep another waiting, however
// many requests wait for the first.
func TestABusyCollectionLeavesOthersInPeace(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	hold := make(chan struct{})
	observer := observe.New(observe.Subscriber{Command: func(_ context.Context, c observe.Command) {
		if c.Collection == "busy" && c.Name == "find" {
			<-hold // the driver waits for its monitor
		}
	}})
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: observer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	const busy, calm = 500, 20
	var group sync.WaitGroup
	var answered atomic.Int64
	for i := range busy {
		group.Go(func() {
			if _, err := s.Get(t.Context(), "busy", value(t, i), nil); !fault.Is(err, fault.NotFound) {
				t.Errorf("busy: %v", err)
			}
			answered.Add(1)
		})
	}
	for i := range calm {
		if err := s.Insert(t.Context(), "calm", raw(t, bson.D{{Key: "_id", Value: i}})); err != nil {
			t.Error(err)
		}
		if _, err := s.Get(t.Context(), "calm", value(t, i), nil); err != nil {
			t.Error(err)
		}
	}
	if n := answered.Load(); n > 0 {
		t.Errorf("%d were answered of the collection that is held", n)
	}
	close(hold)
	group.Wait()
}

func TestCoalescedRequestsGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	s, inserts := counted(t, "insert")
	const clients, each = 64, 8
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := range each {
				// The odd ones have the id of the one before.
				id, isNew := c*each+i-i%2, i%2 == 0
				err := s.Insert(context.Background(), "many", raw(t, bson.D{{Key: "_id", Value: int64(id)}, {Key: "by", Value: c}}))
				if isNew && err != nil || !isNew && !fault.Is(err, fault.DuplicateKey) {
					t.Errorf("insert of %d: %v", id, err)
				}
				doc, err := s.Get(context.Background(), "many", value(t, int64(id)), nil)
				if by, _ := doc.Lookup("by").AsInt64OK(); err != nil || by != int64(c) {
					t.Errorf("read of %d: %v, %v", id, doc, err)
				}
				if _, err := s.Get(context.Background(), "many", value(t, fmt.Sprint("none", id)), nil); !fault.Is(err, fault.NotFound) {
					t.Errorf("read of a document that is not there: %v", err)
				}
			}
		})
	}
	group.Wait()
	if n := inserts.Load(); n >= clients*each {
		t.Errorf("%d commands for %d inserts", n, clients*each)
	}
}

func TestACoalescedDocumentThatIsTooLargeFailsAlone(t *testing.T) {
	t.Parallel()
	s, _ := counted(t, "insert")
	large := strings.Repeat("x", 17<<20)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			doc := bson.D{{Key: "_id", Value: i}}
			if i == 7 {
				doc = append(doc, bson.E{Key: "text", Value: large})
			}
			err := s.Insert(context.Background(), "sizes", raw(t, doc))
			if i == 7 && !fault.Is(err, fault.PayloadTooLarge) || i != 7 && err != nil {
				t.Errorf("insert %d: %v", i, err)
			}
		})
	}
	group.Wait()
}

// MongoDB takes numbers of different types for equal, and so an id in a path
// finds a document whose id others stored as another type.
func TestCoalescedReadsFindIDsOfOtherNumberTypes(t *testing.T) {
	t.Parallel()
	s, _ := counted(t, "find")
	for i, id := range []any{int32(0), 1.0, int64(2)} {
		if err := s.Insert(t.Context(), "ids", raw(t, bson.D{{Key: "_id", Value: id}, {Key: "n", Value: i}})); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for i := range 48 {
		group.Go(func() {
			doc, err := s.Get(context.Background(), "ids", value(t, int64(i%3)), nil)
			if n, _ := doc.Lookup("n").AsInt64OK(); err != nil || n != int64(i%3) {
				t.Errorf("read of %d: %v, %v", i%3, doc, err)
			}
		})
	}
	group.Wait()
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	s, _ := counted(t, "find")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "any", value(t, int64(1)), nil); !fault.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("Get: %v", err)
	}
	if err := s.Insert(t.Context(), "any", raw(t, bson.D{{Key: "_id", Value: 1}})); !fault.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("Insert: %v", err)
	}
}
