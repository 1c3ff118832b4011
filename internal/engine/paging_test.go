package engine_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// paged is a collection whose documents others have stored: nothing of them is
// as its schema says.
type paged struct {
	t      *testing.T
	engine *engine.Engine
	model  *schema.Collection
	raw    *mongo.Collection
	rand   *rand.Rand
}

func startPaged(t *testing.T, fields string) *paged {
	t.Helper()
	model, err := schema.Load(fstest.MapFS{"things.yaml": {Data: []byte("collection: things\nid: int\n" + fields)}})
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close(context.Background())
		_ = client.Disconnect(context.Background())
	})
	e := engine.New(s, model)
	provision(t, e, s)
	off := bson.D{{Key: "collMod", Value: "things"}, {Key: "validationLevel", Value: "off"}}
	if err := client.Database(db).RunCommand(t.Context(), off).Err(); err != nil {
		t.Fatal(err)
	}
	c, _ := model.Lookup("things")
	return &paged{t: t, engine: e, model: c, raw: client.Database(db).Collection("things"), rand: rand.New(rand.NewPCG(1, 2))}
}

// page returns the ids of a page, and its cursors.
func (p *paged) page(params string) (ids []int64, page query.Page) {
	p.t.Helper()
	values, err := url.ParseQuery(params)
	if err != nil {
		p.t.Fatal(err)
	}
	plan, err := query.Parse(values, query.Limits{DefaultLimit: 20, MaxLimit: 1000}).Plan(p.model)
	if err != nil {
		p.t.Fatalf("%s: %v", params, err)
	}
	if page, err = p.engine.List(p.t.Context(), plan); err != nil {
		p.t.Fatalf("%s: %v", params, err)
	}
	for _, doc := range page.Documents {
		ids = append(ids, doc.Lookup("_id").AsInt64())
	}
	return ids, page
}

// walk goes through all pages in one direction, with something in between.
func (p *paged) walk(params, direction, cursor string, between func()) (ids []int64, last string) {
	p.t.Helper()
	for {
		at := params + "&limit=" + fmt.Sprint(1+p.rand.IntN(6))
		if cursor != "" {
			at += "&" + direction + "=" + cursor
		}
		some, page := p.page(at)
		next := page.Next
		if direction == "before" {
			slices.Reverse(some)
			next = page.Prev
		}
		if ids = append(ids, some...); next == "" {
			return ids, cursor
		}
		cursor = next
		between()
	}
}

// value is one of a few, so that many are equal.
func (p *paged) value() any {
	decimal, _ := bson.ParseDecimal128("1.5")
	values := []any{
		nil, nil, int64(1), int32(1), 1.0, 1.5, decimal, int64(math.MaxInt64), math.NaN(), math.Inf(-1), "", "a", "b", "é",
		true, false, bson.DateTime(0), bson.DateTime(-5), bson.ObjectID{1}, bson.Binary{Subtype: 4, Data: make([]byte, 16)},
	}
	return values[p.rand.IntN(len(values))]
}

func (p *paged) document(id int64) bson.D {
	doc := bson.D{{Key: "_id", Value: id}}
	for _, name := range []string{"a", "b", "c"} {
		if p.rand.IntN(4) > 0 {
			doc = append(doc, bson.E{Key: name, Value: p.value()})
		}
	}
	if p.rand.IntN(2) > 0 {
		doc = append(doc, bson.E{Key: "d", Value: bson.D{{Key: "e", Value: p.value()}}})
	}
	return doc
}

// refill stores new documents with even ids, in no order.
func (p *paged) refill(n int) {
	p.t.Helper()
	if _, err := p.raw.DeleteMany(p.t.Context(), bson.D{}); err != nil {
		p.t.Fatal(err)
	}
	var docs []any
	for _, i := range p.rand.Perm(n) {
		docs = append(docs, p.document(int64(2*i)))
	}
	if _, err := p.raw.InsertMany(p.t.Context(), docs); err != nil {
		p.t.Fatal(err)
	}
}

