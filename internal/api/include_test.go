package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// shelf has relations of every kind. Loose refers to people without a ref, so
// that it can lead nowhere.
var shelf = fstest.MapFS{
	"people.yaml": {Data: []byte(`
collection: people
id: int
additional: keep
fields:
  name: {type: string}
relations:
  books:   {has_many: books, by: author}
  liked:   {has_many: books, by: fans}
  passport: {has_one: passports, by: owner}
`)},
	"books.yaml": {Data: []byte(`
collection: books
id: int
fields:
  title:  {type: string}
  year:   {type: int}
  author: {type: ref, to: people}
  loose:  {type: int}
  fans:   {type: array, items: {type: ref, to: people}}
  loans:  {type: array, items: {type: object, fields: {by: {type: ref, to: people}, days: {type: int}}}}
relations:
  writer:    {belongs_to: people, by: author}
  stranger:  {belongs_to: people, by: loose}
  likers:    {belongs_to: people, by: fans}
  borrowers: {belongs_to: people, by: loans.by}
  reviews:   {has_many: reviews, by: book}
`)},
	"reviews.yaml": {Data: []byte(`
collection: reviews
id: uuid
fields:
  book:  {type: ref, to: books, required: true}
  by:    {type: ref, to: people}
  stars: {type: int}
  text:  {type: string}
relations:
  of:     {belongs_to: books, by: book}
  critic: {belongs_to: people, by: by}
`)},
	"passports.yaml": {Data: []byte(`
collection: passports
id: string
fields: {owner: {type: ref, to: people, unique: true}}
`)},
}

// counter counts the commands of a service.
type counter struct{ n atomic.Int64 }

func (c *counter) observer() *observe.Observer {
	return observe.New(observe.Subscriber{Command: func(context.Context, observe.Command) { c.n.Add(1) }})
}

func startShelf(t *testing.T) (*service, *counter) {
	t.Helper()
	var c counter
	uri, db := testkit.Mongo(t)
	s := startOn(t, load(t, shelf), uri, db, c.observer())
	s.do("POST", "/v1/people", `[{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}, {"id": 3, "name": "Cy"}]`).is(201)
	s.do("POST", "/v1/passports", `[{"id": "p2", "owner": 2}]`).is(201)
	s.do("POST", "/v1/books", `[
		{"id": 1, "title": "A", "year": 2001, "author": 1, "loose": 9, "fans": [2, 1, 2], "loans": [{"by": 3, "days": 1}, {"days": 5}, {"by": 2}]},
		{"id": 2, "title": "B", "year": 2003, "author": 1, "loose": 2, "fans": []},
		{"id": 3, "title": "C", "year": 2002, "author": 1, "fans": [1]},
		{"id": 4, "title": "D", "year": 2000, "author": 2},
		{"id": 5, "title": "E"}]`).is(201)
	s.do("POST", "/v1/reviews", `[
		{"id": "00000000-0000-4000-8000-000000000001", "book": 1, "by": 2, "stars": 5, "text": "x"},
		{"id": "00000000-0000-4000-8000-000000000002", "book": 1, "by": 3, "stars": 3, "text": "y"},
		{"id": "00000000-0000-4000-8000-000000000003", "book": 4, "stars": 4, "text": "z"}]`).is(201)
	return s, &c
}

// brief writes a document as its id, title or name, fields of interest, and what
// it includes: enough to tell documents apart.
func brief(value any) string {
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, element := range v {
			parts[i] = brief(element)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		out := fmt.Sprint(v["id"])
		if len(out) > 2 && strings.Contains(out, "-") {
			out = "r" + out[len(out)-1:]
		}
		for _, name := range []string{"writer", "stranger", "likers", "borrowers", "reviews", "books", "liked", "passport", "of", "critic"} {
			if inner, there := v[name]; there {
				out += " " + name + ":" + brief(inner)
			}
		}
		return "{" + out + "}"
	case nil:
		return "-"
	}
	return fmt.Sprint(value)
}

