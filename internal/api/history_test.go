package api_test

import (
	"fmt"
	"testing"
	"testing/fstest"
)

var historic = fstest.MapFS{
	"articles.yaml": {Data: []byte(`
collection: articles
id: string
history: true
fields:
  title: {type: string, required: true, max_length: 10}
  n: {type: int}
  section: {type: ref, to: sections, on_delete: cascade}
  topic: {type: ref, to: sections, on_delete: set_null}
relations:
  in: {belongs_to: sections, by: section}
`)},
	"sections.yaml": {Data: []byte(`
collection: sections
id: int
soft_delete: true
history: {keep: 90d}
fields:
  name: {type: string}
relations:
  articles: {has_many: articles, by: section}
`)},
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, historic))
	s.do("POST", "/v1/articles", `{"id":"a","title":"one"}`).is(201)
	s.do("PATCH", "/v1/articles/a", `{"title":"two"}`).is(200)
	s.do("PATCH", "/v1/articles/a", `{"$set":{"n":1}}`, "Content-Type: application/vnd.sheaf.update+json", "Prefer: return=minimal").is(204)
	s.do("PUT", "/v1/articles/a", `{"title":"three"}`).is(200)
	s.do("PUT", "/v1/articles/b", `{"title":"b"}`, "If-None-Match: *").is(201)
	s.do("DELETE", "/v1/articles/a", "").is(204)
	s.do("GET", "/v1/articles/a", "").problem(404, "not-found")

	s.do("GET", "/v1/articles/a/_history?limit=2", "").is(200).
		has(`{"data":[{"version":5,"at":"20`, `"operation":"delete","document":{"id":"a","title":"three","version":4,`, `{"version":4,`, `"operation":"replace"`, `"page":{"next":"4"}}`).
		sends("Link", `</v1/articles/a/_history?after=4&limit=2>; rel="next"`)
	s.do("GET", "/v1/articles/a/_history?limit=2&after=4", "").is(200).has(`{"data":[{"version":3,`, `"n":1`, `{"version":2,`, `"operation":"update"`, `"page":{"next":"2"}}`)
	s.do("GET", "/v1/articles/a/_history?limit=2&after=2", "").is(200).has(`{"data":[{"version":1,`, `"operation":"create","document":{"id":"a","title":"one",`, `"page":{}}`)
	s.do("GET", "/v1/articles/a/_history/2", "").is(200).has(`{"version":2,`, `"title":"two"`)
	s.do("GET", "/v1/articles/a/_history/2", "", "Accept: application/ejson").is(200).has(`"version":{"$numberLong":"2"}`)
	s.do("GET", "/v1/articles/a/_history/9", "").problem(404, "not-found")
	s.do("GET", "/v1/articles/a/_history/x", "").problem(400, "invalid-parameter", "version")
	s.do("GET", "/v1/articles/zz/_history", "").problem(404, "not-found")
	s.do("GET", "/v1/articles/a/_history?after=x", "").problem(400, "invalid-parameter", "after")
	s.do("GET", "/v1/articles/a/_history?limit=0", "").problem(400, "invalid-parameter", "limit")
	s.do("GET", "/v1/articles/a/_history?before=3", "").problem(400, "invalid-parameter", "before")

	s.do("POST", "/v1/articles/a/_restore", "", `If-Match: "4"`).problem(412, "version-conflict")
	s.do("POST", "/v1/articles/a/_restore", "").is(200).has(`"title":"three"`, `"version":6`)
	s.do("POST", "/v1/articles/a/_restore", "").problem(404, "not-found")
	s.do("POST", "/v1/articles/a/_restore?version=3", "", `If-Match: "6"`).is(200).has(`"title":"two"`, `"n":1`, `"version":7`)
	s.do("POST", "/v1/articles/a/_restore?version=77", "").problem(404, "not-found")
	s.do("GET", "/v1/articles/a/_history?limit=1", "").is(200).has(`{"version":7,`, `"operation":"restore"`)
	// An id that comes again goes on with the versions of the one before.
	s.do("DELETE", "/v1/articles/a", "").is(204)
	s.do("POST", "/v1/articles", `{"id":"a","title":"anew"}`).is(201).has(`"version":9`).sends("ETag", `"9"`)
	s.do("DELETE", "/v1/articles/a?purge=true", "").is(204)
	s.do("GET", "/v1/articles/a/_history", "").problem(404, "not-found")
	s.do("DELETE", "/v1/articles/b", "").is(204)
	s.do("DELETE", "/v1/articles/b?purge=true", "").is(204)
	s.do("DELETE", "/v1/articles/b?purge=true", "").problem(404, "not-found")
	s.do("POST", "/v1/articles", `{"id":"b","title":"b"}`).is(201).has(`"version":1`)
}

