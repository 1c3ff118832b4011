package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// kept are collections that keep what is deleted, beside one that does not.
var kept = fstest.MapFS{
	"users.yaml": {Data: []byte(`
collection: users
id: int
soft_delete: {keep: 30d}
fields:
  name: {type: string, required: true}
  email: {type: string, unique: true}
  team: {type: string}
  n: {type: int}
indexes:
  - {keys: [team, name], unique: true, where: {team: {$gte: ""}}}
relations:
  posts: {has_many: posts, by: author}
  notes: {has_many: notes, by: author}
aggregates:
  names: {pipeline: [{$match: {n: {$gte: 0}}}, {$sort: {_id: 1}}, {$project: {name: 1}}]}
  written: {pipeline: [{$lookup: {from: posts, localField: _id, foreignField: author, as: posts}}, {$project: {n: {$size: $posts}}}, {$sort: {_id: 1}}]}
  all: {pipeline: [{$project: {name: 1}}, {$unionWith: posts}, {$count: n}]}
`)},
	"posts.yaml": {Data: []byte(`
collection: posts
id: int
soft_delete: true
fields:
  title: {type: string, required: true}
  author: {type: ref, to: users, on_delete: restrict}
  editor: {type: ref, to: users, on_delete: set_null}
relations:
  by: {belongs_to: users, by: author}
  comments: {has_many: comments, by: post}
`)},
	"comments.yaml": {Data: []byte(`
collection: comments
id: int
soft_delete: true
fields:
  text: {type: string}
  post: {type: ref, to: posts, on_delete: cascade}
`)},
	"notes.yaml": {Data: []byte(`
collection: notes
id: int
fields:
  author: {type: ref, to: users, on_delete: cascade}
  deleted: {type: string}
  deletedAt: {type: string}
`)},
}

func TestDeletedDocumentsAreGone(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, kept))
	s.do("POST", "/v1/users", `[{"id":1,"name":"ada","email":"a@x","n":1},{"id":2,"name":"bob","email":"b@x","n":2},{"id":3,"name":"cy","n":3}]`).is(201)
	s.do("POST", "/v1/posts", `[{"id":1,"title":"one","author":1},{"id":2,"title":"two","author":1},{"id":3,"title":"three","author":2}]`).is(201)
	s.do("DELETE", "/v1/posts/2", "").is(204)
	s.do("DELETE", "/v1/users/3", "").is(204)
	for _, gone := range []answer{
		s.do("GET", "/v1/users/3", ""), s.do("DELETE", "/v1/users/3", ""), s.do("PATCH", "/v1/users/3", `{"name":"x"}`),
		s.do("PUT", "/v1/users/3", `{"name":"x"}`), s.do("PATCH", "/v1/users/3", `{"$inc":{"n":1}}`, "Content-Type: application/vnd.sheaf.update+json"),
	} {
		gone.problem(404, "not-found")
	}
	s.do("PUT", "/v1/users/3", `{"name":"new"}`, "If-None-Match: *").problem(412, "version-conflict")
	s.do("POST", "/v1/users", `{"id":3,"name":"new"}`).problem(409, "duplicate-key", "/id")
	s.do("POST", "/v1/_transactions", `{"operations":[{"read":"users","id":3}]}`).problem(404, "not-found", "/operations/0")
	s.do("PATCH", "/v1/users?n[gte]=0", `{"team":"t"}`).is(200).has(`"matched":2`)
	for path, want := range map[string][]string{
		"/v1/users?select=id&count=exact":                                                      {`{"data":[{"id":1},{"id":2}],"page":{"total":2}}`},
		"/v1/users?deleted=only&select=name,version":                                           {`{"data":[{"id":3,"name":"cy","version":2}],"page":{}}`},
		"/v1/users?deleted=include&select=id&sort=-n":                                          {`[{"id":3},{"id":2},{"id":1}]`},
		"/v1/users?deleted=only&select=id&sort=-deletedAt&deletedAt[gte]=2020-01-01T00:00:00Z": {`[{"id":3}]`},
		"/v1/users?sort=email&select=email":                                                    {`[{"id":1,"email":"a@x"},{"id":2,"email":"b@x"}]`},
		"/v1/users/3?deleted=include":                                                          {`"deletedAt":"20`, `"version":2`},
		"/v1/users/3?deleted=only":                                                             {`"name":"cy"`},
		"/v1/users/1?include=posts":                                                            {`"posts":[{"id":1,`},
		`/v1/users?filter={"posts":{"$some":{"title":"two"}}}`:                                 {`"data":[]`},
		`/v1/users?filter={"posts":{"$every":{"title":"one"}}}&select=id`:                      {`[{"id":1}]`},
		"/v1/users/_aggregates/names":                                                          {`{"data":[{"id":1,"name":"ada"},{"id":2,"name":"bob"}]}`},
		"/v1/users/_aggregates/written":                                                        {`{"data":[{"id":1,"n":1},{"id":2,"n":1}]}`},
		"/v1/users/_aggregates/all":                                                            {`[{"n":4}]`},
		"/v1/notes?deleted=yes":                                                                {`"data":[]`},
	} {
		s.do("GET", strings.ReplaceAll(strings.ReplaceAll(path, `"`, "%22"), "{", "%7B"), "").is(200).has(want...)
	}
	s.do("GET", "/v1/users/1?deleted=only", "").problem(404, "not-found")
	s.do("POST", "/v1/users/_query", `{"deleted":"only","include":"posts"}`).is(200).has(`"id":3`)
	s.do("GET", "/v1/users?deleted=yes", "").problem(400, "invalid-parameter", "deleted")
	s.do("POST", "/v1/users/_query", `{"deleted":"yes"}`).problem(400, "invalid-parameter", "/deleted")
	s.do("GET", "/v1/users?count=estimate", "").problem(400, "invalid-parameter", "count")
	s.do("GET", "/v1/users?count=estimate&deleted=include", "").is(200).has(`"total":3`)
	s.do("GET", "/v1/notes?deleted=only", "").problem(400, "invalid-parameter", "deleted")
	s.do("POST", "/v1/users", `{"id":9,"name":"x","deletedAt":"2020-01-01T00:00:00Z"}`).problem(422, "validation-failed", "/deletedAt")
	s.do("PATCH", "/v1/users/1", `{"deletedAt":"2020-01-01T00:00:00Z"}`).problem(422, "validation-failed", "/deletedAt")
}

