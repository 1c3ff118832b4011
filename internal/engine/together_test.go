package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Creates that share a transaction get their own answers: one that is refused
// does not keep the others.
func TestCreatesWithReferencesGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{
		"people.yaml": {Data: []byte("collection: people\nid: int\nfields:\n  bossId: {type: ref, to: people}\n  name: {type: string, unique: true}")},
	})
	if err != nil {
		t.Fatal(err)
	}
	both, db := instances(t, model, 1)
	people, _ := model.Lookup("people")
	apply(t, both[0], create(people, "", `{"id":0,"name":"taken"}`))
	const clients = 120
	kinds := []struct {
		body    string
		code    fault.Code
		pointer string
	}{
		{`{"id":%d,"bossId":0,"name":"n%[1]d"}`, "", ""},
		{`{"id":%d,"bossId":-1}`, fault.ReferenceViolation, "/bossId"},
		{`{"id":%d,"bossId":%[1]d}`, "", ""}, // its own boss
		{`{"id":%d,"bossId":0,"name":"taken"}`, fault.DuplicateKey, "/name"},
	}
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			kind := kinds[i%len(kinds)]
			write := create(people, "", fmt.Sprintf(kind.body, i+1))
			results, err := both[0].Apply(context.Background(), write)
			switch items := fault.From(err); {
			case kind.code == "" && (err != nil || results[0].Document.Lookup("_id").Int64() != int64(i+1)):
				t.Errorf("%s: %v", write.Body, err)
			case kind.code != "" && (!fault.Is(err, kind.code) || len(items.Items) != 1 || items.Items[0].Pointer != kind.pointer):
				t.Errorf("%s: %v, want %s at %s", write.Body, err, kind.code, kind.pointer)
			}
		})
	}
	group.Wait()
	stored := 0
	each(t, db, "people", func(bson.Raw) { stored++ })
	if want := 1 + clients/2; stored != want {
		t.Errorf("%d are stored, want %d", stored, want)
	}
}
