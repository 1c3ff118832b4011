package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// callerHeader has who asks in these tests, as "sub: role, role".
const callerHeader = "Test-Caller"

// The callers of the tests.
const (
	admin  = callerHeader + ": root admin"
	ada    = callerHeader + ": ada writer"
	bob    = callerHeader + ": bob writer"
	reader = callerHeader + ": eve reader"
	nobody = callerHeader + ": zoe" // without a role
)

// withCallers puts into the context of each request who its header says that asks,
// as authentication does.
func withCallers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := principal(r.Header.Get(callerHeader)); p != nil {
			r = r.WithContext(auth.With(observe.WithCaller(r.Context(), p.Caller()), p))
		}
		next.ServeHTTP(w, r)
	})
}

// principal reads "sub role role"; claims come from the sub.
func principal(text string) *auth.Principal {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil
	}
	return &auth.Principal{Kind: auth.Token, ID: words[0], Roles: words[1:], Claims: map[string]any{
		"sub": words[0], "teams": []any{"t-" + words[0], "all"}, "level": json.Number("3"), "none": nil,
	}}
}

// guarded serves a model to callers, and keeps what they were denied.
type guarded struct {
	*service
	mu      sync.Mutex
	denials []observe.Denial
}

func guard(t *testing.T, model *schema.Model) *guarded {
	t.Helper()
	uri, db := testkit.Mongo(t)
	return guardOn(t, model, uri, db)
}

func guardOn(t *testing.T, model *schema.Model, uri, db string) *guarded {
	t.Helper()
	g := &guarded{}
	observer := observe.New(observe.Subscriber{Denial: func(_ context.Context, d observe.Denial) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.denials = append(g.denials, d)
	}})
	g.service = startOn(t, model, uri, db, observer)
	server := httptest.NewServer(withCallers(g.api))
	t.Cleanup(server.Close)
	g.url, g.client = server.URL, server.Client()
	return g
}

// taken returns what was denied since it was called last.
func (g *guarded) taken() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []string
	for _, d := range g.denials {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", d.Method, d.Route, d.Action, d.Collection, d.ID)))
	}
	g.denials = nil
	return strings.Join(list, "; ")
}

// notes is examples/notes with two writers, their notes and some comments: notes
// 1 (draft) and 2 (published) are ada's, 3 (draft) and 4 (published) bob's.
func notes(t *testing.T) *guarded {
	t.Helper()
	g := guard(t, exampleModel(t, "notes"))
	fillNotes(g)
	return g
}

func fillNotes(g *guarded) {
	g.do("POST", "/v1/users", `[{"id":"ada","name":"Ada","email":"ada@x.example","salary":10},{"id":"bob","name":"Bob","email":"bob@x.example","salary":20}]`, admin).is(201)
	g.do("POST", "/v1/notes", `[{"title":"a draft","rating":1,"ownerId":"ada"},{"title":"a out","status":"published","rating":2,"ownerId":"ada"},
		{"title":"b draft","rating":3,"ownerId":"bob"},{"title":"b out","status":"published","rating":4,"ownerId":"bob"}]`, admin).is(201)
	g.do("POST", "/v1/comments", `[{"noteId":2,"text":"own"},{"noteId":1,"text":"too"}]`, ada).is(201)
	g.do("POST", "/v1/comments", `{"noteId":4,"text":"eves"}`, reader).is(201)
}

// titles are those of a page, in order.
func titles(a answer) string {
	a.t.Helper()
	var page struct {
		Data []struct{ Title, Name, Text string }
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		a.t.Fatalf("%s: %v", a.what, err)
	}
	var list []string
	for _, doc := range page.Data {
		list = append(list, doc.Title+doc.Name+doc.Text)
	}
	return strings.Join(list, ", ")
}

func (a answer) lists(want string) answer {
	a.t.Helper()
	a.is(200)
	if got := titles(a); got != want {
		a.t.Errorf("%s: lists %q, want %q", a.what, got, want)
	}
	return a
}