func TestDeletedDocumentsAndReferences(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, kept))
	s.do("POST", "/v1/users", `[{"id":1,"name":"ada"},{"id":2,"name":"bob"},{"id":3,"name":"ed"}]`).is(201)
	s.do("POST", "/v1/posts", `[{"id":1,"title":"one","author":1,"editor":3},{"id":2,"title":"two","author":2}]`).is(201)
	s.do("POST", "/v1/comments", `[{"id":1,"post":1},{"id":2,"post":1},{"id":3,"post":2}]`).is(201)
	s.do("POST", "/v1/notes", `[{"id":1,"author":1},{"id":2,"author":2}]`).is(201)

	s.do("DELETE", "/v1/users/1", "").problem(409, "reference-violation", "")
	s.do("DELETE", "/v1/comments/2", "").is(204)
	s.do("DELETE", "/v1/posts/1", "").is(204)
	s.do("GET", "/v1/comments?deleted=include&post=1", "").is(200).has(`"id":1,"post":1,"version":2`, `"id":2,"post":1,"version":2`)
	s.do("DELETE", "/v1/users/1", "").is(204)                        // what is deleted does not forbid it
	s.do("GET", "/v1/notes?select=id", "").is(200).has(`[{"id":2}]`) // a collection that keeps nothing
	s.do("POST", "/v1/posts", `{"id":9,"title":"x","author":1}`).problem(409, "reference-violation", "/author")
	s.do("PATCH", "/v1/posts/2", `{"author":1}`).problem(409, "reference-violation", "/author")
	s.do("POST", "/v1/posts", `{"id":9,"title":"x","by":{"connect":{"id":1}}}`).problem(409, "reference-violation", "/by/connect")

	s.do("POST", "/v1/posts/1/_restore", "").problem(409, "reference-violation", "/author")
	s.do("POST", "/v1/posts/2/_restore", "").problem(404, "not-found")
	s.do("POST", "/v1/posts/7/_restore", "").problem(404, "not-found")
	s.do("POST", "/v1/notes/2/_restore", "").problem(404, "unknown-route")
	s.do("POST", "/v1/users/1/_restore", "", `If-Match: "1"`).problem(412, "version-conflict")
	s.do("POST", "/v1/users/1/_restore?version=1", "").problem(400, "invalid-parameter", "version")
	restored := s.do("POST", "/v1/users/1/_restore", "", `If-Match: "2"`, "Idempotency-Key: r1").is(200).has(`"version":3`, `"name":"ada"`)
	if strings.Contains(string(restored.body), "deletedAt") || restored.header.Get("Etag") != `"3"` {
		t.Errorf("restored: %s %v", restored.body, restored.header)
	}
	s.do("POST", "/v1/users/1/_restore", "", `If-Match: "2"`, "Idempotency-Key: r1").is(200).has(`"version":3`)
	s.do("POST", "/v1/_transactions", `{"operations":[{"restore":"posts","id":1,"version":2},{"restore":"comments","id":1},{"read":"comments","id":1}]}`).is(200).
		has(`{"status":200,"id":1,"version":3,"document":{"id":1,"title":"one","author":1,"editor":3,`)
	s.do("GET", "/v1/posts/1?include=by,comments", "").is(200).has(`"name":"ada"`, `"comments":[{"id":1,`)
	s.do("DELETE", "/v1/users/3", "").is(204)
	s.do("GET", "/v1/posts/1", "").is(200).has(`"author":1,"version":4`)
	s.do("POST", "/v1/_transactions", `{"operations":[{"restore":"notes","id":1},{"restore":"users","id":3,"history":2}]}`).
		problem(422, "validation-failed", "/operations/0/restore", "/operations/1/history")
}

