package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"

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
	observed := &commands{counts: map[string]int{}}
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: observed.observer()})
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

	const clients, rounds = 24, 12
	kinds := []struct {
		record  string
		require string
		code    fault.Code
		pointer string
	}{
		{`{"id":%d,"code":"c%[1]d","counter":1}`, `{"n":{"$gte":0}}`, "", ""},
		{`{"id":%d,"code":"c%[1]d","counter":1}`, `{"n":{"$lt":0}}`, fault.RequirementFailed, "/operations/1/require"},
		{`{"id":%d,"code":"taken","counter":1}`, `{"n":{"$gte":0}}`, fault.DuplicateKey, "/operations/2/document/code"},
		{`{"id":%d,"code":"c%[1]d","counter":7}`, `{"n":{"$gte":0}}`, fault.ReferenceViolation, "/operations/2/document/counter"},
	}
	observed.take()
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
				_, err := e.Apply(t.Context(), place(0, inc(0), "/change"), place(1, second, "/change"),
					place(2, create(records, "", fmt.Sprintf(kind.record, id)), "/document"))
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
	observed.mu.Lock()
	commits := int64(observed.counts["commitTransaction"])
	observed.mu.Unlock()
	good := int64(clients * rounds / len(kinds))
	if commits >= good {
		t.Errorf("%d batches took %d commits, as if they shared none", good, commits)
	}
	for id := range int64(2) {
		doc, err := e.Get(t.Context(), counters, bsonjson.IntValue(id), engine.Precondition{})
		if err != nil || doc.Lookup("n").AsInt64() != good || engine.Version(doc) != good+1 {
			t.Errorf("counter %d is %v after %d batches: %v", id, doc, good, err)
		}
	}
	for id := range int64(clients * rounds) {
		_, err := e.Get(t.Context(), records, bsonjson.IntValue(id), engine.Precondition{})
		if stored := err == nil; stored != (id%int64(len(kinds)) == 0) {
			t.Errorf("record %d stored: %v", id, stored)
		}
	}
}
