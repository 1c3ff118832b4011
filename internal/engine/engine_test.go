package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

const things = `collection: things
id: string
fields:
  name: {type: string, required: true, max_length: 5}
  code: {type: string, unique: true}
  n: {type: int}
`

func start(t *testing.T) (*engine.Engine, *store.Store, *schema.Collection) {
	t.Helper()
	model, err := schema.Load(fstest.MapFS{"things.yaml": &fstest.MapFile{Data: []byte(things)}})
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	c, _ := model.Lookup("things")
	return engine.New(s, model), s, c
}

func provision(t *testing.T, e *engine.Engine, s *store.Store) {
	t.Helper()
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, e.Model()); err != nil {
		t.Fatal(err)
	}
}

func create(c *schema.Collection, pointer, body string) engine.Write {
	return engine.Write{Verb: engine.Create, Collection: c, Body: []byte(body), Place: pointer, Pointer: pointer}
}

func on(verb engine.Verb, c *schema.Collection, id, body string) engine.Write {
	return engine.Write{Verb: verb, Collection: c, ID: bsonjson.StringValue(id), Body: []byte(body)}
}

func apply(t *testing.T, e *engine.Engine, writes ...engine.Write) []engine.Result {
	t.Helper()
	results, err := e.Apply(t.Context(), writes...)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestFaultsOfAllWritesAreToldTogether(t *testing.T) {
	t.Parallel()
	e, s, c := start(t)
	provision(t, e, s)
	_, err := e.Apply(t.Context(), create(c, "/0", `{"id":"a","name":"too long"}`), create(c, "/1", `{"id":"b","name":"b"}`), create(c, "/2", `{"nam":1}`))
	var got []string
	for _, item := range fault.From(err).Items {
		got = append(got, item.Pointer)
	}
	if want := "/0/name /2/nam /2/id /2/name"; strings.Join(got, " ") != want || !fault.Is(err, fault.ValidationFailed) {
		t.Errorf("got %v, want %s: %v", got, want, err)
	}
	if _, err := e.Get(t.Context(), c, bsonjson.StringValue("b"), nil, engine.Precondition{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("the good one was stored: %v", err)
	}
}

func TestWritesOfSeveralKindsAreAllDoneOrNone(t *testing.T) {
	t.Parallel()
	e, s, c := start(t)
	provision(t, e, s)
	apply(t, e, create(c, "", `{"id":"a","name":"a","code":"x"}`))
	mixed := []engine.Write{
		create(c, "/0", `{"id":"b","name":"b","code":"y"}`), on(engine.Merge, c, "a", `{"n":1}`), on(engine.Delete, c, "none", ""),
	}
	if _, err := e.Apply(t.Context(), mixed...); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	doc, err := e.Get(t.Context(), c, bsonjson.StringValue("a"), nil, engine.Precondition{})
	if err != nil || engine.Version(doc) != 1 {
		t.Errorf("a is %s, %v", doc, err)
	}
	if _, err := e.Get(t.Context(), c, bsonjson.StringValue("b"), nil, engine.Precondition{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("b is there: %v", err)
	}
	mixed[2] = on(engine.Delete, c, "a", "")
	results := apply(t, e, mixed...)
	if len(results) != 3 || !results[0].Created || engine.Version(results[1].Document) != 2 || results[2].Document != nil {
		t.Errorf("results %+v", results)
	}
	_, err = e.Apply(t.Context(), create(c, "/0", `{"id":"d","name":"d"}`), create(c, "/1", `{"id":"e","name":"e","code":"y"}`))
	if items := fault.From(err).Items; !fault.Is(err, fault.DuplicateKey) || len(items) != 1 || items[0].Pointer != "/1/code" {
		t.Errorf("got %v", err)
	}
}

// A document that others stored has no version. Its first change gives it one.
func TestADocumentOfOthersBecomesAVersionedOne(t *testing.T) {
	t.Parallel()
	e, s, c := start(t)
	foreign, err := bson.Marshal(bson.D{{Key: "_id", Value: "f"}, {Key: "name", Value: "f"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Insert(t.Context(), "things", foreign); err != nil {
		t.Fatal(err)
	}
	provision(t, e, s)
	unversioned := &engine.Versions{List: []int64{0}}
	write := on(engine.Merge, c, "f", `{"n":7}`)
	write.Precondition.Match = unversioned
	doc := apply(t, e, write)[0].Document
	if engine.Version(doc) != 1 || doc.Lookup("createdAt").Type != bson.TypeDateTime || doc.Lookup("n").Int64() != 7 {
		t.Errorf("stored %s", doc)
	}
	if _, err := e.Apply(t.Context(), write); !fault.Is(err, fault.VersionConflict) {
		t.Errorf("once more: %v", err)
	}
}

func TestConcurrentChangesOfOneDocumentAreAllMade(t *testing.T) {
	t.Parallel()
	e, s, c := start(t)
	provision(t, e, s)
	apply(t, e, create(c, "", `{"id":"a","name":"a"}`))
	const clients = 24
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			verb, body := engine.Merge, fmt.Sprintf(`{"n":%d}`, i)
			if i%2 == 0 {
				verb, body = engine.Replace, fmt.Sprintf(`{"name":"r","n":%d}`, i)
			}
			if _, err := e.Apply(context.Background(), on(verb, c, "a", body)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	doc, err := e.Get(t.Context(), c, bsonjson.StringValue("a"), nil, engine.Precondition{})
	if err != nil || engine.Version(doc) != clients+1 {
		t.Errorf("version %d, want %d: %v", engine.Version(doc), clients+1, err)
	}
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	e, s, c := start(t)
	provision(t, e, s)
	apply(t, e, create(c, "", `{"id":"a","name":"a"}`))
	is, isNot, anyone := &engine.Versions{List: []int64{1, 5}}, &engine.Versions{List: []int64{2}}, &engine.Versions{Any: true}
	for name, test := range map[string]struct {
		p    engine.Precondition
		want bool
	}{
		"none":             {engine.Precondition{}, true},
		"one of":           {engine.Precondition{Match: is}, true},
		"another":          {engine.Precondition{Match: isNot}, false},
		"no tag of ours":   {engine.Precondition{Match: &engine.Versions{}}, false},
		"any":              {engine.Precondition{Match: anyone}, true},
		"not another":      {engine.Precondition{NoneMatch: isNot}, true},
		"not this":         {engine.Precondition{NoneMatch: is}, false},
		"must not exist":   {engine.Precondition{NoneMatch: anyone}, false},
		"contradicting":    {engine.Precondition{Match: is, NoneMatch: is}, false},
		"both that hold":   {engine.Precondition{Match: is, NoneMatch: isNot}, true},
		"this and another": {engine.Precondition{Match: isNot, NoneMatch: isNot}, false},
	} {
		apply(t, e, on(engine.Delete, c, "a", ""))
		apply(t, e, create(c, "", `{"id":"a","name":"a"}`))
		write := on(engine.Replace, c, "a", `{"name":"b"}`)
		write.Precondition = test.p
		_, err := e.Apply(t.Context(), write)
		if done := err == nil; done != test.want || !done && !fault.Is(err, fault.VersionConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
