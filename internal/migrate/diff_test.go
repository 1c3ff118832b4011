package migrate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func planned(t *testing.T) *store.Store {
	t.Helper()
	uri, database := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// structural carries out the steps that change no document.
func structural(t *testing.T, s *store.Store, steps []Step) {
	t.Helper()
	for _, step := range steps {
		if err := step.apply(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", step.Title(), err)
		}
	}
}

func titles(steps []Step) []string {
	list := make([]string, len(steps))
	for i, step := range steps {
		list[i] = step.Risk.String() + ": " + step.Title()
	}
	return list
}

func modelOf(t *testing.T, files ...string) *schema.Model {
	t.Helper()
	folder := fstest.MapFS{}
	for i, text := range files {
		folder[fmt.Sprintf("f%d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	model, err := schema.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func inspected(t *testing.T, s *store.Store) *Database {
	t.Helper()
	db, err := Inspect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestNothingIsLeftToDo holds that what MongoDB makes of the steps is what the
// model asks for, and that it is so in memory.
func TestNothingIsLeftToDo(t *testing.T) {
	archive, err := txtar.ParseFile("../schema/testdata/show/all.txtar")
	if err != nil {
		t.Fatal(err)
	}
	models := map[string]*schema.Model{"all": modelOf(t, string(archive.Files[0].Data))}
	folders, _ := filepath.Glob("../../examples/*/schema")
	for _, folder := range folders {
		if models[folder], err = schema.Load(os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	for name, model := range models {
		t.Run(name, func(t *testing.T) {
			s := planned(t)
			steps := Diff(model, inspected(t, s))
			structural(t, s, steps)
			if left := Diff(model, inspected(t, s)); len(left) > 0 {
				t.Errorf("in MongoDB there is left to do: %v", titles(left))
			}
			structural(t, s, steps) // once more does no harm
			db, err := Replay([]*Migration{{Up: steps}})
			if err != nil {
				t.Fatal(err)
			}
			if left := Diff(model, db); len(left) > 0 {
				t.Errorf("in memory there is left to do: %v", titles(left))
			}
		})
	}
}

// TestTheSteps has pairs of schemas, and the steps from one to the other.
func TestTheSteps(t *testing.T) {
	const head = "collection: users\nfields:\n  name: {type: string, required: true}\n"
	for name, test := range map[string]struct {
		before, after []string
		steps         []string
	}{
		"the same": {[]string{head}, []string{head}, nil},
		"a new optional field and an index on it": {[]string{head}, []string{head + "  age: {type: int}\nindexes: [{keys: [age]}]\n"},
			[]string{"expand: set validator users", "expand: create index users.age_1__id_1"}},
		"a new required field with a default": {[]string{head}, []string{head + "  age: {type: int, required: true, default: 18}\n"},
			[]string{"expand: set validator users", "backfill: update users: default of age", "tighten: set validator users"}},
		"a new required field without": {[]string{head}, []string{head + "  age: {type: int, required: true}\n"},
			[]string{"expand: set validator users", "backfill: update users: to be written by hand", "tighten: set validator users"}},
		"required from now on": {[]string{head + "  age: {type: int, default: 1}\n"}, []string{head + "  age: {type: int, required: true, default: 18}\n"},
			[]string{"backfill: update users: default of age", "tighten: set validator users"}},
		"an optional field that is gone": {[]string{head + "  age: {type: int}\n"}, []string{head},
			[]string{"contract: update users: unset age", "contract: set validator users"}},
		"a required field that is gone, and another that is new": {[]string{head + "  age: {type: int, required: true}\n"}, []string{head + "  born: {type: date, required: true, default: now}\n"},
			[]string{"expand: set validator users", "backfill: update users: default of born", "tighten: set validator users",
				"contract: update users: unset age", "contract: set validator users"}},
		"another type": {[]string{head + "  age: {type: string}\n"}, []string{head + "  age: {type: int}\n"},
			[]string{"expand: set validator users", "tighten: update users: convert age to int", "tighten: set validator users"}},
		"no null from now on": {[]string{head + "  age: {type: int, nullable: true}\n"}, []string{head + "  age: {type: int}\n"}, []string{"tighten: set validator users"}},
		"text that becomes a double": {[]string{head + "  age: {type: string}\n"}, []string{head + "  age: {type: double}\n"},
			[]string{"expand: set validator users", "tighten: update users: convert age to double", "tighten: set validator users"}},
		"an int that becomes a double": {[]string{head + "  age: {type: int}\n"}, []string{head + "  age: {type: double}\n"}, []string{"expand: set validator users"}},
		"fewer words": {[]string{head + "  kind: {type: string, enum: [a, b]}\n"}, []string{head + "  kind: {type: string, enum: [b, c]}\n"},
			[]string{"expand: set validator users", "tighten: set validator users"}},
		"looser":  {[]string{head + "  age: {type: int, min: 1}\n"}, []string{head + "  age: {type: int, min: 0}\n"}, []string{"expand: set validator users"}},
		"tighter": {[]string{head + "  age: {type: int, min: 0}\n"}, []string{head + "  age: {type: int, min: 1}\n"}, []string{"tighten: set validator users"}},
		"a field within, through a list": {
			[]string{head + "  list: {type: array, items: {type: object, fields: {a: {type: int}}}}\n"},
			[]string{head + "  list: {type: array, items: {type: object, fields: {b: {type: int, required: true, default: 1}}}}\n"},
			[]string{"expand: set validator users", "backfill: update users: to be written by hand", "tighten: set validator users",
				"contract: update users: unset list.a", "contract: set validator users"}},
		"unique from now on": {[]string{head + "indexes: [{keys: [name]}]\n"}, []string{head + "indexes: [{keys: [name], unique: true}]\n"},
			[]string{"tighten: create index users.name_1", "contract: drop index users.name_1__id_1"}},
		"an index that expires later": {[]string{head + "  at: {type: date}\nindexes: [{keys: [at], expire_after: 1h}]\n"}, []string{head + "  at: {type: date}\nindexes: [{keys: [at], expire_after: 2h}]\n"},
			[]string{"tighten: drop index users.at_1", "tighten: create index users.at_1"}},
		"an index that is gone": {[]string{head + "indexes: [{keys: [name]}]\n"}, []string{head}, []string{"contract: drop index users.name_1__id_1"}},
		"collections that come and go": {[]string{head, "collection: logs\nfields: {a: {type: int}}\n"}, []string{head, "collection: posts\nfields: {a: {type: int, unique: true}}\n"},
			[]string{"expand: create collection posts", "expand: create index posts.a_1", "contract: drop collection logs"}},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := modelOf(t, test.before...), modelOf(t, test.after...)
			db := &Database{}
			for _, step := range Diff(before, db.clone()) {
				if err := db.apply(step); err != nil {
					t.Fatal(err)
				}
			}
			db.Declared = store.DeclaredBy(before)
			steps := Diff(after, db)
			if diff := cmp.Diff(test.steps, titles(steps), emptyIsNil); diff != "" {
				t.Errorf("the steps (-want +got):\n%s", diff)
			}
			holdBack(t, after, before, db, steps)
		})
	}
}

var emptyIsNil = cmp.Transformer("empty", func(list []string) []string { return slices.Clone(append([]string{}, list...)) })

// holdBack holds that the steps lead to a model, and those that take them back
// to the one before.
func holdBack(t *testing.T, after, before *schema.Model, db *Database, steps []Step) {
	t.Helper()
	moved := db.clone()
	back := undo(steps, moved, db)
	if left := Diff(after, moved); len(left) > 0 {
		t.Errorf("after the steps there is left to do: %v", titles(left))
	}
	for _, step := range back {
		if err := moved.apply(step); err != nil {
			t.Errorf("on the way back: %v", err)
		}
	}
	moved.Declared = store.DeclaredBy(after)
	if left := Diff(before, moved); len(left) > 0 {
		t.Errorf("after the way back there is left to do: %v; it was %v", titles(left), titles(back))
	}
}

func TestRenamesAreToldOf(t *testing.T) {
	before := modelOf(t, "collection: users\nfields:\n  name: {type: string, required: true}\n  age: {type: int}\n")
	db := &Database{Declared: store.DeclaredBy(before)}
	for _, step := range Diff(before, &Database{}) {
		if err := db.apply(step); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ after, note string }{
		{"collection: people\nfields:\n  name: {type: string, required: true}\n  age: {type: int}\n", "users may be people under its old name"},
		{"collection: users\nfields:\n  fullName: {type: string, required: true}\n  age: {type: int}\n", "name may be fullName under its old name"},
	} {
		notes := ""
		for _, step := range Diff(modelOf(t, test.after), db) {
			notes += step.Note + "\n"
		}
		if !strings.Contains(notes, test.note) {
			t.Errorf("%q does not tell %q", notes, test.note)
		}
	}
}

// TestWhatIsNotTheModelsStays holds that collections and indexes of others are
// not touched.
func TestWhatIsNotTheModelsStays(t *testing.T) {
	s := planned(t)
	model := modelOf(t, "collection: users\nfields: {name: {type: string}}\n")
	structural(t, s, Diff(model, inspected(t, s)))
	structural(t, s, []Step{
		{Kind: CreateCollection, Collection: "theirs"},
		{Kind: CreateIndex, Collection: "users", Index: store.IndexSpec(modelOf(t, "collection: a\nfields: {b: {type: int, unique: true}}\n").Collections[0].Indexes[0])},
	})
	if left := Diff(model, inspected(t, s)); len(left) > 0 {
		t.Errorf("%v", titles(left))
	}
	if err := s.RecordModel(t.Context(), modelOf(t, "collection: theirs\nfields: {a: {type: int}}\n")); err != nil {
		t.Fatal(err)
	}
	if left := titles(Diff(model, inspected(t, s))); !slices.Equal(left, []string{"contract: drop collection theirs"}) {
		t.Errorf("%v", left)
	}
}
