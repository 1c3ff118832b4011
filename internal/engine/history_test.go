package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// keeping are collections that keep a history: one that removes what is deleted,
// one that keeps it, and one that others refer to.
func keeping(t *testing.T) *schema.Model {
	t.Helper()
	const fields = "fields:\n  n: {type: int}\n  code: {type: int, unique: true}\n"
	model, err := schema.Load(fstest.MapFS{
		"hard.yaml":    {Data: []byte("collection: hard\nid: int\nhistory: true\n" + fields)},
		"soft.yaml":    {Data: []byte("collection: soft\nid: int\nhistory: {keep: 1d}\nsoft_delete: true\n" + fields)},
		"parents.yaml": {Data: []byte("collection: parents\nid: int\nhistory: true\nsoft_delete: true\n" + fields)},
		"children.yaml": {Data: []byte("collection: children\nid: int\nhistory: true\n" + fields +
			"  strict: {type: ref, to: parents, on_delete: cascade}\n  loose: {type: ref, to: parents, on_delete: set_null}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

const documentsOfEach = 5

// TestEveryVersionIsInTheHistory lets writes of every kind meet on few documents,
// over two instances, and holds that each stored version has its entry, that the
// entries have no gap, and that they are what their writers were told: also while
// the connections of commands are closed, before or after they were carried out.
func TestEveryVersionIsInTheHistory(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name           string
		alone, failing bool
	}{{"shared", false, false}, {"alone", true, false}, {"shared and failing", false, true}, {"alone and failing", true, true}} {
		t.Run(mode.name, func(t *testing.T) {
			if !mode.failing {
				t.Parallel() // the fail point is one for the whole server
			}
			model := keeping(t)
			uri, db := testkit.Mongo(t)
			var engines []*engine.Engine
			var stores []*store.Store
			for range 2 {
				s, err := store.Open(t.Context(), store.Options{URI: uri + "&appName=" + db, Database: db, NoCoalescing: mode.alone})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close(context.Background()) })
				engines, stores = append(engines, engine.New(s, model)), append(stores, s)
			}
			provision(t, engines[0], stores[0])
			if mode.failing {
				failCommands(t, uri, bson.D{{Key: "activationProbability", Value: 0.04}}, bson.D{
					{Key: "failCommands", Value: bson.A{"insert", "update", "delete", "find", "commitTransaction"}}, {Key: "closeConnection", Value: true}, {Key: "appName", Value: db},
				})
			}
			told := &versionsTold{seen: map[string]bson.Raw{}, failing: mode.failing}
			var group sync.WaitGroup
			for worker := range 12 {
				group.Go(func() {
					random := rand.New(rand.NewPCG(uint64(worker), 9))
					for range 50 {
						told.write(t, engines[worker%2], model, random)
					}
				})
			}
			group.Wait()
			if mode.failing {
				failCommands(t, uri, "off", nil)
			}
			for _, c := range model.Collections {
				for id := range int64(documentsOfEach) {
					told.hold(t, engines[0], stores[0], c, id)
				}
			}
			if len(told.seen) < 50 || told.held != len(told.seen) {
				t.Errorf("writers were told of %d versions, and the histories have %d of them", len(told.seen), told.held)
			}
		})
	}
}

func failCommands(t *testing.T, uri string, mode any, data bson.D) {
	t.Helper()
	command := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}}
	if data != nil {
		command = append(command, bson.E{Key: "data", Value: data})
	}
	if _, err := store.Admin(t.Context(), uri, command); err != nil {
		t.Fatal(err)
	}
}

// versionsTold are the documents that writers were answered, by collection, id and
// version.
type versionsTold struct {
	mu   sync.Mutex
	seen map[string]bson.Raw
	// held is how many of them the histories have.
	held int
	// failing is set while the database may fail.
	failing bool
}

func versionKey(c *schema.Collection, id bson.RawValue, version int64) string {
	return fmt.Sprintf("%s %s %d", c.Name, store.IDKey(id), version)
}

