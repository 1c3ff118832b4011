package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// family has children that refer to parents in every way.
func family(t *testing.T) *schema.Model {
	t.Helper()
	model, err := schema.Load(fstest.MapFS{
		"parents.yaml": {Data: []byte("collection: parents\nid: int\nfields: {name: {type: string}}")},
		"children.yaml": {Data: []byte("collection: children\nid: objectId\nfields:\n" +
			"  strict: {type: ref, to: parents}\n" +
			"  follows: {type: ref, to: parents, on_delete: cascade}\n" +
			"  loose: {type: array, items: {type: ref, to: parents, on_delete: set_null}}\n" +
			"relations: {parent: {belongs_to: parents, by: strict}}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// instances are n services on one database, as they run behind a balancer.
func instances(t *testing.T, model *schema.Model, n int) ([]*engine.Engine, *store.Store) {
	t.Helper()
	uri, db := testkit.Mongo(t)
	engines := make([]*engine.Engine, n)
	var one *store.Store
	for i := range engines {
		s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		if i == 0 {
			if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
				t.Fatal(err)
			}
		}
		engines[i], one = engine.New(s, model), s
	}
	return engines, one
}

// Children are made, and sent to other parents, while the parents are deleted
// by another instance: whichever comes first, no child is left without its
// parent.
func TestNoChildIsLeftWithoutItsParent(t *testing.T) {
	t.Parallel()
	const tries, workers = 10_000, 8
	model := family(t)
	both, db := instances(t, model, 2)
	createParents(t, both[0], model, tries)
	var next, refused atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			w := newRace(t, model, both)
			for n := next.Add(1); n <= tries; n = next.Add(1) {
				refused.Add(w.run(n))
			}
		})
	}
	group.Wait()
	t.Logf("of %d, %d writes were refused", tries, refused.Load())
	if n := refused.Load(); n == 0 || n == tries {
		t.Errorf("%d of %d writes were refused: nothing was raced", n, tries)
	}
	findOrphans(t, db, model)
}

func createParents(t *testing.T, e *engine.Engine, model *schema.Model, n int) {
	t.Helper()
	parents, _ := model.Lookup("parents")
	for first := 1; first <= n; first += 1000 {
		writes := make([]engine.Write, 1000)
		for i := range writes {
			writes[i] = create(parents, fmt.Sprintf("/%d", i), fmt.Sprintf(`{"id":%d}`, first+i))
		}
		apply(t, e, writes...)
	}
}

// race is one worker of the race.
type race struct {
	t                 *testing.T
	both              []*engine.Engine
	parents, children *schema.Collection
	// own is a child that is sent from parent to parent.
	own bson.RawValue
}

func newRace(t *testing.T, model *schema.Model, both []*engine.Engine) *race {
	w := &race{t: t, both: both}
	w.parents, _ = model.Lookup("parents")
	w.children, _ = model.Lookup("children")
	return w
}

// run refers to the parent n while it is deleted, and returns how many of both
// writes were refused.
func (w *race) run(n int64) (refused int64) {
	body := []string{`{"strict":%d}`, `{"follows":%d}`, `{"loose":[%d]}`}[n%3]
	if n%2 == 0 && w.own.IsZero() {
		results, err := w.both[0].Apply(context.Background(), create(w.children, "", `{}`))
		if err != nil {
			w.t.Error(err)
			return 0
		}
		w.own = results[0].Document.Lookup("_id")
	}
	write := create(w.children, "", fmt.Sprintf(body, n))
	if n%2 == 0 {
		write = engine.Write{Verb: engine.Merge, Collection: w.children, ID: w.own, Body: write.Body}
	}
	var referred, deleted error
	var group sync.WaitGroup
	group.Go(func() { _, referred = w.both[n/2%2].Apply(context.Background(), write) })
	group.Go(func() {
		_, deleted = w.both[(n/2+1)%2].Apply(context.Background(), engine.Write{Verb: engine.Delete, Collection: w.parents, ID: bsonjson.IntValue(n)})
	})
	group.Wait()
	for _, err := range []error{referred, deleted} {
		switch {
		case fault.Is(err, fault.ReferenceViolation):
			refused++
		case fault.Is(err, fault.NotFound) && n%2 == 0:
			w.own = bson.RawValue{} // went with a parent
		case err != nil:
			w.t.Error(err)
		}
	}
	if strings.Contains(body, "strict") && (referred == nil) == (deleted == nil) {
		w.t.Errorf("the child: %v, the delete: %v; want one of them", referred, deleted)
	}
	return refused
}

// findOrphans reports children whose parent is not there.
func findOrphans(t *testing.T, db *store.Store, model *schema.Model) {
	t.Helper()
	children, _ := model.Lookup("children")
	there := store.IDSet{}
	each(t, db, "parents", func(doc bson.Raw) { there.Add(doc.Lookup("_id")) })
	orphans, linked := 0, 0
	each(t, db, "children", func(doc bson.Raw) {
		for _, ref := range children.Refs(doc) {
			linked++
			if !there.Has(ref.ID) {
				orphans++
			}
		}
	})
	if orphans > 0 {
		t.Errorf("%d orphans of %d", orphans, linked)
	}
}

func each(t *testing.T, db *store.Store, collection string, visit func(bson.Raw)) {
	t.Helper()
	err := db.Each(t.Context(), store.Query{Collection: collection}, func(doc bson.Raw) error {
		visit(doc)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
