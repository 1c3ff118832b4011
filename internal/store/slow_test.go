package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestSlowReadsAreExplained(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	plans, shapes := make(chan observe.Plan, 10), make(chan string, 10)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, SlowThreshold: time.Nanosecond, Observer: observe.New(observe.Subscriber{
		Plan: func(_ context.Context, p observe.Plan) { plans <- p },
		Command: func(_ context.Context, c observe.Command) {
			if c.Name == "find" {
				shapes <- c.Filter.String()
			}
		},
	})})
	if err != nil {
		t.Fatal(err)
	}
	id := bson.RawValue{Type: bson.TypeInt32, Value: []byte{1, 0, 0, 0}}
	if err := s.Insert(t.Context(), "things", raw(t, bson.D{{Key: "_id", Value: int32(1)}, {Key: "a", Value: "secret"}})); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		q    store.Query
		want observe.Plan
	}{
		{store.Query{Filter: raw(t, bson.D{{Key: "a", Value: "secret"}}), Sort: raw(t, bson.D{{Key: "b", Value: 1}})}, observe.Plan{Scans: true, Sorts: true}},
		// All of an index is walked, and all documents are looked at.
		{store.Query{Filter: raw(t, bson.D{{Key: "b", Value: "secret"}}), Sort: raw(t, bson.D{{Key: "_id", Value: 1}})}, observe.Plan{Scans: true, Indexes: []string{"_id_"}}},
		// A part of an index is walked.
		{store.Query{Filter: raw(t, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: 0}}}, {Key: "b", Value: "secret"}})}, observe.Plan{Indexes: []string{"_id_"}}},
		{store.Query{Filter: store.In("_id", []bson.RawValue{id})}, observe.Plan{Indexes: []string{"_id_"}}},
	} {
		test.q.Collection = "things"
		for range 3 { // a kind is explained once
			if _, _, err := s.FindBatch(t.Context(), test.q); err != nil {
				t.Fatal(err)
			}
			if got := <-shapes; got != observe.ShapeOf(test.q.Filter).String() {
				t.Errorf("the shape of the command is %s", got)
			}
		}
		select {
		case got := <-plans:
			if got.Collection != "things" || got.Scans != test.want.Scans || got.Sorts != test.want.Sorts || !slices.Equal(got.Indexes, test.want.Indexes) {
				t.Errorf("the plan of %v is %+v", got.Filter, got)
			}
		case <-time.After(time.Minute):
			t.Fatal("no plan")
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(plans) != 0 {
		t.Errorf("%d plans more", len(plans))
	}
}
