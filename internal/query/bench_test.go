package query_test

import (
	"net/url"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/query"
)

// BenchmarkPlan makes the command of a list: what a request costs before the
// database has it.
func BenchmarkPlan(b *testing.B) {
	c := collection(b, "  - {keys: [a]}\n")
	for name, text := range map[string]string{
		"params": "a[gte]=18&a[lt]=60&sort=c&limit=20",
		"filter": `filter={"a":{"$gte":18,"$lt":60}}&sort=c&limit=20`,
		"plain":  "limit=20",
	} {
		b.Run(name, func(b *testing.B) {
			escaped, err := url.ParseQuery(text)
			if err != nil {
				b.Fatal(err)
			}
			raw := escaped.Encode()
			b.ReportAllocs()
			for b.Loop() {
				values, err := url.ParseQuery(raw)
				if err != nil {
					b.Fatal(err)
				}
				plan, err := query.Parse(values, query.Limits{DefaultLimit: 20, MaxLimit: 1000}).Plan(c)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := bson.Marshal(plan.Filter(plan.Where)); err != nil {
					b.Fatal(err)
				}
				if _, err := bson.Marshal(plan.Sort()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