// write carries out one random write, or several as one.
func (v *versionsTold) write(t *testing.T, e *engine.Engine, model *schema.Model, random *rand.Rand) {
	writes := []engine.Write{randomWrite(model, random)}
	for len(writes) < 4 && random.IntN(3) == 0 {
		writes = append(writes, randomWrite(model, random))
	}
	for i := range writes {
		writes[i].Place = fmt.Sprintf("/%d", i)
	}
	ctx := observe.WithCaller(t.Context(), "somebody")
	results, err := e.Apply(ctx, writes...)
	if err != nil {
		if code := fault.From(err).Code; code == fault.Internal || !v.failing && (code == fault.DatabaseUnavailable || code == fault.Timeout) {
			t.Errorf("%v", err)
		}
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, r := range results {
		if r.Document == nil {
			continue
		}
		key := versionKey(writes[i].Collection, r.ID, engine.Version(r.Document))
		if other, ok := v.seen[key]; ok && !bytes.Equal(other, r.Document) {
			t.Errorf("two writers were told of the same version: %s and %s", other, r.Document)
		}
		v.seen[key] = r.Document
	}
}

func randomWrite(model *schema.Model, random *rand.Rand) engine.Write {
	c := model.Collections[random.IntN(len(model.Collections))]
	id, n := random.IntN(documentsOfEach), random.IntN(100)
	w := engine.Write{Collection: c, ID: bsonjson.IntValue(int64(id))}
	body := fmt.Sprintf(`{"n":%d,"code":%d}`, n, n%7)
	if c.Name == "children" {
		body = fmt.Sprintf(`{"n":%d,"strict":%d,"loose":%d}`, n, random.IntN(documentsOfEach), random.IntN(documentsOfEach))
	}
	switch random.IntN(8) {
	case 0, 1:
		w.Verb, w.ID, w.Body = engine.Create, bson.RawValue{}, []byte(fmt.Sprintf(`{"id":%d,`, id)+body[1:])
	case 2:
		w.Verb, w.Body = engine.Replace, []byte(body)
	case 3:
		w.Verb, w.Body = engine.Merge, []byte(body)
	case 4, 5:
		w.Verb, w.Body = engine.Update, []byte(`{"$set":{"n":1}}`)
	case 6:
		w.Verb = engine.Delete
	case 7:
		w.Verb = engine.Restore
	}
	return w
}

// hold holds the history of a document against the document and against what was
// told.
func (v *versionsTold) hold(t *testing.T, e *engine.Engine, s *store.Store, c *schema.Collection, number int64) {
	id := bsonjson.IntValue(number)
	entries, more, err := e.History(t.Context(), c, id, 0, 10_000)
	if fault.Is(err, fault.NotFound) {
		return // which never was
	}
	if err != nil || more {
		t.Fatal(err, more)
	}
	for i, entry := range entries {
		if want := int64(len(entries) - i); entry.Version != want || entry.Caller != "somebody" {
			t.Fatalf("%s %d: version %d by %q in the place of %d", c.Name, number, entry.Version, entry.Caller, want)
		}
		told, ok := v.seen[versionKey(c, id, entry.Version)]
		if ok && !bytes.Equal(told, entry.Document) {
			t.Errorf("%s %d: a writer was told %s, and the history has %s", c.Name, number, told, entry.Document)
		}
		if ok {
			v.held++
		}
	}
	last := entries[0]
	stored, err := s.Get(t.Context(), c.Name, id, nil)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		t.Fatal(err)
	case last.Gone && stored != nil:
		t.Errorf("%s %d is stored, and removed by its history", c.Name, number)
	case !last.Gone && !bytes.Equal(stored, last.Document):
		t.Errorf("%s %d: stored %s, and in the history %s", c.Name, number, stored, last.Document)
	}
}

// What keeping costs: docs/history.md tells the same.
func TestCommandsOfKeeping(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{
		"soft.yaml": {Data: []byte("collection: soft\nid: int\nsoft_delete: true\nfields: {n: {type: int}}\n")},
		"hard.yaml": {Data: []byte("collection: hard\nid: increment\nhistory: true\nfields: {n: {type: int}}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	e, c := observed(t, model)
	soft, _ := model.Lookup("soft")
	hard, _ := model.Lookup("hard")
	one := bsonjson.IntValue(1)
	apply(t, e, create(hard, "", `{"n":1}`)) // the first id is allocated with others
	c.take()
	for _, step := range []struct {
		name, want string
		write      engine.Write
	}{
		{"a create", "1 insert", create(soft, "", `{"id":1,"n":1}`)},
		{"operators", "1 findAndModify", engine.Write{Verb: engine.Update, Collection: soft, ID: one, Body: []byte(`{"$set":{"n":2}}`)}},
		{"a delete that is kept", "1 findAndModify", engine.Write{Verb: engine.Delete, Collection: soft, ID: one}},
		{"restoring it", "1 commitTransaction, 1 find, 1 update", engine.Write{Verb: engine.Restore, Collection: soft, ID: one}},
		{"a change with a history", "1 commitTransaction, 1 find, 1 insert, 1 update", engine.Write{Verb: engine.Merge, Collection: hard, ID: one, Body: []byte(`{"n":3}`)}},
		{"operators with a history", "1 commitTransaction, 1 find, 1 insert, 1 update", engine.Write{Verb: engine.Update, Collection: hard, ID: one, Body: []byte(`{"$inc":{"n":1}}`)}},
		{"a delete with a history", "1 commitTransaction, 1 delete, 1 find, 1 insert", engine.Write{Verb: engine.Delete, Collection: hard, ID: one}},
	} {
		apply(t, e, step.write)
		if got := c.take(); got != step.want {
			t.Errorf("%s: %s; want %s", step.name, got, step.want)
		}
	}
}
