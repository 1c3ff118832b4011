package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/observe"
)

// people have fields of every kind that a list is about.
const people = `
collection: people
id: int
fields:
  name: {type: string, required: true}
  email: {type: string, required: true, unique: true}
  age: {type: int}
  born: {type: date}
  rank: {type: double, nullable: true}
  bio: {type: string}
  tags: {type: array, items: {type: string}}
  home: {type: geo}
  extra: {type: any}
  address:
    type: object
    fields: {city: {type: string}, zip: {type: string}}
  items:
    type: array
    items: {type: object, fields: {sku: {type: string}, n: {type: int}}}
indexes:
  - {keys: [age]}
  - {keys: [name, -born]}
  - {keys: [{home: 2dsphere}]}
`

func startPeople(t *testing.T) *service {
	t.Helper()
	return start(t, load(t, fstest.MapFS{"people.yaml": {Data: []byte(people)}}))
}

// withPeople serves five people.
func withPeople(t *testing.T) *service {
	t.Helper()
	s := startPeople(t)
	s.do("POST", "/v1/people", `[
		{"id": 1, "name": "Ada", "email": "ada@x", "age": 36, "born": "1815-12-10T00:00:00Z", "rank": 1.5, "tags": ["a", "b"], "address": {"city": "London", "zip": "W1"}},
		{"id": 2, "name": "Bob", "email": "bob@x", "age": 17, "rank": null, "bio": "long", "tags": ["b"], "items": [{"sku": "x", "n": 1}, {"sku": "y", "n": 2}]},
		{"id": 3, "name": "Cyd", "email": "cyd@x", "age": 36, "born": "1950-01-01T00:00:00Z", "rank": 0.5, "home": {"type": "Point", "coordinates": [1, 2]}},
		{"id": 4, "name": "Dan", "email": "dan@x", "address": {"city": "Paris"}},
		{"id": 5, "name": "Ada", "email": "eve@x", "age": 70, "rank": 2, "extra": {"x": [1]}}]`).is(201)
	return s
}

// list is a page as tests look at it.
type list struct {
	Data []struct{ ID int }
	Page struct {
		Next, Prev string
		Total      *int
	}
}

// ids are the documents of a page, "1 2 3".
func (l list) ids() string {
	texts := make([]string, len(l.Data))
	for i, doc := range l.Data {
		texts[i] = fmt.Sprint(doc.ID)
	}
	return strings.Join(texts, " ")
}

func (a answer) list() list {
	a.t.Helper()
	a.is(200)
	var l list
	if err := json.Unmarshal(a.body, &l); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return l
}

// both asks for a list by parameters and by a body, and holds that the answers
// are the same.
func (s *service) both(params map[string]string, body string) answer {
	s.t.Helper()
	values := url.Values{}
	for name, value := range params {
		values.Set(name, value)
	}
	get := s.do("GET", "/v1/people?"+values.Encode(), "").is(200)
	post := s.do("POST", "/v1/people/_query", body).is(200)
	if took := regexp.MustCompile(`"milliseconds":[0-9]+`); took.ReplaceAllString(string(get.body), "") != took.ReplaceAllString(string(post.body), "") {
		s.t.Errorf("GET ?%s and _query %s differ:\n%s\n%s", values.Encode(), body, get.body, post.body)
	}
	return get
}

