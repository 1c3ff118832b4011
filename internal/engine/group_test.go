package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// Batches that come at the same time share transactions, and get the answers that
// they would get one by one: those that fail leave nothing, and do not keep the
// others.
func TestBatchesThatShareATransactionGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{
		"counters.yaml": &fstest.MapFile{Data: []byte("collection: counters\nid: int\nfields: {n: {type: int, max: 100000}}\n")},
		"records.yaml": &fstest.MapFile{Data: []byte("collection: records\nid: int\nfields:\n  code: {type: string, unique: true}\n" +
			"  counter: {type: ref, to: counters, required: true}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Timeout: time.Minute, RetryTime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	e := engine.New(s, model)
	provision(t, e, s)
	counters, _ := model.Lookup("counters")
	records, _ := model.Lookup("records")
	apply(t, e, create(counters, "", `{"id":0,"n":0}`))
	apply(t, e, create(counters, "", `{"id":1,"n":0}`))
	apply(t, e, create(records, "", `{"id":-1,"code":"taken","counter":0}`))
	apply(t, e, create(records, "", `{"id":-2,"code":"renamed","counter":0}`))

	const clients, rounds = 49, 12
	kinds := []struct {
		record  string
		require string
		// rename changes a unique value of one record, so that two of these batches
		// cannot share a transaction.
		rename  bool
		code    fault.Code
		pointer string
	}{
		{`{"id":%d,"code":"c%[1]d","counter":1}`, `{"n":{"$gte":0}}`, false, "", ""},
		{`{"id":%d,"code":"c%[1]d","counter":1}`, `{"n":{"$lt":0}}`, false, fault.RequirementFailed, "/operations/1/require"},
		{`{"id":%d,"code":"taken","counter":1}`, `{"n":{"$gte":0}}`, false, fault.DuplicateKey, "/operations/2/document/code"},
		{`{"id":%d,"code":"taken","counter":1}`, `{"n":{"$gte":0}}`, false, fault.DuplicateKey, "/operations/2/document/code"},
		{`{"id":%d,"code":"taken","counter":0}`, `{"n":{"$gte":0}}`, false, fault.DuplicateKey, "/operations/2/document/code"},
		{`{"id":%d,"code":"c%[1]d","counter":7}`, `{"n":{"$gte":0}}`, false, fault.ReferenceViolation, "/operations/2/document/counter"},
		{`{"id":%d,"code":"c%[1]d","counter":1}`, `{"n":{"$gte":0}}`, true, "", ""},
	}
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for round := range rounds {
				id := client*rounds + round
				kind := kinds[id%len(kinds)]
				place := func(i int, w engine.Write, part string) engine.Write {
					w.Place = fmt.Sprintf("/operations/%d", i)
					w.Pointer = w.Place + part
					return w
				}
				inc := func(counter int64) engine.Write {
					return engine.Write{Verb: engine.Update, Collection: counters, ID: bsonjson.IntValue(counter), Body: []byte(`{"$inc":{"n":1}}`)}
				}
				second := inc(1)
				second.Require = []byte(kind.require)
				writes := []engine.Write{place(0, inc(0), "/change"), place(1, second, "/change"),
					place(2, create(records, "", fmt.Sprintf(kind.record, id)), "/document")}
				if kind.rename {
					rename := engine.Write{Verb: engine.Merge, Collection: records, ID: bsonjson.IntValue(-2), Body: fmt.Appendf(nil, `{"code":"r%d"}`, id)}
					writes = append(writes, place(3, rename, "/change"))
				}
				_, err := e.Apply(t.Context(), writes...)
				items := fault.From(err)
				switch {
				case kind.code == "" && err != nil, kind.code != "" && !fault.Is(err, kind.code):
					t.Errorf("batch %d: %v", id, err)
				case kind.code != "" && (len(items.Items) != 1 || items.Items[0].Pointer != kind.pointer):
					t.Errorf("batch %d: %v", id, items.Items)
				}
			}
		})
	}
	group.Wait()
	good, renamed := int64(2*clients*rounds/len(kinds)), int64(clients*rounds/len(kinds))
	for id := range int64(2) {
		doc, err := e.Get(t.Context(), counters, bsonjson.IntValue(id), nil, engine.Precondition{})
		if err != nil || doc.Lookup("n").AsInt64() != good || engine.Version(doc) != good+1 {
			t.Errorf("counter %d is %v after %d batches: %v", id, doc, good, err)
		}
	}
	for id := range int64(clients * rounds) {
		_, err := e.Get(t.Context(), records, bsonjson.IntValue(id), nil, engine.Precondition{})
		if stored := err == nil; stored != (kinds[id%int64(len(kinds))].code == "") {
			t.Errorf("record %d stored: %v", id, stored)
		}
	}
	if doc, err := e.Get(t.Context(), records, bsonjson.IntValue(-2), nil, engine.Precondition{}); err != nil || engine.Version(doc) != renamed+1 {
		t.Errorf("the record that was renamed is %v after %d batches: %v", doc, renamed, err)
	}
}

// Batches that come at the same time take fewer commits than they are.
func TestBatchesShareCommits(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	observed := &commands{counts: map[string]int{}}
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: observed.observer()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	model, err := schema.Load(fstest.MapFS{"things.yaml": &fstest.MapFile{Data: []byte(things)}})
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(s, model)
	provision(t, e, s)
	c, _ := model.Lookup("things")
	apply(t, e, create(c, "", `{"id":"a","name":"a","n":0}`))
	apply(t, e, create(c, "", `{"id":"b","name":"b","n":0}`))
	observed.take()
	const clients, rounds = 32, 10
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range rounds {
				if _, err := e.Apply(t.Context(), on(engine.Update, c, "a", `{"$inc":{"n":-1}}`), on(engine.Update, c, "b", `{"$inc":{"n":1}}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	observed.mu.Lock()
	commits := observed.counts["commitTransaction"]
	observed.mu.Unlock()
	if commits >= clients*rounds {
		t.Errorf("%d batches took %d commits", clients*rounds, commits)
	}
	doc, err := e.Get(t.Context(), c, bsonjson.StringValue("b"), nil, engine.Precondition{})
	if err != nil || doc.Lookup("n").AsInt64() != clients*rounds {
		t.Errorf("b is %v: %v", doc, err)
	}
}
