package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// counted returns an engine whose commands are counted.
func counted(t *testing.T) (*engine.Engine, *commands, *schema.Collection) {
	t.Helper()
	model, err := schema.Load(fstest.MapFS{"things.yaml": &fstest.MapFile{Data: []byte(things + "  m: {type: int, min: 0}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	e, c := observed(t, model)
	things, _ := model.Lookup("things")
	return e, c, things
}

// Changes that share a transaction get their own answers: what one of them does
// is seen by those after it, and one that is refused does not keep the others.
func TestChangesThatComeTogetherGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	e, _, c := counted(t)
	apply(t, e, create(c, "", `{"id":"hot","name":"a","m":0}`), create(c, "", `{"id":"taken","name":"b","code":"taken"}`))
	const clients = 160
	for i := range clients {
		apply(t, e, create(c, "", fmt.Sprintf(`{"id":"t%d","name":"a","m":1}`, i)))
	}
	var mu sync.Mutex
	versions := make(map[int64]bool)
	kinds := []struct {
		write func(id string) engine.Write
		code  fault.Code
	}{
		{func(string) engine.Write { return on(engine.Update, c, "hot", `{"$inc":{"m":1}}`) }, ""},
		{func(id string) engine.Write { return on(engine.Update, c, id, `{"$inc":{"m":-2}}`) }, fault.ValidationFailed},
		{func(id string) engine.Write { return on(engine.Merge, c, id, `{"name":"other"}`) }, ""},
		{func(id string) engine.Write { return on(engine.Merge, c, id, `{"code":"taken"}`) }, fault.DuplicateKey},
		{func(id string) engine.Write { return on(engine.Update, c, "no-"+id, `{"$inc":{"m":1}}`) }, fault.NotFound},
		{func(id string) engine.Write { return on(engine.Delete, c, id, "") }, ""},
		{func(id string) engine.Write {
			w := on(engine.Replace, c, id, `{"name":"again"}`)
			w.Precondition.Match = &engine.Versions{List: []int64{7}}
			return w
		}, fault.VersionConflict},
		{func(id string) engine.Write {
			return on(engine.JSONPatch, c, id, `[{"op":"test","path":"/m","value":1}]`)
		}, ""},
	}
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			kind, id := kinds[i%len(kinds)], fmt.Sprint("t", i)
			results, err := e.Apply(context.Background(), kind.write(id))
			if kind.code != "" && !fault.Is(err, kind.code) || kind.code == "" && err != nil {
				t.Errorf("%d: %v, want %q", i%len(kinds), err, kind.code)
				return
			}
			if i%len(kinds) == 0 {
				mu.Lock()
				defer mu.Unlock()
				if v := engine.Version(results[0].Document); versions[v] {
					t.Errorf("version %d was given twice", v)
				} else {
					versions[v] = true
				}
			}
		})
	}
	group.Wait()
	hot, err := e.Get(t.Context(), c, bsonjson.StringValue("hot"), nil, engine.Precondition{})
	if err != nil {
		t.Fatal(err)
	}
	if m := hot.Lookup("m").Int64(); m != clients/int64(len(kinds)) || engine.Version(hot) != m+1 {
		t.Errorf("%d increments and version %d, want %d: none may be lost", m, engine.Version(hot), clients/len(kinds))
	}
	for i := range clients {
		_, err := e.Get(t.Context(), c, bsonjson.StringValue(fmt.Sprint("t", i)), nil, engine.Precondition{})
		if gone := fault.Is(err, fault.NotFound); gone != (i%len(kinds) == 5) {
			t.Errorf("t%d: %v", i, err)
		}
	}
}

// Many changes of documents cost fewer commands than there are changes; one that
// is alone costs one.
func TestChangesShareTransactions(t *testing.T) {
	t.Parallel()
	e, commands, c := counted(t)
	const documents = 64
	for i := range documents {
		apply(t, e, create(c, "", fmt.Sprintf(`{"id":"t%d","name":"a","m":1}`, i)))
	}
	commands.take()
	apply(t, e, on(engine.Update, c, "t0", `{"$inc":{"m":1}}`))
	if got := commands.take(); got != "1 findAndModify" {
		t.Errorf("one change costs %s", got)
	}
	const each = 20
	var group sync.WaitGroup
	for i := range documents {
		group.Go(func() {
			for range each {
				if _, err := e.Apply(context.Background(), on(engine.Update, c, fmt.Sprint("t", i), `{"$inc":{"m":1}}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got := commands.take()
	var commits int
	for part := range strings.SplitSeq(got, ", ") {
		_, _ = fmt.Sscanf(part, "%d commitTransaction", &commits)
	}
	if commits == 0 || commits > documents*each/3 {
		t.Errorf("%d changes cost %s", documents*each, got)
	}
}

// A unique value that is taken is refused, though the next change of the same
// document would take it away again before MongoDB sees it.
func TestATakenValueIsRefusedAmongChangesOfTheSameDocument(t *testing.T) {
	t.Parallel()
	e, _, c := counted(t)
	apply(t, e, create(c, "", `{"id":"hot","name":"a"}`), create(c, "", `{"id":"other","name":"b","code":"taken"}`))
	const clients, each = 24, 5
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			for n := range each {
				write, code := on(engine.Merge, c, "hot", fmt.Sprintf(`{"code":"free-%d-%d"}`, i, n)), fault.Code("")
				if i%2 == 0 {
					write, code = on(engine.Merge, c, "hot", `{"code":"taken"}`), fault.DuplicateKey
				}
				if _, err := e.Apply(context.Background(), write); code == "" && err != nil || code != "" && !fault.Is(err, code) {
					t.Errorf("%s: %v, want %q", write.Body, err, code)
				}
			}
		})
	}
	group.Wait()
}