func TestIncludes(t *testing.T) {
	t.Parallel()
	s, commands := startShelf(t)
	for _, test := range []struct {
		path     string
		commands int64
		want     string
	}{
		{"/v1/books?include=writer", 2, "[{1 writer:{1}} {2 writer:{1}} {3 writer:{1}} {4 writer:{2}} {5 writer:-}]"},
		{"/v1/books?include=stranger&limit=3", 2, "[{1 stranger:-} {2 stranger:{2}} {3 stranger:-}]"},
		{"/v1/books?include=likers,borrowers&limit=3", 3, "[{1 likers:[{1} {2}] borrowers:[{2} {3}]} {2 likers:[] borrowers:[]} {3 likers:[{1}] borrowers:[]}]"},
		{"/v1/people?include=books,liked,passport", 4,
			"[{1 books:[{1} {2} {3}] liked:[{1} {3}] passport:-} {2 books:[{4}] liked:[{1}] passport:{p2}} {3 books:[] liked:[] passport:-}]"},
		{"/v1/people?include=books.reviews.critic&limit=2", 4,
			"[{1 books:[{1 reviews:[{r1 critic:{2}} {r2 critic:{3}}]} {2 reviews:[]} {3 reviews:[]}]} {2 books:[{4 reviews:[{r3 critic:-}]}]}]"},
		{"/v1/books?include=writer.passport,reviews&filter={\"id\":4}", 4, "[{4 writer:{2 passport:{p2}} reviews:[{r3}]}]"},
		{"/v1/books?include=writer,writer.books,writer&limit=1", 3, "[{1 writer:{1 books:[{1} {2} {3}]}}]"},
		{"/v1/books?include=writer&filter={\"id\":5}", 1, "[{5 writer:-}]"},
		{"/v1/books?include=writer&filter={\"id\":77}", 1, "[]"},
	} {
		before := commands.n.Load()
		page := s.do("GET", test.path, "").is(200).json()
		if got := commands.n.Load() - before; got != test.commands {
			t.Errorf("%s costs %d commands, want %d", test.path, got, test.commands)
		}
		if got := brief(page["data"]); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.path, got, test.want)
		}
	}
	for path, want := range map[string]string{
		"/v1/books/1?include=writer.books,reviews": "{1 writer:{1 books:[{1} {2} {3}]} reviews:[{r1} {r2}]}",
		"/v1/books/5?include=writer":               "{5 writer:-}",
		"/v1/people/3?include=books":               "{3 books:[]}",
	} {
		if got := brief(map[string]any(s.do("GET", path, "").is(200).json())); got != want {
			t.Errorf("%s\n got %s\nwant %s", path, got, want)
		}
	}
	// An author who changes makes another answer, of the same version.
	tag := s.do("GET", "/v1/books/1?include=writer", "").is(200).sends("ETag", `"1"`).header.Get("ETag")
	s.do("GET", "/v1/books/1?include=writer", "", "If-None-Match: "+tag).is(200)
	s.do("GET", "/v1/books/1", "", "If-None-Match: "+tag).is(304)
	s.do("GET", "/v1/books/1?include=writer", "", "If-Match: \"7\"").problem(412, "version-conflict")
	s.do("GET", "/v1/books/77?include=writer", "").problem(404, "not-found")
	s.do("GET", "/v1/books/1?include=writer", "", "Accept: application/ejson").is(200).has(`"writer":{"id":{"$numberLong":"1"}`)
}

