package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/api"
)

// matrixLine is one thing that is asked of a route, and what every kind of caller is
// answered.
type matrixLine struct {
	// path has {draft}, {published} and {deleted} for notes of ada's that no line
	// shares with another.
	path, body, media string
	// want is the status for each caller; that of "all" for those that are not named.
	want map[string]int
}

// matrixCallers are the kinds of callers of examples/notes.
var matrixCallers = map[string]string{"nobody": nobody, "reader": reader, "owner": ada, "other": bob, "admin": admin}

var everybody = map[string]int{"all": 200}

// draftOnly, and the others, are what a note of a kind is answered to those who see
// it, or not.
func ofDraft(owner int) map[string]int {
	return map[string]int{"owner": owner, "admin": owner, "all": 404}
}

func ofPublished(owner, reader, admin int) map[string]int {
	return map[string]int{"owner": owner, "reader": reader, "admin": admin, "all": 404}
}

const note = `{"title":"t","ownerId":"ada"}`

// matrix has the lines of every route, by its id.
var matrix = map[string][]matrixLine{
	"list":  {{path: "/v1/notes", want: everybody}, {path: "/v1/comments", want: everybody}, {path: "/v1/notes?include=owner,comments&count=exact&sort=-title", want: everybody}},
	"query": {{path: "/v1/notes/_query", body: `{"filter":{"title":"t"}}`, want: everybody}, {path: "/v1/users/_query", body: `{"filter":{"salary":{"$gt":1}}}`, want: map[string]int{"admin": 200, "all": 400}}},
	"aggregate": {
		{path: "/v1/notes/_aggregates/by_status", want: everybody},
		{path: "/v1/notes/_aggregates/talk", want: map[string]int{"admin": 200, "all": 403}},
	},
	"create": {
		{path: "/v1/notes", body: note, want: map[string]int{"owner": 201, "other": 201, "admin": 201, "all": 403}},
		{path: "/v1/notes", body: `{"title":"t","ownerId":"ada","rating":1}`, want: map[string]int{"admin": 201, "all": 403}},
		{path: "/v1/notes", body: `[` + note + `,{"title":"u","ownerId":"bob"}]`, want: map[string]int{"owner": 201, "other": 201, "admin": 201, "all": 403}},
		{path: "/v1/users", body: `{"name":"x"}`, want: map[string]int{"admin": 422, "all": 403}},
		{path: "/v1/comments", body: `{"noteId":{draft},"text":"x"}`, want: map[string]int{"nobody": 403, "reader": 409, "other": 409, "owner": 201, "admin": 201}},
		{path: "/v1/comments", body: `{"noteId":{published},"text":"x"}`, want: map[string]int{"nobody": 403, "reader": 201, "other": 409, "owner": 201, "admin": 201}},
	},
	"get": {
		{path: "/v1/notes/{draft}", want: ofDraft(200)}, {path: "/v1/notes/{published}", want: ofPublished(200, 200, 200)},
		{path: "/v1/notes/{deleted}", want: map[string]int{"all": 404}}, {path: "/v1/notes/{deleted}?deleted=include", want: ofDraft(200)},
		{path: "/v1/users/ada", want: everybody}, {path: "/v1/users/nobody", want: map[string]int{"all": 404}},
	},
	"replace": {
		{path: "/v1/notes/{draft}", body: note, want: ofDraft(200)}, {path: "/v1/notes/{published}", body: note, want: ofPublished(200, 403, 200)},
		{path: "/v1/notes/{draft}", body: `{"title":"t","ownerId":"bob"}`, want: map[string]int{"owner": 403, "admin": 200, "all": 404}},
	},
	"patch": {
		{path: "/v1/notes/{draft}", body: `{"title":"t"}`, want: ofDraft(200)}, {path: "/v1/notes/{published}", body: `{"title":"t"}`, want: ofPublished(200, 403, 200)},
		{path: "/v1/notes/{draft}", body: `{"status":"published"}`, want: map[string]int{"owner": 403, "admin": 200, "all": 404}},
		{path: "/v1/notes/{draft}", body: `{"$set":{"title":"t"}}`, media: "application/vnd.sheaf.update+json", want: ofDraft(200)},
		{path: "/v1/notes/{published}", body: `[{"op":"test","path":"/rating","value":5}]`, media: "application/json-patch+json", want: ofPublished(200, 422, 200)},
	},
	"delete": {
		{path: "/v1/notes/{draft}", want: ofDraft(204)}, {path: "/v1/notes/{published}", want: ofPublished(403, 403, 204)},
		{path: "/v1/notes/{deleted}?purge=true", want: ofDraft(204)},
		{path: "/v1/users/bob", want: map[string]int{"admin": 409, "all": 403}},
	},
	"patchMany": {
		{path: "/v1/notes?id={draft}", body: `{"title":"t"}`, want: everybody},
		{path: "/v1/notes?id={published}", body: `{"title":"t"}`, want: map[string]int{"reader": 403, "all": 200}},
		{path: "/v1/notes?id={draft}", body: `{"rating":1}`, want: map[string]int{"owner": 403, "admin": 200, "reader": 422, "all": 200}},
	},
	"deleteMany": {
		{path: "/v1/notes?id={draft}", want: everybody}, {path: "/v1/notes?id={published}", want: map[string]int{"owner": 403, "reader": 403, "all": 200}},
		{path: "/v1/users?name=none", want: map[string]int{"admin": 200, "all": 403}},
	},
	"transact": {
		{path: "/v1/_transactions", body: `{"operations":[{"read":"notes","id":{draft}}]}`, want: ofDraft(200)},
		{path: "/v1/_transactions", body: `{"operations":[{"read":"notes","id":{published}},{"update":"notes","id":{published},"change":{"title":"t"}}]}`, want: ofPublished(200, 403, 200)},
		{path: "/v1/_transactions", body: `{"operations":[{"create":"notes","document":` + note + `},{"delete":"notes","id":{draft}}]}`, want: map[string]int{"owner": 200, "admin": 200, "other": 404, "all": 403}},
	},
	"history":        {{path: "/v1/notes/{draft}/_history", want: ofDraft(200)}, {path: "/v1/notes/{published}/_history", want: ofPublished(200, 200, 200)}, {path: "/v1/notes/{deleted}/_history", want: ofDraft(200)}},
	"historyVersion": {{path: "/v1/notes/{draft}/_history/1", want: ofDraft(200)}, {path: "/v1/notes/{published}/_history/1", want: ofPublished(200, 200, 200)}},
	"restore":        {{path: "/v1/notes/{deleted}/_restore", want: ofDraft(200)}, {path: "/v1/notes/{published}/_restore?version=1", want: ofPublished(200, 403, 200)}},
	"export":         {{path: "/v1/notes/_export", want: everybody}},
	"import": {
		{path: "/v1/notes/_import", body: note + "\n", media: "application/x-ndjson", want: map[string]int{"admin": 200, "all": 403}},
		{path: "/v1/comments/_import", body: `{"noteId":1,"text":"x"}` + "\n", media: "application/x-ndjson", want: map[string]int{"all": 403}}, // set names the author
	},
	"openSession": {{path: "/v1/_sessions", want: map[string]int{"all": 201}}}, "commitSession": {{path: "/v1/_sessions/none/commit", want: map[string]int{"all": 410}}},
	"abortSession": {{path: "/v1/_sessions/none/abort", want: map[string]int{"all": 410}}},
	"live":         {{path: "/livez", want: everybody}}, "ready": {{path: "/readyz", want: everybody}}, "openapi": {{path: "/openapi.json", want: everybody}},
	"metrics": {{path: "/metrics", want: map[string]int{"all": 404}}}, // where none are served
	"docs":    {{path: "/docs", want: everybody}}, "docsAsset": {{path: "/docs/app.js", want: everybody}},
	"problems": {{path: "/problems", want: everybody}}, "problem": {{path: "/problems/forbidden", want: everybody}},
}

