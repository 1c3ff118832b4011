package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, _ := counted(t, "none")
	return s
}

func openAt(t *testing.T, uri, db string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func model(t *testing.T, files map[string]string) *schema.Model {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name+".yaml"] = &fstest.MapFile{Data: []byte("collection: " + name + "\n" + text)}
	}
	m, err := schema.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func provision(t *testing.T, s *store.Store, m *schema.Model) {
	t.Helper()
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, m); err != nil {
		t.Fatal(err)
	}
}

func insert(t *testing.T, s *store.Store, collection string, doc bson.D) {
	t.Helper()
	if err := s.Insert(t.Context(), collection, raw(t, doc)); err != nil {
		t.Fatal(err)
	}
}

// stored completes a document with the system fields that validators ask for.
func stored(doc bson.D) bson.D {
	now := bson.DateTime(0)
	return append(doc, bson.E{Key: "version", Value: int64(1)}, bson.E{Key: "createdAt", Value: now}, bson.E{Key: "updatedAt", Value: now})
}

// pointers returns the pointers of an error's items.
func pointers(err error) string {
	var list []string
	for _, item := range fault.From(err).Items {
		list = append(list, item.Pointer+" "+item.Code)
	}
	return strings.Join(list, ", ")
}

func TestWritesByVersion(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := value(t, int64(1))
	insert(t, s, "c", bson.D{{Key: "_id", Value: int64(1)}, {Key: "version", Value: int64(3)}})
	next := raw(t, bson.D{{Key: "_id", Value: int64(1)}, {Key: "version", Value: int64(4)}})
	for _, step := range []struct {
		version int64
		want    bool
	}{{2, false}, {0, false}, {3, true}, {3, false}} {
		if done, err := s.Replace(t.Context(), "c", id, step.version, nil, next); done != step.want || err != nil {
			t.Errorf("replace of version %d: %v, %v", step.version, done, err)
		}
	}
	old, current := int64(3), int64(4)
	if done, err := s.Delete(t.Context(), "c", id, &old, nil); done || err != nil {
		t.Errorf("delete of an old version: %v, %v", done, err)
	}
	if done, err := s.Delete(t.Context(), "c", id, &current, nil); !done || err != nil {
		t.Errorf("delete: %v, %v", done, err)
	}
	if done, err := s.Delete(t.Context(), "c", id, nil, nil); done || err != nil {
		t.Errorf("delete of nothing: %v, %v", done, err)
	}
	insert(t, s, "c", bson.D{{Key: "_id", Value: int64(2)}, {Key: "by", Value: "others"}})
	if done, err := s.Replace(t.Context(), "c", value(t, int64(2)), 0, nil, raw(t, bson.D{{Key: "_id", Value: int64(2)}, {Key: "version", Value: int64(1)}})); !done || err != nil {
		t.Errorf("replace of a document without a version: %v, %v", done, err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 250 {
		insert(t, s, "c", bson.D{{Key: "_id", Value: int64(i)}, {Key: "even", Value: i%2 == 0}})
	}
	rows, err := s.Find(t.Context(), store.Query{
		Collection: "c", Filter: raw(t, bson.D{{Key: "even", Value: true}}), Sort: raw(t, bson.D{{Key: "_id", Value: -1}}),
		Projection: raw(t, bson.D{{Key: "_id", Value: 1}}), Limit: 120, Batch: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	next := int64(248)
	for rows.Next() {
		if id, _ := rows.Document().Lookup("_id").AsInt64OK(); id != next || rows.Document().Lookup("even").Type != 0 {
			t.Fatalf("got %v, want id %d alone", rows.Document(), next)
		}
		next -= 2
	}
	if rows.Err() != nil || next != 8 {
		t.Errorf("ended before %d: %v", next, rows.Err())
	}
}

func TestDuplicateKeysPointAtTheirFields(t *testing.T) {
	t.Parallel()
	s := open(t)
	provision(t, s, model(t, map[string]string{"c": `id: int
fields:
  email: {type: string, unique: true}
  o: {type: object, fields: {sku: {type: string, unique: true}}}
  a: {type: int}
  b: {type: int}
indexes:
  - {keys: [a, b], unique: true}
`}))
	insert(t, s, "c", stored(bson.D{{Key: "_id", Value: int64(1)}, {Key: "email", Value: "e"}, {Key: "o", Value: bson.D{{Key: "sku", Value: "s"}}},
		{Key: "a", Value: int64(1)}, {Key: "b", Value: int64(2)}}))
	for want, doc := range map[string]bson.D{
		"/id unique":           {{Key: "_id", Value: int64(1)}},
		"/email unique":        {{Key: "_id", Value: int64(2)}, {Key: "email", Value: "e"}},
		"/o/sku unique":        {{Key: "_id", Value: int64(2)}, {Key: "o", Value: bson.D{{Key: "sku", Value: "s"}}}},
		"/a unique, /b unique": {{Key: "_id", Value: int64(2)}, {Key: "a", Value: int64(1)}, {Key: "b", Value: int64(2)}},
	} {
		err := s.Insert(t.Context(), "c", raw(t, stored(doc)))
		if !fault.Is(err, fault.DuplicateKey) || pointers(err) != want {
			t.Errorf("%v: %v", doc, err)
		}
	}
	failures, err := s.InsertMany(t.Context(), "c", []bson.Raw{
		raw(t, stored(bson.D{{Key: "_id", Value: int64(1)}})), raw(t, stored(bson.D{{Key: "_id", Value: int64(5)}, {Key: "a", Value: int64(5)}})),
		raw(t, stored(bson.D{{Key: "_id", Value: int64(6)}, {Key: "email", Value: "e"}, {Key: "a", Value: int64(6)}})),
	})
	if err != nil || len(failures) != 2 || failures[0].Index != 0 || failures[1].Index != 2 || pointers(failures[1].Err) != "/email unique" {
		t.Errorf("InsertMany: %v, %v", failures, err)
	}
	if _, err := s.Get(t.Context(), "c", value(t, int64(5)), nil); err != nil {
		t.Errorf("the good one of many: %v", err)
	}
}

func TestRefusalsOfTheValidatorHavePointers(t *testing.T) {
	t.Parallel()
	s := open(t)
	provision(t, s, model(t, map[string]string{"c": `id: int
fields:
  name: {type: string, required: true, max_length: 3}
  age: {type: int, min: 0}
  kind: {type: string, enum: [a, b]}
  o: {type: object, fields: {n: {type: int}}}
  list: {type: array, items: {type: string}}
`}))
	err := s.Insert(t.Context(), "c", raw(t, stored(bson.D{{Key: "_id", Value: int64(1)}, {Key: "age", Value: int64(-1)}, {Key: "kind", Value: "c"},
		{Key: "o", Value: bson.D{{Key: "n", Value: "x"}}}, {Key: "list", Value: bson.A{"a", 1}}, {Key: "more", Value: 1}})))
	if !fault.Is(err, fault.ValidationFailed) {
		t.Fatal(err)
	}
	got := strings.Split(pointers(err), ", ")
	slices.Sort(got)
	if want := "/age min, /kind enum, /list/1 type, /more unknown-field, /name required, /o/n type"; strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestIDsAreUniqueAndRise(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	one, two := openAt(t, uri, db), openAt(t, uri, db)
	insert(t, one, "c", bson.D{{Key: "_id", Value: int64(41)}})
	var mu sync.Mutex
	var all []int64
	var group sync.WaitGroup
	for i := range 64 {
		s, n := []*store.Store{one, two}[i%2], i%3+1
		group.Go(func() {
			last := int64(41)
			for range 10 {
				first, err := s.NextIDs(context.Background(), "c", n)
				if err != nil || first <= last {
					t.Errorf("%d after %d: %v", first, last, err)
					return
				}
				last = first + int64(n) - 1
				mu.Lock()
				for id := first; id <= last; id++ {
					all = append(all, id)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	given := len(all)
	slices.Sort(all)
	if len(slices.Compact(all)) != given || all[0] != 42 {
		t.Errorf("%d ids, from %d, of which some came twice", given, all[0])
	}
	if err := one.RaiseSequence(t.Context(), "c", 1_000_000); err != nil {
		t.Fatal(err)
	}
	if err := one.RaiseSequence(t.Context(), "c", 5); err != nil {
		t.Fatal(err)
	}
	if id, err := two.NextID(t.Context(), "c"); id != 1_000_001 || err != nil {
		t.Errorf("after a raise: %d, %v", id, err)
	}
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	s := open(t)
	insert(t, s, "c", bson.D{{Key: "_id", Value: int64(0)}, {Key: "version", Value: int64(1)}})
	refused := errors.New("refused")
	err := s.InTransaction(t.Context(), func(ctx context.Context) error {
		if err := s.Insert(ctx, "c", raw(t, bson.D{{Key: "_id", Value: int64(1)}})); err != nil {
			return err
		}
		if _, err := s.Get(ctx, "c", value(t, int64(1)), nil); err != nil {
			t.Errorf("the transaction does not see its own write: %v", err)
		}
		if _, err := s.Get(context.Background(), "c", value(t, int64(1)), nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("others see what is not committed: %v", err)
		}
		return refused
	})
	if err != refused {
		t.Errorf("got %v, want the function's own error", err)
	}
	if _, err := s.Get(t.Context(), "c", value(t, int64(1)), nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("rolled back, and yet: %v", err)
	}
	// A failure that the function hides still undoes all.
	err = s.InTransaction(t.Context(), func(ctx context.Context) error {
		_ = s.Insert(ctx, "c", raw(t, bson.D{{Key: "_id", Value: int64(2)}}))
		_ = s.Insert(ctx, "c", raw(t, bson.D{{Key: "_id", Value: int64(0)}}))
		return nil
	})
	if !fault.Is(err, fault.DuplicateKey) {
		t.Errorf("a hidden failure: %v", err)
	}
	if _, err := s.Get(t.Context(), "c", value(t, int64(2)), nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a hidden failure left: %v", err)
	}
}

func TestConflictingTransactionsAreAllCarriedOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	insert(t, s, "c", bson.D{{Key: "_id", Value: int64(0)}, {Key: "version", Value: int64(1)}})
	const clients = 12
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			err := s.InTransaction(context.Background(), func(ctx context.Context) error {
				doc, err := s.Get(ctx, "c", value(t, int64(0)), nil)
				if err != nil {
					return err
				}
				version, _ := doc.Lookup("version").AsInt64OK()
				done, err := s.Replace(ctx, "c", value(t, int64(0)), version, nil, raw(t, bson.D{{Key: "_id", Value: int64(0)}, {Key: "version", Value: version + 1}}))
				if err == nil && !done {
					t.Error("a snapshot changed under its transaction")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	doc, err := s.Get(t.Context(), "c", value(t, int64(0)), nil)
	if version, _ := doc.Lookup("version").AsInt64OK(); version != clients+1 || err != nil {
		t.Errorf("version %d, want %d: %v", version, clients+1, err)
	}
}

func TestATransactionOfAClientThatHungUpIsUndone(t *testing.T) {
	t.Parallel()
	s := open(t)
	insert(t, s, "c", bson.D{{Key: "_id", Value: int64(0)}})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.InTransaction(ctx, func(ctx context.Context) error {
		cancel()
		return s.Insert(ctx, "c", raw(t, bson.D{{Key: "_id", Value: int64(1)}}))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Get(t.Context(), "c", value(t, int64(1)), nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("stored all the same: %v", err)
	}
}

func TestOpenSaysWhatIsWrongAndNoSecret(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"mongodb://u:hunter2@127.0.0.1:1/?replicaSet=x":    "database-unavailable",
		"mongodb://u:hunter2@127.0.0.1:1/?maxPoolSize=few": "not valid",
		"mongodb://u:hun%ter2@127.0.0.1:1":                 "not valid",
		"http://hunter2@127.0.0.1":                         "not valid",
	} {
		_, err := store.Open(t.Context(), store.Options{URI: uri, Database: "x", SelectTimeout: 300 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestAnOperationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := s.Get(ctx, "c", value(t, int64(1)), nil); !fault.Is(err, fault.Timeout) {
		t.Errorf("Get: %v", err)
	}
	if err := s.Insert(ctx, "c", raw(t, bson.D{{Key: "_id", Value: 1}})); !fault.Is(err, fault.Timeout) {
		t.Errorf("Insert: %v", err)
	}
	canceled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Get(canceled, "c", value(t, int64(1)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Get for nobody: %v", err)
	}
}