// TestIncludesOfBodies holds what a body can say of the documents that come along.
func TestIncludesOfBodies(t *testing.T) {
	t.Parallel()
	s, commands := startShelf(t)
	for _, test := range []struct {
		collection, body string
		commands         int64
		want             string
	}{
		{"books", `{"include": "writer", "limit": 1}`, 2, "[{1 writer:{1}}]"},
		{"books", `{"include": ["writer", "reviews.critic"], "limit": 1}`, 4, "[{1 writer:{1} reviews:[{r1 critic:{2}} {r2 critic:{3}}]}]"},
		{"books", `{"include": {}, "limit": 1}`, 1, "[{1}]"},
		{"people", `{"include": {"books": true, "liked": {}}, "limit": 1}`, 3, "[{1 books:[{1} {2} {3}] liked:[{1} {3}]}]"},
		{"people", `{"include": {"books": {"sort": "-year"}}, "limit": 2}`, 2, "[{1 books:[{2} {3} {1}]} {2 books:[{4}]}]"},
		{"people", `{"include": {"books": {"sort": ["-year"], "limit": 2}}}`, 2, "[{1 books:[{2} {3}]} {2 books:[{4}]} {3 books:[]}]"},
		{"people", `{"include": {"liked": {"limit": 1, "sort": "-id"}}}`, 2, "[{1 liked:[{3}]} {2 liked:[{1}]} {3 liked:[]}]"},
		{"books", `{"include": {"likers": {"limit": 1, "sort": "-id", "select": "name"}, "borrowers": {"limit": 1}}, "limit": 3}`, 3,
			"[{1 likers:[{2}] borrowers:[{2}]} {2 likers:[] borrowers:[]} {3 likers:[{1}] borrowers:[]}]"},
		{"people", `{"include": {"books": {"filter": {"year": {"$gt": 2001}}, "limit": 1, "include": {"reviews": {"filter": {"stars": 4}}}}}, "limit": 1}`, 3,
			"[{1 books:[{2 reviews:[]}]}]"},
		{"books", `{"include": {"writer": {"filter": {"name": "Bob"}}, "reviews": {"filter": {"critic": {"$is": {"name": "Cy"}}}}}}`, 4,
			"[{1 writer:- reviews:[{r2}]} {2 writer:- reviews:[]} {3 writer:- reviews:[]} {4 writer:{2} reviews:[]} {5 writer:- reviews:[]}]"},
		{"people", `{"include": {"books": {"include": {"reviews": {"include": "critic"}}}}, "filter": {"id": 2}}`, 3, "[{2 books:[{4 reviews:[{r3 critic:-}]}]}]"},
	} {
		before := commands.n.Load()
		page := s.do("POST", "/v1/"+test.collection+"/_query", test.body).is(200).json()
		if got := commands.n.Load() - before; got != test.commands {
			t.Errorf("%s costs %d commands, want %d", test.body, got, test.commands)
		}
		if got := brief(page["data"]); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.body, got, test.want)
		}
	}
}

// TestIncludesKeepTheSelection holds that what relations go by is read, and not
// told where it was not selected.
func TestIncludesKeepTheSelection(t *testing.T) {
	t.Parallel()
	s, _ := startShelf(t)
	for _, test := range []struct{ collection, body, want string }{
		{"books", `{"select": "title", "include": {"writer": {"select": "name"}}}`, `{"id":1,"title":"A","writer":{"id":1,"name":"Ada"}}`},
		{"books", `{"select": ["-author", "-loans", "-fans", "-createdAt", "-updatedAt"], "include": {"writer": {"select": "name"}}}`,
			`{"id":1,"title":"A","year":2001,"loose":9,"version":1,"writer":{"id":1,"name":"Ada"}}`},
		{"books", `{"select": "loans.days", "include": {"borrowers": {"select": "name"}}}`,
			`{"id":1,"loans":[{"days":1},{"days":5},{}],"borrowers":[{"id":2,"name":"Bob"},{"id":3,"name":"Cy"}]}`},
		{"people", `{"select": "name", "include": {"books": {"select": "title", "sort": "-year", "limit": 1}}}`,
			`{"id":1,"name":"Ada","books":[{"id":2,"title":"B"}]}`},
		{"people", `{"select": "name", "include": {"books": {"select": "title", "filter": {"id": 1}}}}`,
			`{"id":1,"name":"Ada","books":[{"id":1,"title":"A"}]}`},
		{"people", `{"select": "name", "include": {"books": {"select": "title", "limit": 1, "include": {"reviews": {"select": "stars", "limit": 1}}}}}`,
			`{"id":1,"name":"Ada","books":[{"id":1,"title":"A","reviews":[{"id":"00000000-0000-4000-8000-000000000001","stars":5}]}]}`},
	} {
		var page struct{ Data []json.RawMessage }
		if err := json.Unmarshal(s.do("POST", "/v1/"+test.collection+"/_query", test.body).is(200).body, &page); err != nil {
			t.Fatal(err)
		}
		if got := string(page.Data[0]); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.body, got, test.want)
		}
	}
}

