package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// commands counts the commands of a store by their names.
type commands struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *commands) observer() *observe.Observer {
	return observe.New(observe.Subscriber{Command: func(_ context.Context, command observe.Command) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[command.Name]++
	}})
}

// take returns the commands since it was called last, as "1 find, 1 insert".
func (c *commands) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.counts)) {
		list = append(list, fmt.Sprintf("%d %s", c.counts[name], name))
	}
	c.counts = map[string]int{}
	return strings.Join(list, ", ")
}

// observed returns an engine on a database of its own, whose commands are
// counted from now on.
func observed(t *testing.T, model *schema.Model) (*engine.Engine, *commands) {
	t.Helper()
	uri, db := testkit.Mongo(t)
	counted := &commands{counts: map[string]int{}}
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: counted.observer()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	e := engine.New(s, model)
	provision(t, e, s)
	return e, counted
}

// What references cost: docs/architecture.md tells the same numbers.
func TestCommandsOfReferences(t *testing.T) {
	t.Parallel()
	model := family(t)
	e, c := observed(t, model)
	parents, _ := model.Lookup("parents")
	children, _ := model.Lookup("children")
	c.take()
	many := make([]engine.Write, 100)
	for i := range many {
		many[i] = create(children, fmt.Sprintf("/%d", i), fmt.Sprintf(`{"strict":%d,"loose":[1,2]}`, 1+i%3))
	}
	var child bson.RawValue
	for _, step := range []struct {
		name, want string
		write      []engine.Write
	}{
		{"a parent", "1 insert", []engine.Write{create(parents, "", `{"id":1}`)}},
		{"parents", "1 commitTransaction, 1 insert", []engine.Write{create(parents, "/0", `{"id":2}`), create(parents, "/1", `{"id":3}`), create(parents, "/2", `{"id":4}`)}},
		{"a child without a parent", "1 insert", []engine.Write{create(children, "", `{}`)}},
		{"a child", "1 commitTransaction, 1 find, 1 insert, 1 update", []engine.Write{create(children, "", `{"strict":1,"loose":[1,2]}`)}},
		{"children", "1 commitTransaction, 1 find, 1 insert, 1 update", many},
		{"a child with its parent", "1 commitTransaction, 2 insert", []engine.Write{create(children, "", `{"parent":{"create":{"id":9}}}`)}},
		{"a child of a parent by its id", "1 commitTransaction, 1 find, 1 insert, 1 update", []engine.Write{create(children, "", `{"parent":{"connect":{"id":1}}}`)}},
		{"a patch that leaves the parent", "1 find, 1 update", []engine.Write{{Verb: engine.Merge, Collection: children, Body: []byte(`{"strict":1}`)}}},
		{"a patch of the parent", "1 commitTransaction, 2 find, 2 update", []engine.Write{{Verb: engine.Merge, Collection: children, Body: []byte(`{"strict":2}`)}}},
		{"a delete of a child", "1 delete", []engine.Write{{Verb: engine.Delete, Collection: children}}},
		{"a delete of a parent without children", "1 commitTransaction, 1 delete, 3 find, 1 update", []engine.Write{{Verb: engine.Delete, Collection: parents, ID: bsonjson.IntValue(4)}}},
	} {
		for i := range step.write {
			if step.write[i].Verb != engine.Create && step.write[i].ID.IsZero() {
				step.write[i].ID = child
			}
		}
		results := apply(t, e, step.write...)
		if len(results) == 1 && results[0].Document != nil {
			child = results[0].Document.Lookup("_id")
		}
		if len(results) > 1 {
			child = results[0].Document.Lookup("_id")
		}
		if got := c.take(); got != step.want {
			t.Errorf("%s: %s; want %s", step.name, got, step.want)
		}
	}
}
