package migrate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func openAt(ctx context.Context, uri, database string, o *observe.Observer) (*store.Store, error) {
	return store.Open(ctx, store.Options{URI: uri, Database: database, Observer: o})
}

func opened(t *testing.T, uri, database string) *store.Store {
	t.Helper()
	s, err := openAt(t.Context(), uri, database, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func open(t *testing.T) *store.Store {
	t.Helper()
	uri, database := testkit.Mongo(t)
	return opened(t, uri, database)
}

// mustInsert stores documents with ids.
func mustInsert(t *testing.T, s *store.Store, collection string, docs ...bson.D) {
	t.Helper()
	raws := make([]bson.Raw, len(docs))
	for i, doc := range docs {
		raws[i] = encoded(doc)
	}
	if failures, err := s.InsertMany(t.Context(), collection, raws); err != nil || len(failures) > 0 {
		t.Fatal(err, failures)
	}
}

// contents returns all documents of a collection in the order of their ids.
func contents(t *testing.T, s *store.Store, collection string) []bson.Raw {
	t.Helper()
	var docs []bson.Raw
	err := s.Each(t.Context(), store.Query{Collection: collection, Sort: encoded(bson.D{{Key: "_id", Value: 1}})}, func(doc bson.Raw) error {
		docs = append(docs, slices.Clone(doc))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// picture is all of a database that a run makes, but for times and who ran it.
func picture(t *testing.T, s *store.Store) string {
	t.Helper()
	var out strings.Builder
	collections, err := s.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range collections {
		fmt.Fprintf(&out, "%s %s\n", c.Name, c.Options)
		indexes := slices.Clone(c.Indexes)
		slices.SortFunc(indexes, func(a, b bson.Raw) int { return bytes.Compare(a, b) })
		for _, index := range indexes {
			fmt.Fprintf(&out, "  index %s\n", index)
		}
		for _, doc := range contents(t, s, c.Name) {
			fmt.Fprintf(&out, "  %s\n", timeless(doc))
		}
	}
	records, err := s.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		fmt.Fprintf(&out, "%s %s %s %d/%d %v\n", r.Name, r.State, r.Checksum, r.Step, r.Steps, r.Point)
	}
	return out.String()
}

// timeless returns a document with its updatedAt, where there is one, as a word.
func timeless(doc bson.Raw) bson.D {
	var d bson.D
	if err := bson.Unmarshal(doc, &d); err != nil {
		panic(err)
	}
	for i, e := range d {
		if e.Key == "updatedAt" {
			d[i].Value = "a time"
		}
	}
	return d
}

// quick are options of a run that does not wait long for one that is dead.
func quick(s *store.Store) Options {
	return Options{Store: s, Who: "ada@test", AllowDrop: true, LeaseTime: 400 * time.Millisecond, atOnce: 6}
}

func index(name, field string, unique bool) bson.Raw {
	spec := bson.D{{Key: "key", Value: bson.D{{Key: field, Value: 1}}}, {Key: "name", Value: name}}
	if unique {
		spec = append(spec, bson.E{Key: "unique", Value: true})
	}
	return encoded(spec)
}

func required(fields ...string) bson.Raw {
	return encoded(bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "bsonType", Value: "object"}, {Key: "required", Value: fields}}}})
}

// counting is a change that shows how often it met a document.
func counting(by int) Step {
	return Step{Kind: Update, Collection: "people", Risk: Backfill, Change: &Change{
		Filter:   encoded(bson.D{{Key: "skip", Value: bson.D{{Key: "$ne", Value: true}}}}),
		Pipeline: []bson.Raw{set("n", bson.D{{Key: "$add", Value: bson.A{"$n", by}}})},
	}}
}

// scenario are migrations with steps of every kind.
func scenario() []*Migration {
	create := Step{Kind: CreateCollection, Collection: "cities", Validator: required("_id")}
	byName := Step{Kind: CreateIndex, Collection: "people", Index: index("name_1", "name", false)}
	return []*Migration{
		{
			Name: "0001_cities", Checksum: "a1",
			Up:   []Step{create, byName},
			Down: []Step{{Kind: DropIndex, Collection: "people", Index: byName.Index, Risk: Contract}, {Kind: DropCollection, Collection: "cities", Risk: Contract}},
		},
		{
			Name: "0002_count", Checksum: "a2",
			Up:   []Step{counting(1), {Kind: Update, Collection: "people", Risk: Backfill, Change: &Change{Rename: &Rename{From: "name", To: "title"}}}},
			Down: []Step{{Kind: Update, Collection: "people", Risk: Backfill, Change: &Change{Rename: &Rename{From: "title", To: "name"}}}, counting(-1)},
		},
		{
			Name: "0003_tight", Checksum: "a3",
			Up: []Step{
				{Kind: SetValidator, Collection: "people", Validator: required("title"), Risk: Tighten},
				{Kind: CreateIndex, Collection: "people", Index: index("title_1", "title", true), Risk: Tighten},
				{Kind: DropIndex, Collection: "people", Index: index("name_1", "name", false), Risk: Contract},
				{Kind: RenameCollection, Collection: "cities", To: "towns", Risk: Contract},
				{Kind: DropCollection, Collection: "waste", Risk: Contract},
			},
			Down: []Step{
				{Kind: RenameCollection, Collection: "towns", To: "cities"},
				byName,
				{Kind: DropIndex, Collection: "people", Index: index("title_1", "title", true)},
				{Kind: SetValidator, Collection: "people"},
			},
		},
	}
}

const people = 10

func seed(t *testing.T, s *store.Store) {
	t.Helper()
	var docs []bson.D
	for i := range people {
		id := any(int64(i))
		if i%2 == 1 {
			id = fmt.Sprintf("p%d", i)
		}
		docs = append(docs, bson.D{{Key: "_id", Value: id}, {Key: "name", Value: fmt.Sprint("name ", i)}, {Key: "n", Value: 0}, {Key: "version", Value: int64(1)}})
	}
	docs[3] = append(docs[3], bson.E{Key: "skip", Value: true})
	mustInsert(t, s, "people", docs...)
	mustInsert(t, s, "waste", bson.D{{Key: "_id", Value: 1}})
}
