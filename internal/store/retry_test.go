package store_test

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// TestTransactionsBegunAnewAreTold has another write come between the read of a
// transaction and its write, once.
func TestTransactionsBegunAnewAreTold(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	retries, attempts := 0, 0
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: observe.New(observe.Subscriber{
		Retry: func(context.Context) { retries++ },
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	id := bson.RawValue{Type: bson.TypeInt32, Value: []byte{1, 0, 0, 0}}
	doc := raw(t, bson.D{{Key: "_id", Value: int32(1)}})
	if err := s.Insert(t.Context(), "things", doc); err != nil {
		t.Fatal(err)
	}
	err = s.InTransaction(t.Context(), func(ctx context.Context) error {
		attempts++
		if _, err := s.Get(ctx, "things", id, nil); err != nil {
			return err
		}
		if attempts == 1 {
			if _, err := s.DeleteMany(t.Context(), "things", []bson.RawValue{id}); err != nil {
				return err
			}
			if err := s.Insert(t.Context(), "things", doc); err != nil {
				return err
			}
		}
		_, err := s.DeleteMany(ctx, "things", []bson.RawValue{id})
		return err
	})
	if err != nil || attempts != 2 || retries != 1 {
		t.Errorf("%d attempts, %d retries, %v; want 2 and 1", attempts, retries, err)
	}
}