// lacks holds that no text is in the body.
func (a answer) lacks(parts ...string) answer {
	a.t.Helper()
	for _, part := range parts {
		if strings.Contains(string(a.body), part) {
			a.t.Errorf("%s: the body has %s: %s", a.what, part, a.body)
		}
	}
	return a
}

func TestRulesOfReading(t *testing.T) {
	t.Parallel()
	g := notes(t)
	g.do("GET", "/v1/notes", "", admin).lists("a draft, a out, b draft, b out")
	g.do("GET", "/v1/notes", "", ada).lists("a draft, a out").has(`"rating":2`)
	g.do("GET", "/v1/notes?count=exact", "", reader).lists("a out, b out").has(`"total":2`).lacks("rating")
	g.do("GET", "/v1/notes?count=exact", "", nobody).lists("").has(`"total":0`)
	g.do("GET", "/v1/notes?count=estimate", "", reader).problem(400, "invalid-parameter", "count")
	g.do("GET", "/v1/users?count=estimate", "", admin).is(200).has(`"total":2`)
	g.do("POST", "/v1/notes/_query", `{"filter":{"title":{"$regex":"out"}},"sort":"-title","select":["title"]}`, ada).lists("a out")

	g.do("GET", "/v1/notes/1", "", ada).is(200).has(`"rating":1`)
	g.do("GET", "/v1/notes/4", "", reader).is(200).lacks("rating")
	for _, id := range []string{"3", "4", "99"} {
		g.do("GET", "/v1/notes/"+id, "", ada).problem(404, "not-found").has("notes has no document with this id")
	}
	g.do("GET", "/v1/notes/3", "", ada, `If-None-Match: "1"`).is(404)
	g.do("GET", "/v1/notes/1", "", ada, `If-None-Match: "1"`).is(304)
	g.do("GET", "/v1/users/bob", "", ada).is(200).has(`"name":"Bob"`).lacks("email", "salary")
	g.do("GET", "/v1/users/ada", "", ada).is(200).has(`"salary":10`)
	g.do("GET", "/v1/notes?explain=true", "", reader).problem(403, "forbidden")
	g.do("GET", "/v1/notes?explain=true", "", admin).is(200)

	// Without a caller the service runs open, and there are no rules.
	g.do("GET", "/v1/notes", "").lists("a draft, a out, b draft, b out")
}

// A field that some caller's rules hide is, to that caller, no field.
func TestHiddenFieldsAreUnknown(t *testing.T) {
	t.Parallel()
	g := notes(t)
	for _, query := range []string{"rating=1", `filter={"rating":{"$gt":1}}`, "sort=rating", "select=rating", "select=-rating", `filter={"$or":[{"rating":1},{"title":"a"}]}`} {
		want := g.do("GET", "/v1/notes?"+strings.ReplaceAll(query, "rating", "ratinh"), "", reader).is(400)
		got := g.do("GET", "/v1/notes?"+query, "", reader).is(400)
		if a, b := masked(want.body, "ratinh"), masked(got.body, "rating"); a != b {
			t.Errorf("%s tells of the field:\n%s\n%s", query, b, a)
		}
	}
	g.do("GET", "/v1/notes?rating=2", "", ada).lists("a out")
	g.do("GET", `/v1/users?filter={"notes":{"$some":{"rating":1}}}`, "", admin).lists("Ada")
	g.do("GET", `/v1/users?filter={"notes":{"$some":{"rating":1}}}`, "", reader).problem(400, "invalid-parameter", "filter/notes/$some/rating")
	g.do("GET", "/v1/users?sort=salary", "", ada).problem(400, "invalid-parameter", "sort")
	g.do("GET", "/v1/notes/_aggregates/by_status", "", reader).is(200).has(`{"id":"published","notes":2}`)
}

