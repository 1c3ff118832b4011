package store_test

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/store"
)

// Two transactions that overlap, of which one shares a document and the other
// claims it, never both commit as if the other was not there: whatever becomes
// of the lock's own document in the meantime, and whichever is first.
func TestLocksConflict(t *testing.T) {
	t.Parallel()
	s := open(t)
	provision(t, s, model(t, map[string]string{"things": "fields: {parent: {type: ref, to: things}}"}))
	share := func(ctx context.Context, keys []store.Key) error { return s.Share(ctx, keys) }
	claim := func(ctx context.Context, keys []store.Key) error { return s.Claim(ctx, keys) }
	type lock = func(context.Context, []store.Key) error
	id := int64(0)
	for name, pair := range map[string][2]lock{"share claim": {share, claim}, "claim share": {claim, share}, "claim claim": {claim, claim}} {
		for _, before := range []string{"absent", "there", "deleted between", "made between"} {
			for _, committed := range []bool{false, true} {
				id++
				keys := []store.Key{{Collection: "things", ID: bsonjson.IntValue(id)}}
				t.Run(fmt.Sprintf("%s, lock %s, first committed %v", name, before, committed), func(t *testing.T) {
					if tries := overlap(t, s, keys, pair[0], pair[1], before, committed); tries < 2 {
						t.Errorf("the second was run %d times, as if there was no conflict", tries)
					}
				})
			}
		}
	}
}

// overlap runs first within second, after second has its snapshot, and returns
// how often second was run.
func overlap(t *testing.T, s *store.Store, keys []store.Key, first, second func(context.Context, []store.Key) error, before string, committed bool) (tries int) {
	t.Helper()
	touch := func() {
		if err := s.InTransaction(t.Context(), func(ctx context.Context) error { return s.Claim(ctx, keys) }); err != nil {
			t.Fatal(err)
		}
	}
	if before == "there" || before == "deleted between" {
		touch()
	}
	err := s.InTransaction(t.Context(), func(ctx context.Context) error {
		tries++
		if _, err := s.Get(ctx, "things", keys[0].ID, nil); tries > 1 || err == nil { // takes the snapshot
			return second(ctx, keys)
		}
		switch before {
		case "deleted between":
			deleteLocks(t, s, keys[0])
		case "made between":
			touch()
		}
		if committed {
			if err := s.InTransaction(t.Context(), func(ctx context.Context) error { return first(ctx, keys) }); err != nil {
				t.Fatal(err)
			}
			return second(ctx, keys)
		}
		return s.InTransaction(t.Context(), func(other context.Context) error {
			if err := first(other, keys); err != nil {
				return err
			}
			return second(ctx, keys)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return tries
}

// deleteLocks deletes the locks of a document as MongoDB does by itself once
// they are old.
func deleteLocks(t *testing.T, s *store.Store, key store.Key) {
	t.Helper()
	for slot := range int32(8) {
		id, err := bson.Marshal(bson.D{{Key: "c", Value: key.Collection}, {Key: "id", Value: key.ID}, {Key: "s", Value: slot}})
		if err != nil {
			t.Fatal(err)
		}
		deleted, err := s.Delete(t.Context(), "_sheaf.locks", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: id}, nil, nil)
		if err != nil || !deleted {
			t.Fatalf("no lock: %v", err)
		}
	}
}

// Who shares a document hardly gets in the way of others that do.
func TestSharesPass(t *testing.T) {
	t.Parallel()
	s := open(t)
	provision(t, s, model(t, map[string]string{"things": "fields: {parent: {type: ref, to: things}}"}))
	keys := []store.Key{{Collection: "things", ID: bsonjson.IntValue(1)}, {Collection: "things", ID: bsonjson.IntValue(2)}}
	tries := 0
	err := s.InTransaction(t.Context(), func(ctx context.Context) error {
		tries++
		if err := s.Share(ctx, keys); err != nil {
			return err
		}
		return s.InTransaction(t.Context(), func(ctx context.Context) error { return s.Share(ctx, keys) })
	})
	if err != nil || tries != 1 {
		t.Errorf("run %d times: %v", tries, err)
	}
}