func TestIncludesThatAreWrong(t *testing.T) {
	t.Parallel()
	s, commands := startShelf(t)
	before := commands.n.Load()
	for _, test := range []struct{ path, pointer, hint string }{
		{"/v1/books?include=writter", "include", `did you mean \"writer\"?`},
		{"/v1/books?include=author", "include", "is a field of books, and no relation"},
		{"/v1/books?include=reviews.writer", "include", "is not a relation of reviews; there are critic, of"},
		{"/v1/people?include=passport.owner", "include", "passports has none"},
		{"/v1/books?include=", "include", "must be names of relations"},
		{"/v1/books?include=writer,,reviews", "include", "must be names of relations"},
		{"/v1/books?include=writer.", "include", "must be names of relations"},
		{"/v1/books?include=writer.books.writer.books", "include", "more than 3 relations"},
		{"/v1/books?include=writer&include=reviews", "include", "given 2 times"},
		{"/v1/books?include=" + strings.Repeat("writer,", 50), "include", "more than 20 relations"},
		{"/v1/books/1?include=writter", "include", "did you mean"},
		{"/v1/books/1?includes=writer", "includes", `did you mean \"include\"?`},
		{"/v1/books/1?include=writer&include=writer", "include", "given 2 times"},
	} {
		s.do("GET", test.path, "").problem(400, "invalid-parameter", test.pointer).has(test.hint)
	}
	deep := strings.Repeat(`{"include":{"books":{"include":{"writer":`, 250) + "true" + strings.Repeat(`}}}}`, 250)
	for _, test := range []struct{ body, pointers, hint string }{
		{`{"include": 5}`, "/include", "must be a string, a list of strings, or an object"},
		{`{"include": {"books": 5}}`, "/include/books", "must be true, or an object"},
		{`{"include": {"bookz": true, "books": {"filter": {"yeer": 1}, "select": "x", "sort": "y", "limit": 0}}}`,
			"/include/books/filter/yeer /include/books/limit /include/books/select /include/books/sort /include/bookz", "did you mean"},
		{`{"include": {"books": {"after": "x", "wher": {}}}}`, "/include/books/after /include/books/wher", "is not a part of an include"},
		{`{"include": {"books": {"include": {"reviews": {"include": {"critic": {"include": "books"}}}}}}}`, "/include/books/include/reviews/include/critic/include", "more than 3"},
		{`{"include": {"books": {"include": {"reviews": {"filter": {"stars": "x"}}}}}}`, "/include/books/include/reviews/filter/stars", "must be an int"},
		{deep, "/include/books/include/writer/include/books/include", "more than 3"},
	} {
		got := s.do("POST", "/v1/people/_query", test.body).is(400).has(test.hint)
		var p struct{ Errors []struct{ Pointer string } }
		if err := json.Unmarshal(got.body, &p); err != nil {
			t.Fatal(err)
		}
		at := map[string]bool{}
		for _, e := range p.Errors {
			at[e.Pointer] = true
		}
		want := map[string]bool{}
		for pointer := range strings.FieldsSeq(test.pointers) {
			want[pointer] = true
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("%.80s: pointers (-want +got):\n%s", test.body, diff)
		}
	}
	if n := commands.n.Load(); n != before {
		t.Errorf("%d commands reached MongoDB", n-before)
	}
}