func masked(body []byte, name string) string {
	text := strings.ReplaceAll(string(body), name, "NAME")
	at, _, _ := strings.Cut(text, `"request_id":"`)
	_, rest, _ := strings.Cut(text, `"errors"`)
	return at + rest
}

func TestRulesReachWhatIsRelated(t *testing.T) {
	t.Parallel()
	g := notes(t)
	g.do("GET", "/v1/users/ada?include=notes.comments", "", admin).is(200).has("a draft", "a out", `"text":"own"`)
	g.do("GET", "/v1/users/ada?include=notes.comments", "", reader).is(200).has("a out").lacks("a draft", "rating", `"own"`, "salary")
	g.do("GET", "/v1/users/bob?include=notes", "", ada).is(200).has(`"notes":[]`)
	g.do("GET", "/v1/comments?include=note", "", reader).is(200).has("b out").lacks("rating", `"own"`)
	g.do("GET", `/v1/users?filter={"notes":{"$some":{"status":"draft"}}}`, "", reader).lists("")
	g.do("GET", `/v1/users?filter={"notes":{"$some":{}}}`, "", ada).lists("Ada")
	g.do("GET", `/v1/users?filter={"notes":{"$none":{}}}`, "", ada).lists("Bob")
	g.do("GET", `/v1/users?filter={"notes":{"$every":{"status":"published"}}}`, "", reader).lists("Ada, Bob")
	g.do("GET", `/v1/users?filter={"notes":{"$every":{"status":"published"}}}`, "", admin).lists("")
	g.do("GET", `/v1/notes?filter={"owner":{"$is":{"name":"Bob"}}}`, "", reader).lists("b out")
	g.do("GET", `/v1/notes?filter={"owner":{"$is":{"email":"bob@x.example"}}}`, "", reader).problem(400, "invalid-parameter", "filter/owner/$is/email")
}

func TestRulesOfAggregates(t *testing.T) {
	t.Parallel()
	g := notes(t)
	g.do("GET", "/v1/notes/_aggregates/by_status", "", admin).is(200).has(`{"id":"draft","notes":2}`)
	g.do("GET", "/v1/notes/_aggregates/by_status", "", ada).is(200).has(`{"id":"draft","notes":1}`, `{"id":"published","notes":1}`)
	g.do("GET", "/v1/notes/_aggregates/talk", "", admin).is(200).has(`{"id":4,"comments":1}`)
	g.do("GET", "/v1/notes/_aggregates/talk", "", ada).problem(403, "forbidden")
}

