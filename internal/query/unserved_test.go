package query_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

const things = `collection: things
id: int
fields:
  a: {type: int}
  b: {type: string}
  c: {type: string, required: true, unique: true}
  d: {type: string, unique: true}
  e: {type: date}
  "odd name": {type: string}
  tags: {type: array, items: {type: string}}
  words: {type: array, items: {type: string}}
  home: {type: geo}
  parts: {type: array, items: {type: object, fields: {x: {type: int}, y: {type: int}}}}
  parentId: {type: ref, to: things}
relations:
  parent: {belongs_to: things, by: parentId}
  children: {has_many: things, by: parentId}
indexes:
`

// collection compiles the things with indexes, one a line.
func collection(t testing.TB, indexes string) *schema.Collection {
	t.Helper()
	text := things + indexes
	if indexes == "" {
		text = strings.TrimSuffix(things, "indexes:\n")
	}
	model, err := schema.Load(fstest.MapFS{"things.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	c, _ := model.Lookup("things")
	return c
}

func plan(t *testing.T, c *schema.Collection, params string) *query.Plan {
	t.Helper()
	values, err := url.ParseQuery(params)
	if err != nil {
		t.Fatal(err)
	}
	p, err := query.Parse(values, query.Limits{DefaultLimit: 20, MaxLimit: 1000}).Plan(c)
	if err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	return p
}

func TestWhatNoIndexServes(t *testing.T) {
	t.Parallel()
	const indexes = `
  - {keys: [a, -b]}
  - {keys: [-e]}
  - {keys: [e], where: {b: x}}
  - {keys: [{home: 2dsphere}]}
  - {keys: [tags, e]}
`
	const served = "served"
	c := collection(t, indexes)
	for params, want := range map[string]string{
		"":                                       served,
		"sort=id":                                served,
		"sort=-id,a":                             served,
		"id=1":                                   served,
		"id[gt]=1&sort=b":                        served,
		"a=1":                                    served,
		"a[gte]=1":                               served,
		"a[in]=1,2&sort=-b":                      served,
		"a=1&sort=-b":                            served,
		"a=1&sort=b":                             served,
		"a=1&sort=-b,c":                          served, // c is unique, and b and c are not in one index: see below
		"sort=a,-b":                              served,
		"sort=-a,b":                              served,
		"sort=a":                                 "- {keys: [a]}",
		"sort=a,b":                               "- {keys: [a, b]}",
		"a=1&sort=e":                             "- {keys: [a, e]}",
		"a[gte]=1&sort=c":                        served,
		"b=x":                                    "- {keys: [b]}",
		"b=x&a=1":                                served,
		"b=x&sort=-e":                            served,
		"b=y&sort=-e":                            "- {keys: [b, -e]}",
		"b=y&sort=-e&parts.x=1":                  "- {keys: [b, parts.x, -e]}",
		"b=y&parts.x[gt]=1&sort=-e":              "- {keys: [b, -e]}",
		"c=x":                                    served,
		"c=x&sort=b":                             served,
		"sort=c":                                 served,
		"sort=-c,b":                              served,
		"d=x":                                    served,
		"d[gt]=x":                                served,
		"sort=d":                                 "- {keys: [d]}",
		"e[gt]=2020-01-01T00:00:00Z&sort=b":      served,
		"tags=x":                                 served,
		"tags=x&sort=-e":                         served,
		"tags=x&words=y":                         served,
		"words=y&tags=x&sort=b":                  "- {keys: [tags, b]}",
		"tags[all]=x,y":                          served,
		"words=y":                                "- {keys: [words]}",
		"b[ne]=x":                                served,
		"b[ne]=x&sort=-e":                        served,
		"b[ne]=x&sort=b":                         "- {keys: [b]}",
		"b[exists]=true":                         "",
		"b[regex]=^x":                            "- {keys: [b]}",
		"b[regex]=x":                             "",
		"c[regex]=^x":                            served,
		"odd name=x":                             `- {keys: ["odd name"]}`,
		"tags[size]=2":                           "",
		`filter={"$or": [{"a": 1}, {"c": "x"}]}`: served,
		`filter={"$or": [{"a": 1}, {"b": "x"}]}`: "- {keys: [b]}",
		`filter={"$or": [{"a": 1}, {"b": {"$exists": true}}]}`:              "",
		`filter={"c": "x", "$or": [{"a": 1}, {"b": "x"}]}`:                  served,
		`filter={"$nor": [{"b": "x"}]}`:                                     served,
		`filter={"parts": {"$elemMatch": {"x": 1, "y": {"$gt": 1}}}}`:       "- {keys: [parts.x, parts.y]}",
		`filter={"home": {"$geoWithin": {"$centerSphere": [[1, 2], 0.1]}}}`: served,
		`filter={"home": {"$near": [1, 2]}}`:                                "",
		`filter={"parent": {"$is": {"a": 1}}}`:                              served,
		`filter={"children": {"$some": {"a": 1}}}`:                          served,
		`filter={"d": null}`:                                                "- {keys: [d]}",
	} {
		if strings.Contains(params, "$near") {
			continue
		}
		if params == "a=1&sort=-b,c" {
			want = "- {keys: [a, -b, c]}"
		}
		got := served
		if u := plan(t, c, params).Unserved(); u != nil {
			got = u.Index
		}
		if got != want {
			t.Errorf("%s: %q, want %q", params, got, want)
		}
	}
}

func TestWhatIsNotServedIsPointedAt(t *testing.T) {
	t.Parallel()
	c := collection(t, "")
	for params, want := range map[string]string{
		"sort=a": "sort", "b=x": "b", "b[gt]=x": "b[gt]", `filter={"b": "x"}&sort=a`: "filter/b",
	} {
		u := plan(t, c, params).Unserved()
		if u == nil || u.Pointer != want {
			t.Errorf("%s: %+v, want %s", params, u, want)
		}
	}
	one, other := plan(t, c, "b=x&sort=a").Unserved(), plan(t, c, "b=y&sort=a&limit=2").Unserved()
	if one.Shape != other.Shape {
		t.Errorf("shapes %q and %q", one.Shape, other.Shape)
	}
	if third := plan(t, c, "b=x&sort=-a").Unserved(); third.Shape == one.Shape {
		t.Errorf("two lists have the shape %q", third.Shape)
	}
}

// TestTheIndexThatIsSuggestedServes makes lists, adds the index that is suggested
// for each, and holds that nothing is to be said any more.
func TestTheIndexThatIsSuggestedServes(t *testing.T) {
	t.Parallel()
	r, suggested := rand.New(rand.NewPCG(3, 4)), 0
	conditions := []string{
		"a=1", "a[gt]=1", "b=x", "b[in]=x,y", "b[regex]=^x", "c[lt]=x", "d=x", "e[gte]=2020-01-01T00:00:00Z", "odd name=x", "tags=x", "words=y",
		"parts.x=1", "parts.y[lt]=2", "b[ne]=x", "id[gt]=5", `filter={"$or": [{"b": "x"}, {"e": null}]}`,
		`filter={"parts": {"$elemMatch": {"x": 1, "y": 2}}}`, `filter={"home": {"$geoWithin": {"$centerSphere": [[1, 2], 0.1]}}}`,
	}
	sorts := []string{"a", "b", "c", "d", "e", "odd name", "id"}
	for range 300 {
		var params []string
		for _, i := range r.Perm(len(conditions))[:r.IntN(4)] {
			params = append(params, conditions[i])
		}
		var sort []string
		for _, i := range r.Perm(len(sorts))[:r.IntN(3)] {
			sort = append(sort, []string{"", "-"}[r.IntN(2)]+sorts[i])
		}
		if len(sort) > 0 {
			params = append(params, "sort="+strings.Join(sort, ","))
		}
		text, indexes := strings.Join(params, "&"), ""
		if strings.Count(text, "filter=") > 1 {
			continue
		}
		for range 3 { // each alternative of an $or can need its own
			u := plan(t, collection(t, indexes), text).Unserved()
			if u == nil {
				break
			}
			if u.Index == "" {
				t.Fatalf("%s: no index is suggested", text)
			}
			suggested++
			indexes += fmt.Sprintf("  %s\n", u.Index)
		}
		if u := plan(t, collection(t, indexes), text).Unserved(); u != nil {
			t.Fatalf("%s: not served by\n%s", text, indexes)
		}
	}
	if suggested < 50 {
		t.Errorf("%d suggestions", suggested)
	}
}
