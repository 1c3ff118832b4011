package engine_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// profile has MongoDB note the commands of a database. It returns what reads the
// fields of their filters: "find _id tenantId", in the order of their coming.
func profile(t *testing.T, uri, db string) (filters func() []string) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	database := client.Database(db)
	if err := database.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 2}}).Err(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	return func() (list []string) {
		cursor, err := database.Collection("system.profile").Find(t.Context(), bson.D{{Key: "ns", Value: db + ".orders"}}, options.Find().SetSort(bson.D{{Key: "ts", Value: 1}}))
		if err != nil {
			t.Fatal(err)
		}
		var noted []bson.Raw
		if err := cursor.All(t.Context(), &noted); err != nil {
			t.Fatal(err)
		}
		for _, command := range noted[seen:] {
			if filter := filterOf(command.Lookup("command").Document()); filter != "" {
				list = append(list, filter)
			}
		}
		seen = len(noted)
		return list
	}
}

// filterOf names a command and the fields of its filter, in their order.
func filterOf(command bson.Raw) string {
	for verb, at := range map[string]string{"find": "filter", "findAndModify": "query", "q": "q"} {
		filter, ok := command.Lookup(at).DocumentOK()
		if _, err := command.LookupErr(verb); err != nil || !ok {
			continue
		}
		text := verb
		elements, _ := filter.Elements()
		for _, e := range elements {
			text += " " + e.Key()
		}
		return text
	}
	return ""
}

// A cluster finds the shard of a document by the fields of its shard key in the
// filter: without them it asks all, or refuses the command.
func TestFiltersHoldTheShardKey(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{"orders.yaml": {Data: []byte(
		"collection: orders\nid: increment\nfields: {tenantId: {type: string, required: true}, n: {type: int}}\nshard_key: [tenantId]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	e := engine.New(s, model)
	provision(t, e, s)
	if again, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil || len(again.Done) > 0 {
		t.Fatalf("a replica set has no shards: %+v, %v", again, err)
	}
	orders, _ := model.Lookup("orders")
	known, other := shardOf(t, "a"), shardOf(t, "b")
	filters := profile(t, uri, db)
	const read, write = "find _id", "q _id version tenantId"
	for _, step := range []struct {
		name  string
		write engine.Write
		fails fault.Code
		want  []string
	}{
		{"a merge", engine.Write{Verb: engine.Merge, Body: []byte(`{"n":1}`)}, "", []string{read, write}},
		{"a replace", engine.Write{Verb: engine.Replace, Body: []byte(`{"tenantId":"a","n":2}`)}, "", []string{read, write}},
		{"operators", engine.Write{Verb: engine.Update, Body: []byte(`{"$inc":{"n":1}}`)}, "", []string{read, write}},
		{"operators with the key", engine.Write{Verb: engine.Update, Body: []byte(`{"$set":{"n":1}}`), Shard: known}, "", []string{"findAndModify _id version createdAt tenantId"}},
		{"operators on the key", engine.Write{Verb: engine.Update, Body: []byte(`{"$set":{"tenantId":"a"}}`), Shard: known}, "", []string{"find _id tenantId", write}},
		{"a move by operators", engine.Write{Verb: engine.Update, Body: []byte(`{"$set":{"tenantId":"b"}}`), Shard: known}, fault.ValidationFailed, []string{"find _id tenantId"}},
		{"a move by a merge", engine.Write{Verb: engine.Merge, Body: []byte(`{"tenantId":"b"}`)}, fault.ValidationFailed, []string{read}},
		{"a move by a replace", engine.Write{Verb: engine.Replace, Body: []byte(`{"tenantId":"b"}`)}, fault.ValidationFailed, []string{read}},
		{"a read", engine.Write{Verb: engine.Read}, "", []string{read}},
		{"a read with the key", engine.Write{Verb: engine.Read, Shard: known}, "", []string{"find _id tenantId"}},
		{"a read with another key", engine.Write{Verb: engine.Read, Shard: other}, fault.NotFound, []string{"find _id tenantId"}},
		{"a delete with another key", engine.Write{Verb: engine.Delete, Shard: other}, fault.NotFound, []string{"q _id tenantId"}},
		{"a delete", engine.Write{Verb: engine.Delete}, "", []string{read, write}},
		{"a delete with the key", engine.Write{Verb: engine.Delete, Shard: known}, "", []string{"q _id tenantId"}},
	} {
		created := apply(t, e, create(orders, "", `{"tenantId":"a","n":0}`))
		filters()
		step.write.Collection, step.write.ID = orders, created[0].Document.Lookup("_id")
		_, err := e.Apply(t.Context(), step.write)
		if got := codeOf(err); got != string(step.fails) {
			t.Errorf("%s: %v, want %q", step.name, err, step.fails)
		}
		if step.fails == fault.ValidationFailed {
			if items := fault.From(err).Items; len(items) != 1 || items[0].Pointer != "/tenantId" || items[0].Code != "immutable" {
				t.Errorf("%s: %+v", step.name, items)
			}
		}
		if got := filters(); !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

func TestChangesByAFilterHoldTheShardKey(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{"orders.yaml": {Data: []byte(
		"collection: orders\nid: increment\nfields: {tenantId: {type: string, required: true}, n: {type: int}}\nshard_key: [tenantId]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	e := engine.New(s, model)
	provision(t, e, s)
	orders, _ := model.Lookup("orders")
	apply(t, e, create(orders, "", `{"tenantId":"a","n":0}`), create(orders, "", `{"tenantId":"b","n":0}`))
	plan, err := query.ParseSelection(url.Values{"n": {"0"}}, query.Limits{}).Plan(orders)
	if err != nil {
		t.Fatal(err)
	}
	filters := profile(t, uri, db)
	changed, err := e.ChangeAll(t.Context(), engine.Selection{Plan: plan, Most: 10}, engine.Write{Verb: engine.Update, Collection: orders, Body: []byte(`{"$inc":{"n":1}}`)})
	if err != nil || changed.Modified != 2 {
		t.Fatalf("%+v, %v", changed, err)
	}
	const write = "q _id tenantId"
	if got, want := filters(), []string{"find n", write, write}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return string(fault.From(err).Code)
}

func shardOf(t *testing.T, tenant string) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "tenantId", Value: tenant}})
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", tenant, err))
	}
	return doc
}