// order is a random sort.
func (p *paged) order() string {
	names := []string{"a", "b", "c", "d.e", "id"}
	p.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:p.rand.IntN(4)]
	for i := range names {
		names[i] = []string{"", "-"}[p.rand.IntN(2)] + names[i]
	}
	if len(names) == 0 {
		return "explain=false"
	}
	return "sort=" + strings.Join(names, ",")
}

const anyOrder = `
fields:
  a: {type: int}
  b: {type: string}
  c: {type: double, nullable: true}
  d: {type: object, fields: {e: {type: date}}}
indexes:
  - {keys: [a, -b]}
  - {keys: [-c]}
  - {keys: [b, a, -d.e]}
`

// TestPagesHoldEveryDocumentOnce walks lists in both directions, over documents
// with nulls, missing fields, equal keys and mixed types.
func TestPagesHoldEveryDocumentOnce(t *testing.T) {
	t.Parallel()
	p := startPaged(t, anyOrder)
	for range 25 {
		p.refill(40)
		params := p.order()
		if p.rand.IntN(3) == 0 {
			params += "&a[ne]=1"
		}
		want, _ := p.page(params + "&limit=1000")
		got, last := p.walk(params, "after", "", func() {})
		if !slices.Equal(got, want) {
			t.Fatalf("%s: pages %v, one page %v", params, got, want)
		}
		if last == "" {
			continue
		}
		// The last page and those before it, from its own cursor back.
		_, page := p.page(params + "&after=" + last)
		back, _ := p.walk(params, "before", page.Prev, func() {})
		slices.Reverse(back)
		if !slices.Equal(back, want[:len(back)]) || len(back) < len(want)-6 {
			t.Fatalf("%s: back %v, want %v", params, back, want)
		}
	}
}

// TestPagesHoldWhatStays inserts and deletes between the pages.
func TestPagesHoldWhatStays(t *testing.T) {
	t.Parallel()
	p := startPaged(t, anyOrder)
	for range 20 {
		p.refill(40)
		params, added, gone := p.order(), int64(1), map[int64]bool{}
		between := func() {
			for range p.rand.IntN(3) {
				if _, err := p.raw.InsertOne(t.Context(), p.document(added)); err != nil {
					t.Fatal(err)
				}
				added += 2
			}
			id := 2 * p.rand.Int64N(40)
			if _, err := p.raw.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
				t.Fatal(err)
			}
			gone[id] = true
		}
		seen, last := p.walk(params, "after", "", between)
		p.holds(params, seen, gone)
		if last == "" {
			continue
		}
		// Back from beyond the last document: all that stays comes again, but for
		// those of the last page.
		end, page := p.page(params + "&after=" + last)
		for _, id := range end {
			gone[id] = true
		}
		for id := int64(0); id < 80; id += 2 {
			if !slices.Contains(seen, id) {
				gone[id] = true
			}
		}
		if page.Prev != "" {
			back, _ := p.walk(params, "before", page.Prev, between)
			p.holds(params+" before", back, gone)
		}
	}
}

// holds tells of documents that were given twice, or that stayed and were not
// given.
func (p *paged) holds(params string, seen []int64, gone map[int64]bool) {
	p.t.Helper()
	times := map[int64]int{}
	for _, id := range seen {
		if times[id]++; times[id] > 1 {
			p.t.Fatalf("%s: %d comes twice in %v", params, id, seen)
		}
	}
	for id := int64(0); id < 80; id += 2 {
		if times[id] == 0 && !gone[id] {
			p.t.Fatalf("%s: %d was left out of %v; gone are %v", params, id, seen, gone)
		}
	}
}