func TestRulesOfCreating(t *testing.T) {
	t.Parallel()
	g := notes(t)
	g.do("POST", "/v1/notes", `{"title":"mine"}`, ada).is(201).has(`"ownerId":"ada"`, `"status":"draft"`)
	g.do("POST", "/v1/notes", `{"title":"mine","ownerId":"bob"}`, ada).is(201).has(`"ownerId":"ada"`)
	g.do("POST", "/v1/notes", `{"title":"mine","status":"published"}`, ada).problem(403, "forbidden")
	g.do("POST", "/v1/notes", `{"title":"mine","rating":10}`, ada).problem(403, "forbidden")
	g.do("POST", "/v1/notes", `{"title":5}`, ada).problem(422, "validation-failed", "/title")
	g.do("POST", "/v1/notes", `{"title":"mine"}`, reader).problem(403, "forbidden")
	g.taken()
	g.do("POST", "/v1/notes", `[{"title":"one"},{"title":"two","status":"published"}]`, ada).problem(403, "forbidden", "/1")
	if got := g.taken(); got != "POST /v1/{collection} create notes" {
		t.Errorf("denied: %q", got)
	}
	g.do("GET", "/v1/notes?title=one", "", admin).lists("")
	g.do("POST", "/v1/users", `{"id":"zoe","name":"Zoe"}`, ada).problem(403, "forbidden")

	// What a caller may not see is not there to be referred to.
	g.do("POST", "/v1/comments", `{"noteId":3,"text":"x"}`, ada).problem(409, "reference-violation", "/noteId")
	g.do("POST", "/v1/comments", `{"noteId":99,"text":"x"}`, ada).problem(409, "reference-violation", "/noteId")
	g.do("POST", "/v1/comments", `{"noteId":2,"text":"x"}`, reader).is(201)
	g.do("POST", "/v1/comments", `{"note":{"connect":{"id":3}},"text":"x"}`, ada).problem(409, "reference-violation", "/note/connect")
	g.do("POST", "/v1/comments", `{"note":{"connect":{"id":1}},"text":"x"}`, ada).is(201)
	g.do("POST", "/v1/comments", `{"note":{"create":{"title":"new"}},"text":"x"}`, ada).is(201)
	g.do("POST", "/v1/comments", `{"note":{"create":{"title":"new","rating":1}},"text":"x"}`, ada).is(403)
	g.do("POST", "/v1/comments", `{"note":{"create":{"title":"new"}},"text":"x"}`, reader).is(403)
	g.do("POST", "/v1/notes", `{"title":"with","comments":{"create":{"text":"c"}}}`, ada).is(201)
	g.do("POST", "/v1/notes", `{"title":"take","comments":{"connect":{"id":3}}}`, ada).problem(409, "reference-violation", "/comments/connect")
	g.do("POST", "/v1/notes", `{"title":"take","comments":{"connect":{"id":1}}}`, ada).problem(403, "forbidden")
}

func TestRulesOfChanging(t *testing.T) {
	t.Parallel()
	g := notes(t)
	const operators = "Content-Type: application/vnd.sheaf.update+json"
	const patch = "Content-Type: application/json-patch+json"
	g.do("PATCH", "/v1/notes/1", `{"title":"new"}`, ada).is(200).has(`"rating":1`)
	g.do("PATCH", "/v1/notes/1", `{"$set":{"text":"t"}}`, ada, operators).is(200)
	g.do("PATCH", "/v1/notes/1", `[{"op":"replace","path":"/title","value":"newer"}]`, ada, patch).is(200)
	for _, c := range []struct{ body, media string }{
		{`{"status":"published"}`, "Content-Type: application/json"}, {`{"ownerId":"bob"}`, "Content-Type: application/json"},
		{`{"$set":{"status":"published"}}`, operators}, {`{"$inc":{"rating":1}}`, operators},
		{`[{"op":"add","path":"/rating","value":9}]`, patch}, {`[{"op":"remove","path":"/rating"}]`, patch},
	} {
		g.do("PATCH", "/v1/notes/1", c.body, ada, c.media).problem(403, "forbidden")
	}
	g.do("PATCH", "/v1/notes/1", `{"status":"draft"}`, ada).is(200) // no change
	g.taken()
	g.do("PATCH", "/v1/notes/2", `{"title":"x"}`, reader).problem(403, "forbidden")
	g.do("PATCH", "/v1/notes/3", `{"title":"x"}`, ada).problem(404, "not-found")
	g.do("PATCH", "/v1/notes/99", `{"title":"x"}`, ada).problem(404, "not-found")
	if got := g.taken(); got != "PATCH /v1/{collection}/{id} update notes 2; PATCH /v1/{collection}/{id} update notes 3" {
		t.Errorf("denied: %q", got)
	}
	g.do("PATCH", "/v1/users/ada", `{"salary":1000}`, ada).problem(422, "validation-failed", "/salary") // not shown by all rules
	g.do("PATCH", "/v1/users/ada", `{"name":"Ada L"}`, ada).is(200).has(`"salary":10`)
	g.do("PATCH", "/v1/users/bob", `{"name":"x"}`, ada).problem(403, "forbidden")

	g.do("PUT", "/v1/notes/1", `{"title":"put","ownerId":"ada"}`, ada).is(200).has(`"rating":1`, `"status":"draft"`).lacks(`"text"`)
	g.do("PUT", "/v1/notes/1", `{"title":"put","ownerId":"ada","rating":1,"status":"draft"}`, ada).is(200)
	g.do("PUT", "/v1/notes/1", `{"title":"put","ownerId":"ada","rating":2}`, ada).problem(403, "forbidden")
	g.do("PUT", "/v1/notes/1", `{"title":"put","ownerId":"bob"}`, ada).problem(403, "forbidden")
	g.do("GET", "/v1/notes/1", "", admin).is(200).has(`"title":"put"`, `"rating":1`, `"ownerId":"ada"`, `"status":"draft"`)

	g.do("DELETE", "/v1/notes/2", "", ada).problem(403, "forbidden")
	g.do("DELETE", "/v1/notes/3", "", ada).problem(404, "not-found")
	g.do("DELETE", "/v1/notes/1", "", ada).is(204)
	g.do("DELETE", "/v1/notes/4", "", admin).is(204)
}