func TestListsByParametersAndByBody(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	tests := []struct {
		params map[string]string
		body   string
		want   string
	}{
		{nil, ``, "1 2 3 4 5"},
		{nil, `{}`, "1 2 3 4 5"},
		{map[string]string{"filter": `{"age": {"$gte": 18}}`}, `{"filter": {"age": {"$gte": 18}}}`, "1 3 5"},
		{map[string]string{"age[gte]": "18", "name": "Ada"}, `{"filter": {"age": {"$gte": 18}, "name": "Ada"}}`, "1 5"},
		{map[string]string{"filter": `{"name": "Ada"}`, "age[lt]": "50"}, `{"filter": {"age": {"$lt": 50}, "name": "Ada"}}`, "1"},
		{map[string]string{"tags": "b"}, `{"filter": {"tags": "b"}}`, "1 2"},
		{map[string]string{"address.city": "Paris"}, `{"filter": {"address.city": "Paris"}}`, "4"},
		{map[string]string{"items.sku": "y"}, `{"filter": {"items": {"$elemMatch": {"sku": "y"}}}}`, "2"},
		{map[string]string{"born[gte]": "1900-01-01T00:00:00Z"}, `{"filter": {"born": {"$gte": "1900-01-01T00:00:00Z"}}}`, "3"},
		{map[string]string{"id[in]": "2,4"}, `{"filter": {"id": {"$in": [2, 4]}}}`, "2 4"},
		{map[string]string{"sort": "-name"}, `{"sort": "-name"}`, "4 3 2 5 1"},
		{map[string]string{"sort": "name,-age"}, `{"sort": ["name", "-age"]}`, "5 1 2 3 4"},
		{map[string]string{"sort": "rank"}, `{"sort": "rank"}`, "2 4 3 1 5"},
		{map[string]string{"sort": "-rank"}, `{"sort": "-rank"}`, "5 1 3 4 2"},
		{map[string]string{"sort": "address.city"}, `{"sort": ["address.city"]}`, "2 3 5 1 4"},
		{map[string]string{"sort": "-id", "limit": "2"}, `{"sort": "-id", "limit": 2}`, "5 4"},
		{map[string]string{"filter": `{"home": {"$geoWithin": {"$centerSphere": [[1, 2], 0.1]}}}`}, `{"filter": {"home": {"$geoWithin": {"$centerSphere": [[1, 2], 0.1]}}}}`, "3"},
		{map[string]string{"filter": `{"name": "Nobody"}`}, `{"filter": {"name": "Nobody"}}`, ""},
	}
	for _, test := range tests {
		if got := s.both(test.params, test.body).list().ids(); got != test.want {
			t.Errorf("%v: %q, want %q", test.params, got, test.want)
		}
	}
}

func TestListSelects(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	tests := []struct{ text, body, want string }{
		{"name", `"name"`, `{"id":1,"name":"Ada"}`},
		{"name, address.city", `["name", "address.city"]`, `{"id":1,"name":"Ada","address":{"city":"London"}}`},
		{"id", `["id"]`, `{"id":1}`},
		{"name,version,id", `["name", "version", "id"]`, `{"id":1,"name":"Ada","version":1}`},
		{"-createdAt,-updatedAt,-born,-tags,-address.zip", `["-createdAt", "-updatedAt", "-born", "-tags", "-address.zip"]`,
			`{"id":1,"name":"Ada","email":"ada@x","age":36,"rank":1.5,"address":{"city":"London"},"version":1}`},
	}
	for _, test := range tests {
		s.both(map[string]string{"select": test.text, "limit": "1"}, `{"select": `+test.body+`, "limit": 1}`).has(`{"data":[` + test.want + `],"page"`)
	}
	s.do("GET", "/v1/people?select=items.sku&id=2", "").has(`{"data":[{"id":2,"items":[{"sku":"x"},{"sku":"y"}]}],`)
	s.do("GET", "/v1/people?select=-items.sku,-bio,-tags,-createdAt,-updatedAt&id=2", "").has(`"items":[{"n":1},{"n":2}]`)
}

