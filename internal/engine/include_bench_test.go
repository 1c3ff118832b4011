package engine_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// BenchmarkInclude compares a page of 20 documents with the same and those that
// they belong to.
func BenchmarkInclude(b *testing.B) {
	model, err := schema.Load(fstest.MapFS{
		"people.yaml": {Data: []byte("collection: people\nid: int\nfields: {name: {type: string}, email: {type: string}}")},
		"posts.yaml": {Data: []byte("collection: posts\nid: int\nfields: {title: {type: string}, authorId: {type: ref, to: people}}\n" +
			"relations: {author: {belongs_to: people, by: authorId}}")},
	})
	if err != nil {
		b.Fatal(err)
	}
	uri, db := testkit.Mongo(b)
	s, err := store.Open(b.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	if _, err := migrate.Ready(b.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
		b.Fatal(err)
	}
	e := engine.New(s, model)
	people, _ := model.Lookup("people")
	posts, _ := model.Lookup("posts")
	var writes []engine.Write
	for id := range 500 {
		writes = append(writes, create(people, "", fmt.Sprintf(`{"id":%d,"name":"A name of some length","email":"somebody.%d@example.com"}`, id, id)))
	}
	for id := range 500 {
		writes = append(writes, create(posts, "", fmt.Sprintf(`{"id":%d,"title":"What one writes about","authorId":%d}`, id, id*7%500)))
	}
	if _, err := e.Apply(b.Context(), writes...); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // as requests have
	defer cancel()
	limits := query.Limits{DefaultLimit: 20, MaxLimit: 20, IncludeDepth: 1, IncludedDocuments: 10_000, IncludedBytes: 16 << 20}
	for _, include := range []string{"", "author"} {
		values := url.Values{}
		if include != "" {
			values.Set("include", include)
		}
		b.Run("include="+include, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan, err := query.Parse(values, limits).Plan(posts)
				if err != nil {
					b.Fatal(err)
				}
				if page, err := e.List(ctx, plan); err != nil || len(page.Documents) != 20 {
					b.Fatal(len(page.Documents), err)
				}
			}
		})
	}
}
