package seed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/seed"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const declared = `collection: %s
id: %s
fields:
  name: {type: string, trim: true, lowercase: true}
  code: {type: string, unique: true}
  next: {type: ref, to: %[1]s}
  must: {type: ref, to: %[1]s, required: true}
  at: {type: date, default: now}
`

// garden is a database with a collection of every kind of id.
type garden struct {
	*testing.T
	model  *schema.Model
	store  *store.Store
	engine *engine.Engine
}

func newGarden(t *testing.T) *garden {
	t.Helper()
	var files []schema.File
	for _, kind := range []string{"objectId", "uuid", "increment", "string", "int"} {
		files = append(files, schema.File{Name: kind + ".yaml", Text: fmt.Appendf(nil, declared, kind+"s", kind)})
	}
	model, err := schema.LoadFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	uri, name := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
		t.Fatal(err)
	}
	return &garden{t, model, s, engine.New(s, model)}
}

// sow stores the fixtures of a text.
func (g *garden) sow(ctx context.Context, text string) (seed.Counts, error) {
	set, err := seed.Read(ctx, g.model, []schema.File{{Name: "seed.yaml", Text: []byte(text)}})
	if err != nil {
		return seed.Counts{}, err
	}
	return set.Store(ctx, g.engine, g.store)
}

func (g *garden) expect(text string, created, updated, unchanged int) seed.Counts {
	g.Helper()
	counts, err := g.sow(g.Context(), text)
	if err != nil {
		g.Fatal(err)
	}
	if counts.Created != created || counts.Updated != updated || counts.Unchanged != unchanged {
		g.Errorf("%+v, not %d, %d, %d", counts, created, updated, unchanged)
	}
	return counts
}

func (g *garden) documents(collection string) (docs []bson.Raw) {
	g.Helper()
	err := g.store.Each(g.Context(), store.Query{Collection: collection, Sort: store.Only("_id")}, func(doc bson.Raw) error {
		docs = append(docs, append(bson.Raw{}, doc...))
		return nil
	})
	if err != nil {
		g.Fatal(err)
	}
	return docs
}

// TestEveryKindOfID stores documents that refer to each other in a circle.
func TestEveryKindOfID(t *testing.T) {
	g := newGarden(t)
	for _, kind := range []string{"objectId", "uuid", "increment", "string", "int"} {
		t.Run(kind, func(t *testing.T) {
			g := &garden{t, g.model, g.store, g.engine}
			first, second := "", ""
			if kind == "int" {
				first, second = "id: 7, ", "id: 8, "
			}
			text := fmt.Sprintf("%ss:\n  one: {%sname: ' One ', must: two}\n  two: {%sname: two, must: one, next: two}\n", kind, first, second)
			g.expect(text, 2, 0, 0)
			before := g.documents(kind + "s")
			g.expect(text, 0, 0, 2)
			g.expect(strings.Replace(text, "name: two", "name: deux", 1), 0, 1, 1)
			after := g.documents(kind + "s")
			ids := map[string]bson.Raw{}
			for _, doc := range after {
				ids[store.IDKey(doc.Lookup("_id"))] = doc
			}
			for _, doc := range before {
				now := ids[store.IDKey(doc.Lookup("_id"))]
				if must := ids[store.IDKey(doc.Lookup("must"))]; len(after) != 2 || now == nil || must == nil || must.Lookup("name").Equal(doc.Lookup("name")) {
					t.Errorf("%s became %s", doc, now)
				}
				if name, _ := doc.Lookup("name").StringValueOK(); name == "one" && engine.Version(now) != 1 || name == "two" && engine.Version(now) != 2 {
					t.Errorf("%s became %s", doc, now)
				}
			}
		})
	}
}

// TestTheExample holds the file that the README stores.
func TestTheExample(t *testing.T) {
	model, err := schema.Load(os.DirFS("../../examples/blog/schema"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../examples/blog/seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := seed.Read(t.Context(), model, []schema.File{{Name: "seed.yaml", Text: text}})
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 4 {
		t.Errorf("there are %d fixtures", set.Len())
	}
}

// TestWhatOthersDo deletes and changes what was stored, and what is remembered.
func TestWhatOthersDo(t *testing.T) {
	g := newGarden(t)
	text := "increments:\n  one: {must: one, name: a}\n  two: {must: one}\nuuids:\n  x: {must: x}\nstrings:\n  s: {must: s}\n"
	g.expect(text, 4, 0, 0)
	c, _ := g.model.Lookup("increments")
	one := g.documents("increments")[0].Lookup("_id")
	if _, err := g.engine.Apply(t.Context(), engine.Write{Verb: engine.Merge, Collection: c, ID: one, Body: []byte(`{"name": "changed"}`)}); err != nil {
		t.Fatal(err)
	}
	g.expect(text, 0, 0, 4)
	if name := g.documents("increments")[0].Lookup("name").StringValue(); name != "changed" {
		t.Errorf("a fixture that did not change took %q back", name)
	}
	two := g.documents("increments")[1].Lookup("_id")
	if _, err := g.engine.Apply(t.Context(), engine.Write{Verb: engine.Delete, Collection: c, ID: two}); err != nil {
		t.Fatal(err)
	}
	g.expect(text, 1, 0, 3)
	if again := g.documents("increments")[1].Lookup("_id"); !again.Equal(two) {
		t.Errorf("%v is there again as %v", two, again)
	}

	// Without the memory, ids that come from names are known to be the fixtures'.
	var entries []bson.RawValue
	for _, doc := range g.documents("_sheaf.seeds") {
		if id := doc.Lookup("_id").StringValue(); id != "increments/one" && id != "increments/two" {
			entries = append(entries, doc.Lookup("_id"))
		}
	}
	if _, err := g.store.DeleteMany(t.Context(), "_sheaf.seeds", entries); err != nil {
		t.Fatal(err)
	}
	_, err := g.sow(t.Context(), text)
	if problems, ok := errors.AsType[*schema.Problems](err); !ok || !strings.Contains(problems.Error(), "seed.yaml:7:3: strings has a document with the id of s, which was not stored as a fixture") {
		t.Errorf("the error is %v", err)
	}
	g.expect(strings.Replace(text, "  s: {must: s}", "  t: {must: t}", 1), 1, 1, 2)
}

// TestMoreThanOneTransaction stores what no transaction holds, in an order in
// which references lead to what is there.
func TestMoreThanOneTransaction(t *testing.T) {
	g := newGarden(t)
	var text strings.Builder
	text.WriteString("increments:\n")
	for i := range 1500 {
		fmt.Fprintf(&text, "  n%d: {must: n%d}\n", i, min(i+1, 1499))
	}
	if counts := g.expect(text.String(), 1500, 0, 0); counts.Transactions != 2 {
		t.Errorf("%d transactions", counts.Transactions)
	}
	g.expect(text.String(), 0, 0, 1500)
}

// TestSeedsAtTheSameTime holds that every fixture is stored once.
func TestSeedsAtTheSameTime(t *testing.T) {
	g := newGarden(t)
	text := "increments:\n  one: {must: two, code: a}\n  two: {must: one, code: b}\nstrings:\n  s: {must: s}\n"
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if _, err := g.sow(t.Context(), text); err != nil {
				t.Log(err)
			}
		})
	}
	group.Wait()
	if _, err := g.sow(t.Context(), text); err != nil {
		t.Error(err)
	}
	if n := len(g.documents("increments")); n != 2 {
		t.Errorf("there are %d documents", n)
	}
}

func TestWhatIsNotStored(t *testing.T) {
	g := newGarden(t)
	for text, want := range map[string]string{
		"increments: {a: {must: a, code: \xff}}": "seed.yaml: the file is not UTF-8",
		"increments: {a: {must: a":               "seed.yaml:1:",
		"":                                       "seed.yaml: the file is empty",
		"- a":                                    "seed.yaml:1:1: must be a mapping of collections",
		"increments: [{must: 1}]":                "seed.yaml:1:13: must be a mapping of names",
		"ints: {a: {must: a}}":                   "seed.yaml:1:8: ints.a: /id is required",
		"increments: {a: {id: 3, must: a}}":      "seed.yaml:1:22: increments.a: /id is given out by the service",
		"increments: {a: {must: 77}}":            "seed.yaml:1:24: increments.a: /must leads to no document",
		"increments: {a: {must: a, code: x}, b: {must: a, code: x}}": "/code must be unique",
	} {
		_, err := g.sow(t.Context(), text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, not %q", text, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.sow(ctx, "increments: {a: {must: a}}"); err == nil {
		t.Error("an interrupted seed is told to be whole")
	}
	for _, collection := range append(g.model.Names(), "_sheaf.seeds") {
		if docs := g.documents(collection); len(docs) > 0 {
			t.Errorf("%s has %s", collection, docs)
		}
	}
}