// TestIncludesAreBounded goes beyond the documents and the bytes of one answer.
func TestIncludesAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := startShelf(t)
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf(`{"book": 2, "text": %q}`, strings.Repeat("t", i))
	}
	s.do("POST", "/v1/reviews", "["+strings.Join(many, ",")+"]").is(201)
	s.do("GET", "/v1/books?include=reviews", "").is(200)
	// 300 reviews of one book fit, the book of each with its reviews does not.
	s.do("GET", "/v1/books/2?include=reviews.of.reviews", "").problem(400, "invalid-parameter", "include").has("beyond the 500 documents", `relation \"`)
	s.do("POST", "/v1/reviews", "["+strings.Join(many, ",")+"]").is(201)
	s.do("GET", "/v1/books?include=reviews", "").problem(400, "invalid-parameter", "include")
	s.do("POST", "/v1/books/_query", `{"include": {"reviews": true}}`).problem(400, "invalid-parameter", "/include/reviews")
	s.do("POST", "/v1/books/_query", `{"include": {"reviews": {"limit": 400}}}`).is(200)
	s.do("POST", "/v1/books/_query", `{"include": {"reviews": {"limit": 501}}}`).problem(400, "invalid-parameter", "/include/reviews")
	s.do("POST", "/v1/people/_query", `{"include": {"books": {"include": {"reviews": {"limit": 5}}}}}`).is(200)
	large := make([]string, 10)
	for i := range large {
		large[i] = fmt.Sprintf(`{"id": %d, "author": 3, "title": %q}`, 100+i, strings.Repeat("x", 5<<10))
	}
	s.do("POST", "/v1/books", "["+strings.Join(large, ",")+"]").is(201)
	s.do("GET", "/v1/people/3?include=books", "").is(200)
	// Each of 10 books with all 10 of their author is 500 kB, and each of 20 is more than the answer holds.
	s.do("GET", "/v1/people/3?include=books.writer.books", "").is(200)
	for i := range large {
		large[i] = fmt.Sprintf(`{"id": %d, "author": 3, "title": %q}`, 200+i, strings.Repeat("x", 5<<10))
	}
	s.do("POST", "/v1/books", "["+strings.Join(large, ",")+"]").is(201)
	s.do("GET", "/v1/people/3?include=books.writer.books", "").problem(400, "invalid-parameter", "include").has("beyond the 1048576 bytes")
}

// TestIncludesOfForeignDocuments includes what others stored with ids of another
// numeric type.
func TestIncludesOfForeignDocuments(t *testing.T) {
	t.Parallel()
	s, _ := startShelf(t)
	client, err := mongo.Connect(options.Client().ApplyURI(s.uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	foreign := bson.D{{Key: "_id", Value: int32(50)}, {Key: "author", Value: 2.0}, {Key: "fans", Value: bson.A{nil, "x", int32(1)}}}
	if _, err := client.Database(s.db).Collection("books").InsertOne(t.Context(), foreign, options.InsertOne().SetBypassDocumentValidation(true)); err != nil {
		t.Fatal(err)
	}
	kept := bson.D{{Key: "_id", Value: int64(9)}, {Key: "books", Value: "kept"}}
	if _, err := client.Database(s.db).Collection("people").InsertOne(t.Context(), kept, options.InsertOne().SetBypassDocumentValidation(true)); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/v1/people?id=9&select=name&include=books", "").is(200).has(`{"id":9,"books":[]}`)
	page := s.do("POST", "/v1/books/_query", `{"filter": {"id": 50}, "select": "year", "include": ["writer", "likers"]}`).is(200).json()
	if got := brief(page["data"]); got != "[{50 writer:{2} likers:[{1}]}]" {
		t.Errorf("got %s", got)
	}
}