func TestRulesOfChangingMany(t *testing.T) {
	t.Parallel()
	g := notes(t)
	g.do("PATCH", "/v1/notes?status=draft", `{"text":"all"}`, ada).is(200).has(`"matched":1`)
	g.do("PATCH", "/v1/notes?status=published", `{"text":"all"}`, reader).problem(403, "forbidden")
	g.do("GET", "/v1/notes?text=all&select=title", "", admin).lists("a draft")
	g.do("PATCH", "/v1/notes?title[regex]=.", `{"rating":9}`, ada).problem(403, "forbidden")
	g.do("DELETE", "/v1/notes?title[regex]=.", "", ada).problem(403, "forbidden")
	g.do("DELETE", "/v1/notes?status=draft", "", ada).is(200).has(`"deleted":1`)
	g.do("GET", "/v1/notes", "", admin).lists("a out, b draft, b out")
}

func TestRulesOfTransactions(t *testing.T) {
	t.Parallel()
	g := notes(t)
	transact := func(caller, operations string) answer {
		return g.do("POST", "/v1/_transactions", `{"operations":[`+operations+`]}`, caller)
	}
	transact(ada, `{"read":"notes","id":1},{"read":"notes","id":2}`).is(200).has("a draft", "a out")
	transact(reader, `{"read":"notes","id":4}`).is(200).has("b out").lacks("rating")
	transact(reader, `{"read":"notes","id":4},{"read":"notes","id":3}`).problem(404, "not-found", "/operations/1")
	transact(reader, `{"read":"notes","id":4,"require":{"rating":4}}`).problem(422, "validation-failed", "/operations/0/require/rating")
	transact(reader, `{"read":"notes","id":4,"as":"n"},{"create":"comments","document":{"noteId":4,"text":{"$ref":"n.rating"}}}`).problem(422, "validation-failed", "/operations/1/document/text")
	transact(reader, `{"update":"notes","id":4,"change":[{"op":"test","path":"/rating","value":4}]}`).problem(422, "validation-failed", "/operations/0/change/0/path")
	transact(ada, `{"update":"notes","id":1,"change":{"title":"t"}},{"update":"notes","id":2,"change":{"status":"draft"}}`).problem(403, "forbidden", "/operations/1")
	transact(ada, `{"update":"notes","id":1,"change":{"title":"t"}},{"delete":"notes","id":3}`).problem(404, "not-found", "/operations/1")
	transact(ada, `{"create":"notes","as":"n","document":{"title":"n"}},{"create":"comments","document":{"noteId":{"$ref":"n.id"},"text":"c"}},{"update":"notes","id":1,"change":{"title":"t"}}`).
		is(200).has(`"ownerId":"ada"`)
	g.do("GET", "/v1/notes/1", "", ada).is(200).has(`"title":"t"`)
}