// What the cursor needs and the client does not is fetched, and not shown.
func TestListSelectsWithoutWhatItSortsBy(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	for query, want := range map[string]string{
		"select=email&sort=name,born":           `{"id":5,"email":"eve@x"}`,
		"select=address.zip&sort=-age,name":     `{"id":5}`,
		"select=address.zip&sort=-address.city": `{"id":4,"address":{}}`,
		"select=-address,-tags,-createdAt,-updatedAt,-version,-born,-email,-extra,-rank,-age&sort=name,-age": `{"id":5,"name":"Ada"}`,
		"select=-address,-tags,-createdAt,-updatedAt,-version,-born,-email&sort=address.city,-rank":          `{"id":5,"name":"Ada","age":70,"rank":2.0,"extra":{"x":[1]}}`,
	} {
		first := s.do("GET", "/v1/people?limit=1&"+query, "")
		seen := []string{first.list().ids()}
		first.has(want)
		for next := first.list().Page.Next; next != ""; {
			page := s.do("GET", "/v1/people?limit=1&"+query+"&after="+next, "").list()
			seen, next = append(seen, page.ids()), page.Page.Next
		}
		if len(seen) != 5 {
			t.Errorf("%s: pages %q", query, seen)
		}
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	first := s.do("GET", "/v1/people?sort=-rank&limit=2&rank[exists]=false&bio[exists]=false", "").list()
	if first.ids() != "4" || first.Page.Next != "" || first.Page.Prev != "" {
		t.Errorf("a list of one page: %+v", first)
	}
	// Forward to the end, and back to the beginning.
	var forward, backward []string
	at := s.do("GET", "/v1/people?sort=-rank&limit=2", "").list()
	for forward = append(forward, at.ids()); at.Page.Next != ""; forward = append(forward, at.ids()) {
		at = s.do("GET", "/v1/people?sort=-rank&limit=2&after="+at.Page.Next, "").list()
	}
	for backward = append(backward, at.ids()); at.Page.Prev != ""; backward = append(backward, at.ids()) {
		at = s.do("POST", "/v1/people/_query", `{"sort": ["-rank"], "limit": 2, "before": "`+at.Page.Prev+`"}`).list()
	}
	if got := strings.Join(forward, "|"); got != "5 1|3 4|2" {
		t.Errorf("forward %s", got)
	}
	if got := strings.Join(backward, "|"); got != "2|3 4|5 1" {
		t.Errorf("backward %s", got)
	}
}

// Searches and places have indexes of their own, beside which a page goes on.
func TestPagesOfSearches(t *testing.T) {
	t.Parallel()
	s := start(t, exampleModel(t, "guide"))
	s.do("POST", "/v1/people", `{"id": "ada", "name": "Ada"}`).is(201)
	for i, seats := range []int{3, 1, 2, 2, 1} {
		s.do("POST", "/v1/restaurants", fmt.Sprintf(`{"id": "r%d", "name": "x", "cuisine": "french", "seats": %d, "location": {"type": "Point", "coordinates": [%d, 1]}}`, i, seats, i)).is(201)
		s.do("POST", "/v1/reviews", fmt.Sprintf(`{"stars": %d, "text": "good soup", "restaurantId": "r%d", "authorId": "ada"}`, seats, i)).is(201)
	}
	for query, want := range map[string]string{
		`/v1/reviews?sort=-stars&filter={"$text":{"$search":"soup"}}`:                                                 "1 4 3 5 2",
		`/v1/reviews?filter={"$text":{"$search":"soup"}}&stars[gt]=1`:                                                 "1 3 4",
		`/v1/restaurants?sort=seats&filter={"location":{"$near":{"$geometry":{"type":"Point","coordinates":[0,1]}}}}`: "r1 r4 r2 r3 r0",
		`/v1/restaurants?sort=-seats&filter={"location":{"$geoWithin":{"$centerSphere":[[0,1],1]}}}&seats[gte]=2`:     "r0 r3 r2",
	} {
		query = strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D", "$", "%24").Replace(query)
		var ids []string
		for next := ""; ; {
			var l struct {
				Data []struct{ ID any }
				Page struct{ Next string }
			}
			page := s.do("GET", query+"&limit=2"+next, "").is(200)
			if err := json.Unmarshal(page.body, &l); err != nil {
				t.Fatal(err)
			}
			for _, doc := range l.Data {
				ids = append(ids, fmt.Sprint(doc.ID))
			}
			if l.Page.Next == "" {
				break
			}
			next = "&after=" + l.Page.Next
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestListLinks(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	first := s.do("GET", "/v1/people?limit=2&name[ne]=Bob", "")
	follow := func(a answer, relation string) answer {
		t.Helper()
		for _, link := range a.header.Values("Link") {
			target, rel, _ := strings.Cut(link, ">; ")
			if rel == `rel="`+relation+`"` {
				return s.do("GET", strings.TrimPrefix(target, "<"), "")
			}
		}
		t.Fatalf("%s: no link to %s: %q", a.what, relation, a.header.Values("Link"))
		return a
	}
	second := follow(first, "next")
	if got := second.list().ids(); got != "4 5" {
		t.Errorf("next is %q", got)
	}
	if links := second.header.Values("Link"); len(links) != 1 {
		t.Errorf("the last page has %q", links)
	}
	if back := follow(second, "prev"); back.list().ids() != "1 3" || len(back.header.Values("Link")) != 1 {
		t.Errorf("prev is %s with %q", back.body, back.header.Values("Link"))
	}
}

func TestListCounts(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	for query, want := range map[string]int{"count=exact": 5, "count=exact&age=36&limit=1": 2, "count=exact&name=Nobody": 0, "count=estimate": 5} {
		l := s.do("GET", "/v1/people?"+query, "").list()
		if l.Page.Total == nil || *l.Page.Total != want {
			t.Errorf("%s: %v, want %d", query, l.Page.Total, want)
		}
	}
	if l := s.do("GET", "/v1/people", "").list(); l.Page.Total != nil {
		t.Errorf("a total of %d that nobody asked for", *l.Page.Total)
	}
	s.both(map[string]string{"count": "exact", "limit": "1", "age": "36"}, `{"count": "exact", "limit": 1, "filter": {"age": 36}}`).has(`"total":2`)
}

func TestListsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	next := s.do("GET", "/v1/people?limit=2&sort=name", "").list().Page.Next
	tests := []struct {
		query, pointers string
		say             []string
	}{
		{"limt=2", "limt", []string{`did you mean \"limit\"?`}},
		{"emial=x", "emial", []string{`did you mean \"email\"?`}},
		{"filtr={}", "filtr", []string{`did you mean \"filter\"?`}},
		{"limit=0", "limit", nil},
		{"limit=1001", "limit", []string{"1 to 1000"}},
		{"limit=two", "limit", nil},
		{"limit=99999999999999999999", "limit", nil},
		{"limit=1&limit=2", "limit", nil},
		{"filter={", "filter", nil},
		{`filter={"$where":"1"}`, "filter/$where", nil},
		{`filter={"age":{"$gte":"x"}}`, "filter/age/$gte", nil},
		{`filter={"agee":1}`, "filter/agee", []string{`did you mean \"age\"?`}},
		{"age=old", "age", nil},
		{"age[gte]=18&age[near]=2", "age[near]", nil},
		{"select=", "select", nil},
		{"select=name,", "select", nil},
		{"select=name,-bio", "select", nil},
		{"select=-id", "select", nil},
		{"select=nam", "select", []string{`did you mean \"name\"?`}},
		{"select=address,address.city", "select", nil},
		{"select=name,name", "select", nil},
		{"select=items.0.sku", "select", nil},
		{"select=$where", "select", nil},
		{"sort=", "sort", nil},
		{"sort=nam", "sort", []string{`did you mean \"name\"?`}},
		{"sort=name,name", "sort", nil},
		{"sort=name,-name", "sort", nil},
		{"sort=tags", "sort", nil},
		{"sort=items.sku", "sort", nil},
		{"sort=address", "sort", nil},
		{"sort=home", "sort", nil},
		{"sort=extra", "sort", nil},
		{"sort=extra.x", "sort", nil},
		{"sort=$natural", "sort", nil},
		{"sort=" + strings.Repeat("name,", 40) + "age", "sort", nil},
		{"count=all", "count", nil},
		{"count=estimate&age=1", "count", nil},
		{"explain=yes", "explain", nil},
		{"after=", "after", nil},
		{"after=AAAA", "after", nil},
		{"after=%00", "after", nil},
		{"after=" + next, "after", []string{"with the same filter and sort"}},
		{"after=" + next + "&sort=-name", "after", nil},
		{"after=" + next + "&sort=name&age=36", "after", nil},
		{"before=" + next[:len(next)-4] + "AQAA&sort=name", "before", nil},
		{"after=" + next + "&before=" + next + "&sort=name", "before", nil},
		{"limit=0&sort=nope&select=nope&agee=1", "limit agee select sort", nil},
	}
	for _, test := range tests {
		query := strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D", "$", "%24").Replace(test.query)
		s.do("GET", "/v1/people?"+query, "").problem(400, "invalid-parameter", strings.Fields(test.pointers)...).has(test.say...)
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	for body, pointers := range map[string]string{
		`{"limit": 0}`:                        "/limit",
		`{"limit": "2"}`:                      "/limit",
		`{"limit": 2.5}`:                      "/limit",
		`{"limit": 1e99}`:                     "/limit",
		`{"limt": 2}`:                         "/limt",
		`{"a/b": 2}`:                          "/a~1b",
		`{"filter": 1}`:                       "/filter",
		`{"filter": {"age": "x"}, "sort": 1}`: "/sort /filter/age",
		`{"filter": {"age": "x"}}`:            "/filter/age",
		`{"select": []}`:                      "/select",
		`{"select": [1]}`:                     "/select",
		`{"select": ["nope"]}`:                "/select",
		`{"sort": ["name", null]}`:            "/sort",
		`{"sort": {"name": 1}}`:               "/sort",
		`{"after": 1}`:                        "/after",
		`{"after": "AAAA"}`:                   "/after",
		`{"count": true}`:                     "/count",
		`{"explain": "true"}`:                 "/explain",
		`{"filter": null}`:                    "/filter",
		`{"select": null}`:                    "/select",
	} {
		s.do("POST", "/v1/people/_query", body).problem(400, "invalid-parameter", strings.Fields(pointers)...)
	}
	s.do("POST", "/v1/people/_query", `{"limt": 2}`).has(`did you mean \"limit\"?`)
	s.do("POST", "/v1/people/_query", `{"limit": 1, "limit": 2}`).problem(400, "malformed-json")
	s.do("POST", "/v1/people/_query", `{"limit": `).problem(400, "malformed-json")
	s.do("POST", "/v1/people/_query", `{} {}`).problem(400, "malformed-json")
	s.do("POST", "/v1/people/_query", `[]`).problem(400, "invalid-parameter", "")
	s.do("POST", "/v1/people/_query?limit=1", `{}`).problem(400, "invalid-parameter", "limit")
	s.do("POST", "/v1/people/_query", `{}`, "Content-Type: text/plain").problem(415, "unsupported-media-type")
	s.do("POST", "/v1/nobody/_query", `{}`).problem(404, "unknown-collection")
}

// TestListsThatNoIndexServes holds what a service does with them.
func TestListsThatNoIndexServes(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	var told []string
	observer := observe.New(observe.Subscriber{Unserved: func(_ context.Context, u observe.Unserved) {
		told = append(told, u.Collection+" "+u.Index)
	}})
	serve := func(policy api.Policy, explain bool) {
		s.serve(api.Options{Unindexed: policy, Explain: explain, Observer: observer})
	}
	const bio, byRank, byAge, without = "/v1/people?bio=long&limit=2", "/v1/people?sort=-rank", "/v1/people?age=36", "/v1/people?bio[regex]=x"
	serve(api.Warn, false)
	for _, path := range []string{bio, byRank, byAge, strings.Replace(bio, "long", "other", 1), without, without} {
		s.do("GET", path, "").is(200)
	}
	want := []string{"people - {keys: [bio]}", "people - {keys: [-rank]}", "people "}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("what was told of (-want +got):\n%s", diff)
	}
	s.do("GET", bio+"&explain=true", "").problem(403, "forbidden").has("SHEAF_EXPLAIN")
	serve(api.Refuse, true)
	s.do("GET", bio, "").problem(400, "invalid-parameter", "bio").has("- {keys: [bio]}", `"unindexed"`)
	s.do("POST", "/v1/people/_query", `{"sort": "-rank"}`).problem(400, "invalid-parameter", "/sort").has("- {keys: [-rank]}")
	s.do("GET", without, "").problem(400, "invalid-parameter", "bio[regex]").has("none could serve it")
	s.do("GET", byAge, "").is(200)
	s.do("GET", bio+"&explain=true", "").is(200).has(`"index":"_id_"`, `"documentsExamined":5`)
	serve(api.Allow, false)
	s.do("GET", bio, "").is(200)
}

func TestListsAreExplained(t *testing.T) {
	t.Parallel()
	s := withPeople(t)
	s.both(map[string]string{"age": "36", "sort": "name", "explain": "true"}, `{"filter": {"age": 36}, "sort": "name", "explain": true}`)
	s.do("GET", "/v1/people?age[gte]=36&select=name&limit=2&explain=true", "").has(
		`"command":{"find":"people","filter":{"age":{"$gte":36}},"sort":{"_id":1},"projection":{"name":1},"limit":3}`, `"documentsExamined":`, `"milliseconds":`)
	s.do("GET", "/v1/people?name=Ada&sort=-born&explain=true", "").has(`"index":"name_1_born_-1__id_-1"`, `"keysExamined":2`, `"returned":2`)
	s.do("GET", "/v1/people?explain=false", "").list()
}