// TestHistoryOfEveryWay holds that each way of writing leaves its versions.
func TestHistoryOfEveryWay(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, historic))
	versions := func(path string, want ...string) {
		t.Helper()
		page := s.do("GET", path+"/_history?limit=100", "").is(200).json()
		var got []string
		for _, entry := range page["data"].([]any) {
			e := entry.(map[string]any)
			got = append(got, fmt.Sprintf("%v %v", e["version"], e["operation"]))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	s.do("POST", "/v1/sections", `[{"id":1,"name":"x"},{"id":2,"name":"y"},{"id":3}]`).is(201)
	s.do("POST", "/v1/articles", `{"id":"nested","title":"n","in":{"create":{"id":4}}}`).is(201)
	s.do("POST", "/v1/sections", `{"id":5,"articles":{"connect":{"id":"nested"}}}`).is(201)
	versions("/v1/sections/4", "1 create")
	versions("/v1/sections/5", "1 create")
	versions("/v1/articles/nested", "2 update", "1 create")
	s.do("POST", "/v1/articles", `[{"id":"c","title":"t","section":1},{"id":"n","title":"t","topic":1}]`).is(201)
	s.do("PATCH", "/v1/articles?title=t", `{"n":1}`).is(200).has(`"modified":2`)
	s.do("POST", "/v1/_transactions", `{"operations":[{"update":"articles","id":"c","change":{"n":2}},{"update":"articles","id":"c","change":{"$inc":{"n":1}}},
		{"replace":"articles","id":"n","document":{"title":"t","topic":1}}]}`).is(200)
	s.do("POST", "/v1/_transactions", `{"operations":[{"update":"articles","id":"c","change":{"n":9}}]}`, "Prefer: tx=rollback").is(200)
	versions("/v1/articles/c", "4 update", "3 update", "2 update", "1 create")
	s.do("DELETE", "/v1/sections/1", "", "Idempotency-Key: k").is(204)
	s.do("DELETE", "/v1/sections/1", "", "Idempotency-Key: k").is(204)
	versions("/v1/articles/c", "5 delete", "4 update", "3 update", "2 update", "1 create")
	versions("/v1/articles/n", "4 update", "3 replace", "2 update", "1 create")
	versions("/v1/sections/1", "2 delete", "1 create")
	s.do("POST", "/v1/articles/c/_restore", "").problem(409, "reference-violation", "/section")
	s.do("POST", "/v1/_transactions", `{"operations":[{"restore":"sections","id":1},{"restore":"articles","id":"c","history":2}]}`).is(200)
	versions("/v1/articles/c", "6 restore", "5 delete", "4 update", "3 update", "2 update", "1 create")
	s.do("DELETE", "/v1/sections?name=y", "").is(200)
	versions("/v1/sections/2", "2 delete", "1 create")
	session := "Sheaf-Session: " + s.do("POST", "/v1/_sessions", "").is(201).json()["id"].(string)
	s.do("POST", "/v1/articles", `{"id":"s","title":"s"}`, session).is(201)
	s.do("PATCH", "/v1/articles/s", `{"n":1}`, session).is(200)
	s.do("GET", "/v1/articles/s/_history", "", session).is(200).has(`"version":2`)
	s.do("GET", "/v1/articles/s/_history", "").problem(404, "not-found")
	s.do("POST", "/v1/_sessions/"+session[len("Sheaf-Session: "):]+"/commit", "").is(204)
	versions("/v1/articles/s", "2 update", "1 create")
}
