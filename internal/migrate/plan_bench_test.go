package migrate

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// BenchmarkPlan compares 200 collections, each with four indexes, with a model: one
// that they are as, and one that wants a field and an index more of each.
func BenchmarkPlan(b *testing.B) {
	const count = 200
	uri, database := testkit.Mongo(b)
	s, err := store.Open(b.Context(), store.Options{URI: uri, Database: database})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	load := func(more string) *schema.Model {
		files := fstest.MapFS{}
		for i := range count {
			files[fmt.Sprintf("c%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "collection: c%d\nfields:\n  a: {type: int, required: true}\n  b: {type: string, unique: true}\n  c: {type: date}\n  d: {type: array, items: {type: string}}\n%s  - {keys: [a]}\n  - {keys: [c, a]}\n  - {keys: [d]}\n", i, more)}
		}
		model, err := schema.Load(files)
		if err != nil {
			b.Fatal(err)
		}
		return model
	}
	same, more := load("indexes:\n"), load("  e: {type: int, required: true, default: 1}\nindexes:\n  - {keys: [e]}\n")
	if err := Apply(b.Context(), Options{Store: s, Who: "bench"}, Diff(same, &Database{})); err != nil {
		b.Fatal(err)
	}
	for name, model := range map[string]*schema.Model{"same": same, "more": more} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				db, err := Inspect(b.Context(), s)
				if err != nil {
					b.Fatal(err)
				}
				steps := Diff(model, db)
				if _, err := Find(b.Context(), s, steps); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