// fresh makes a note of ada's and returns its id.
func (g *guarded) fresh(status string) string {
	g.t.Helper()
	created := g.do("POST", "/v1/notes", `{"title":"t","rating":5,"ownerId":"ada","status":"`+status+`"}`, admin).is(201)
	return fmt.Sprint(created.json()["id"])
}

// filled puts notes of this line into a text.
func (g *guarded) filled(text string, ids map[string]string) string {
	for name, make := range map[string]func() string{
		"{draft}": func() string { return g.fresh("draft") }, "{published}": func() string { return g.fresh("published") },
		"{deleted}": func() string {
			id := g.fresh("draft")
			g.do("DELETE", "/v1/notes/"+id, "", admin).is(204)
			return id
		},
	} {
		if strings.Contains(text, name) {
			if ids[name] == "" {
				ids[name] = make()
			}
			text = strings.ReplaceAll(text, name, ids[name])
		}
	}
	return text
}

// Every route is asked by every kind of caller; a route without a line fails.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	g := notes(t)
	known := map[string]bool{}
	for _, route := range api.Routes() {
		known[route.ID] = true
		if len(matrix[route.ID]) == 0 {
			t.Errorf("%s %s (%s) has no line in the matrix: say who may do what by it", route.Method, route.Path, route.ID)
		}
		for _, line := range matrix[route.ID] {
			for _, name := range slices.Sorted(maps.Keys(matrixCallers)) {
				ids := map[string]string{}
				headers := []string{matrixCallers[name]}
				if line.media != "" {
					headers = append(headers, "Content-Type: "+line.media)
				}
				got := g.do(route.Method, g.filled(line.path, ids), g.filled(line.body, ids), headers...)
				want, named := line.want[name]
				if !named {
					want = line.want["all"]
				}
				if got.status != want {
					t.Errorf("%s by %s: status %d, want %d: %s", got.what, name, got.status, want, got.body)
				}
			}
		}
	}
	for id := range matrix {
		if !known[id] {
			t.Errorf("the matrix has lines of %s, and there is no such route", id)
		}
	}
}