func TestUniqueValuesOfDeletedDocuments(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, kept))
	s.do("POST", "/v1/users", `[{"id":1,"name":"ada","email":"a@x","team":"t"},{"id":2,"name":"bob","email":"b@x","team":"t"}]`).is(201)
	s.do("POST", "/v1/users", `{"id":3,"name":"cy","email":"a@x"}`).problem(409, "duplicate-key", "/email")
	s.do("DELETE", "/v1/users/1", "").is(204)
	s.do("POST", "/v1/users", `{"id":3,"name":"ada","email":"a@x","team":"t"}`).is(201)
	s.do("POST", "/v1/users", `{"id":4,"name":"ada","team":"t"}`).problem(409, "duplicate-key", "/team", "/name")
	s.do("POST", "/v1/users/1/_restore", "").problem(409, "duplicate-key", "/email")
	s.do("DELETE", "/v1/users/3", "").is(204)
	s.do("POST", "/v1/users/1/_restore", "").is(200)
	s.do("POST", "/v1/users/3/_restore", "").problem(409, "duplicate-key", "/email")
	s.do("GET", "/v1/users?email=b@x&explain=true&sort=email", "").is(200).has(`"index":"email_1_live"`)
	s.do("GET", "/v1/users?deleted=only&explain=true&sort=-deletedAt", "").is(200).has(`"index":"deletedAt_1_deleted"`)
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, kept))
	s.do("POST", "/v1/users", `[{"id":1,"name":"a","n":1},{"id":2,"name":"b","n":1},{"id":3,"name":"c","n":2},{"id":4,"name":"d"}]`).is(201)
	s.do("POST", "/v1/posts", `[{"id":1,"title":"one","author":4}]`).is(201)
	s.do("POST", "/v1/comments", `[{"id":1,"post":1},{"id":2,"post":1}]`).is(201)
	s.do("DELETE", "/v1/users/1", "").is(204)
	s.do("DELETE", "/v1/users/1?purge=true", "", `If-Match: "1"`).problem(412, "version-conflict")
	s.do("DELETE", "/v1/users/1?purge=maybe", "").problem(400, "invalid-parameter", "purge")
	s.do("DELETE", "/v1/users/1?purge=true", "").is(204)
	s.do("DELETE", "/v1/users/1?purge=true", "").problem(404, "not-found")
	s.do("POST", "/v1/users/1/_restore", "").problem(404, "not-found")
	s.do("POST", "/v1/users", `{"id":1,"name":"again"}`).is(201).has(`"version":1`)
	s.do("DELETE", "/v1/users?n=1", "").is(200).has(`"deleted":1`)
	s.do("DELETE", "/v1/users?n[gte]=1&purge=true", "").is(200).has(`"deleted":2`)
	s.do("GET", "/v1/users?deleted=include&select=id", "").is(200).has(`[{"id":1},{"id":4}]`)
	s.do("DELETE", "/v1/users/4?purge=true", "").problem(409, "reference-violation", "")
	s.do("DELETE", "/v1/comments/1", "").is(204)
	s.do("POST", "/v1/_transactions", `{"operations":[{"delete":"posts","id":1,"purge":true},{"delete":"users","id":4,"purge":true}]}`).is(200)
	s.do("GET", "/v1/comments?deleted=include", "").is(200).has(`"data":[]`)
	s.do("DELETE", "/v1/notes/1?purge=true", "").problem(400, "invalid-parameter", "purge")
}

// TestDeletesOfManyAtOnce holds concurrent deletes and restores of few documents,
// which share transactions.
func TestDeletesOfManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, kept))
	const documents, rounds = 4, 60
	for id := range documents {
		s.do("POST", "/v1/comments", fmt.Sprintf(`{"id":%d}`, id)).is(201)
	}
	var group sync.WaitGroup
	work := func(worker int) {
		for round := range rounds / 6 {
			id := (worker + round) % documents
			switch (worker + round) % 3 {
			case 0:
				s.do("DELETE", fmt.Sprintf("/v1/comments/%d", id), "")
			case 1:
				s.do("POST", fmt.Sprintf("/v1/comments/%d/_restore", id), "")
			default:
				s.do("PATCH", fmt.Sprintf("/v1/comments/%d", id), `{"text":"x"}`)
			}
		}
	}
	for worker := range 24 {
		group.Go(func() { work(worker) })
	}
	group.Wait()
	for id := range documents {
		path := fmt.Sprintf("/v1/comments/%d", id)
		doc := s.do("GET", path+"?deleted=include", "").is(200).json()
		_, deleted := doc["deletedAt"]
		want := map[bool]int{true: 404, false: 200}[deleted]
		s.do("GET", path, "").is(want)
	}
}
