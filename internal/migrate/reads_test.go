package migrate

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// TestAPlanOnlyReads holds that a plan with steps and findings of all kinds sends no
// command that needs the right to write.
func TestAPlanOnlyReads(t *testing.T) {
	uri, database := testkit.Mongo(t)
	s := opened(t, uri, database)
	before := modelOf(t, "collection: c\nid: int\nfields: {a: {type: int}, b: {type: int}}\n", "collection: gone\nfields: {a: {type: int}}\n")
	structural(t, s, Diff(before, inspected(t, s)))
	if err := s.RecordModel(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	now := bson.DateTime(0)
	for id := range int64(2) {
		mustInsert(t, s, "c", numbered(id, bson.E{Key: "a", Value: int64(1)}, bson.E{Key: "version", Value: int64(1)}, bson.E{Key: "createdAt", Value: now}, bson.E{Key: "updatedAt", Value: now}))
	}
	var mu sync.Mutex
	commands := map[string]int{}
	watched, err := openAt(t.Context(), uri, database, observe.New(observe.Subscriber{Command: func(_ context.Context, c observe.Command) {
		mu.Lock()
		defer mu.Unlock()
		commands[c.Name]++
	}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watched.Close(context.Background()) }()
	after := modelOf(t, "collection: c\nid: int\nfields: {a: {type: int, unique: true}, d: {type: int, required: true}}\n", "collection: new\nfields: {a: {type: int}}\n")
	steps := Diff(after, inspected(t, watched))
	findings, err := Find(t.Context(), watched, steps)
	if err != nil || len(findings) != 2 || len(steps) < 7 {
		t.Fatalf("%v, %v, %v", err, titles(steps), findings)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		if !slices.Contains([]string{"hello", "listCollections", "listIndexes", "find", "aggregate", "endSessions"}, name) {
			t.Errorf("a plan sends %s", name)
		}
	}
	if commands["listCollections"] != 1 || commands["listIndexes"] != 2 {
		t.Errorf("the commands are %v", commands)
	}
}