// TestPagesCostTheSame holds that the thousandth page looks at no more than the
// first, in both directions.
func TestPagesCostTheSame(t *testing.T) {
	t.Parallel()
	p := startPaged(t, `
fields:
  a: {type: int}
  b: {type: string}
  c: {type: double, required: true, unique: true}
indexes:
  - {keys: [a]}
  - {keys: [b, -a]}
`)
	var docs []any
	for i := range 10_100 {
		docs = append(docs, bson.D{{Key: "_id", Value: int64(i)}, {Key: "a", Value: int64(i / 25)}, {Key: "b", Value: []string{"x", "y"}[i%2]}, {Key: "c", Value: float64(-i)}})
	}
	if _, err := p.raw.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	for _, params := range []string{"", "sort=a", "sort=-a", "sort=b,-a", "b=x&sort=-a", "b=x&sort=a", "sort=c", "sort=-c&b=x"} {
		cursor, direction := "", "after"
		for range 5 { // a cursor does not depend on the limit
			_, page := p.page(params + "&limit=999" + cursor)
			cursor = "&after=" + page.Next
		}
		params += "&limit=5"
		for range 2 {
			values, _ := url.ParseQuery(params + cursor)
			plan, err := query.Parse(values, query.Limits{MaxLimit: 1000}).Plan(p.model)
			if err != nil {
				t.Fatal(err)
			}
			x, err := p.engine.Explain(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			// One key of each range is looked at to merge them, and b=x leaves out
			// each other document of an index without b.
			if x.Returned != 6 || x.KeysExamined > 2*6+3 || slices.Contains(x.Stages, "SORT") {
				t.Errorf("%s %s: %d keys for %d documents by %v", params, direction, x.KeysExamined, x.Returned, x.Stages)
			}
			_, page := p.page(params + cursor)
			cursor, direction = "&before="+page.Prev, "before"
		}
	}
}

// TestServedListsCostWhatTheyReturn holds the rules of query.Unserved against
// what MongoDB does: a list in an order that they take for served is neither
// sorted in memory nor searched.
func TestServedListsCostWhatTheyReturn(t *testing.T) {
	t.Parallel()
	p := startPaged(t, `
fields:
  a: {type: int}
  b: {type: string}
  c: {type: string, required: true, unique: true}
  d: {type: array, items: {type: string}}
indexes:
  - {keys: [a, -b]}
  - {keys: [-b]}
  - {keys: [d, b]}
  - {keys: [c], where: {a: 3}}
`)
	var docs []any
	for i := range 2000 {
		docs = append(docs, bson.D{
			{Key: "_id", Value: int64(i)}, {Key: "a", Value: int64(i % 20)}, {Key: "b", Value: fmt.Sprint(i * 7919 % 1000)}, {Key: "c", Value: fmt.Sprint(i)},
			{Key: "d", Value: bson.A{fmt.Sprint(i % 3), fmt.Sprint(i % 5)}},
		})
	}
	if _, err := p.raw.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	for _, params := range []string{
		"", "sort=-id", "a=3&sort=b", "a=3&sort=-b", "sort=a,-b", "sort=-a,b", "sort=b", "a[in]=3,4&sort=-b", "c=77", "c=77&sort=b", "sort=-c",
		"d=2&sort=b", "d=2&sort=-b,-id", "a=3&sort=c", "a[ne]=3&sort=-b", "b[ne]=5", `filter={"$or": [{"a": 3}, {"d": "2"}]}&sort=-b`,
	} {
		values, _ := url.ParseQuery(params)
		plan, err := query.Parse(values, query.Limits{DefaultLimit: 20}).Plan(p.model)
		if err != nil {
			t.Fatal(err)
		}
		if u := plan.Unserved(); u != nil {
			t.Errorf("%s: is not served, but by %s", params, u.Index)
		}
		x, err := p.engine.Explain(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		if x.KeysExamined > 2*x.Returned+5 || x.Returned > 1 && slices.Contains(x.Stages, "SORT") || slices.Contains(x.Stages, "COLLSCAN") {
			t.Errorf("%s: %d keys and %d documents for %d by %v of %s", params, x.KeysExamined, x.DocumentsExamined, x.Returned, x.Stages, x.Index)
		}
	}
}
