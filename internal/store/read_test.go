package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// TestEveryCommandHasATimeLimit reads in MongoDB's own profile what it was told.
func TestEveryCommandHasATimeLimit(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close(context.Background())
		_ = client.Disconnect(context.Background())
	})
	profile := func(level int) {
		if err := client.Database(db).RunCommand(t.Context(), bson.D{{Key: "profile", Value: level}, {Key: "slowms", Value: 0}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	profile(2)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	commands := func(ctx context.Context) error {
		id := value(t, bson.NewObjectID())
		_, _, err := s.FindBatch(ctx, store.Query{Collection: "c", Limit: 2})
		rows, findErr := s.Find(ctx, store.Query{Collection: "c", Batch: 1})
		if findErr == nil {
			rows.Close()
		}
		_, countErr := s.Count(ctx, "c", raw(t, bson.D{}))
		insertErr := s.Insert(ctx, "c", raw(t, bson.D{{Key: "_id", Value: id}}))
		_, getErr := s.Get(ctx, "c", id, nil)
		return errors.Join(err, findErr, countErr, insertErr, getErr)
	}
	if err := errors.Join(commands(ctx), commands(context.WithoutCancel(ctx)), s.InTransaction(ctx, commands)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EstimatedCount(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	profile(0)
	entries, err := client.Database(db).Collection("system.profile").Find(t.Context(), bson.D{{Key: "ns", Value: db + ".c"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for entries.Next(t.Context()) {
		command, _ := entries.Current.Lookup("command").DocumentOK()
		name := command.Index(0).Key()
		seen[name]++
		if ms, ok := command.Lookup("maxTimeMS").AsInt64OK(); !ok || ms < 1 || ms > 60_000 {
			t.Errorf("%s has the time limit %v", name, command.Lookup("maxTimeMS"))
		}
	}
	if seen["find"] < 9 || seen["aggregate"] < 3 || seen["count"] != 1 || seen["insert"] < 3 {
		t.Errorf("profiled %v", seen)
	}
}
