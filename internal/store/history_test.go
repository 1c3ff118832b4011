package store_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// keeps is a collection whose history has the option.
func keeps(t *testing.T, name, history string) *schema.Collection {
	t.Helper()
	return model(t, map[string]string{name: "history: " + history + "\nfields: {n: {type: int}}\n"}).Collections[0]
}

func TestTheTimeOfAHistoryCanChange(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	s := openAt(t, uri, db)
	for _, step := range []struct {
		history string
		seconds int64
	}{{"true", 0}, {"true", 0}, {"{keep: 1d}", 86_400}, {"{keep: 1d}", 86_400}, {"{keep: 2h}", 7200}, {"true", 0}} {
		if err := s.PrepareHistory(t.Context(), keeps(t, "things", step.history)); err != nil {
			t.Fatalf("%s: %v", step.history, err)
		}
		if got := expiry(t, uri, db, "_sheaf.history.things"); got != step.seconds {
			t.Errorf("%s: versions expire after %d s, want %d", step.history, got, step.seconds)
		}
	}
}

// expiry is after how many seconds the documents of a collection expire, 0 for
// never.
func expiry(t *testing.T, uri, db, collection string) int64 {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(t.Context()) }()
	var indexes []bson.Raw
	cursor, err := client.Database(db).Collection(collection).Indexes().List(t.Context())
	if err == nil {
		err = cursor.All(t.Context(), &indexes)
	}
	if err != nil {
		t.Fatal(err)
	}
	var seconds int64
	for _, index := range indexes {
		if n, ok := index.Lookup("expireAfterSeconds").AsInt64OK(); ok {
			seconds = n
		}
	}
	return seconds
}

func TestAHistoryIsRenamedWithItsCollection(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	s := openAt(t, uri, db)
	id := bsonjson.IntValue(1)
	doc := bsonjson.NewBuilder(32).Append("_id", id).Append("version", bsonjson.IntValue(1)).Document()
	add := func(collection string) error {
		return s.AddHistory(t.Context(), collection, []store.HistoryEntry{{
			ID: id, Version: 1, At: bson.RawValue{Type: bson.TypeDateTime, Value: bsonjson.IntValue(0).Value}, Operation: "create", Document: doc,
		}})
	}
	if err := s.Insert(t.Context(), "old", doc); err != nil {
		t.Fatal(err)
	}
	if err := add("old"); err != nil {
		t.Fatal(err)
	}
	if err := add("old"); !fault.Is(err, fault.DuplicateKey) {
		t.Errorf("the same version twice: %v", err)
	}
	// A new instance is faster than the migration.
	if err := s.PrepareHistory(t.Context(), keeps(t, "new", "true")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.RenameCollection(t.Context(), "old", "new"); err != nil {
			t.Fatal(err)
		}
	}
	entries, more, err := s.History(t.Context(), "new", id, 0, 10)
	if err != nil || more || len(entries) != 1 || entries[0].Version != 1 || entries[0].Operation != "create" {
		t.Errorf("%+v, %v", entries, err)
	}
}
