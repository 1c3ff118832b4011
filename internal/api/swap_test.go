package api_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sheafdb/sheaf/internal/schema"
)

// marked are two collections whose documents say by their defaults which model
// made them: both fields of one document, and of all documents of one request.
const marked = `
collection: %s
id: increment
fields:
  n: {type: int, default: 0}
  left: {type: string, default: MARK}
  right: {type: string, default: MARK}
  inner: {type: object, fields: {mark: {type: string, default: MARK}}}
  of: {type: ref, to: as}
`

func markedModel(t *testing.T, mark string, names ...string) *schema.Model {
	t.Helper()
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, strings.ReplaceAll(fmt.Sprintf(marked, name), "MARK", mark))
	}
	return load(t, fileMap(pairs...))
}

// Requests go on while models are swapped: none fails, and each is of one model
// from its beginning to its end.
func TestRequestsKeepTheModelThatTheyTook(t *testing.T) {
	t.Parallel()
	first, second := markedModel(t, "first", "as", "bs"), markedModel(t, "second", "as", "bs")
	s := start(t, first)
	s.do("POST", "/v1/as", `[{},{},{},{}]`).is(201)
	var turns atomic.Int64
	turn := func() *service {
		s.engine.SetModel([]*schema.Model{first, second}[turns.Add(1)%2])
		return s
	}
	var workers sync.WaitGroup
	for w := range 6 {
		workers.Go(func() {
			for i := range 12 {
				s.whole(turn().do("POST", "/v1/as", `{"inner":{}}`).is(201))
				s.whole(turn().do("POST", "/v1/bs", `[{},{"inner":{}},{}]`).is(201))
				s.whole(turn().do("POST", "/v1/_transactions", `{"operations":[{"create":"as","document":{"inner":{}}},{"create":"bs","document":{}},{"create":"as","document":{}}]}`).is(200))
				s.whole(turn().do("POST", "/v1/bs", `{"inner":{},"of":1}`).is(201))
				s.whole(turn().do("POST", "/v1/bs", `{"inner":{}}`, fmt.Sprintf(`Idempotency-Key: "%d-%d"`, w, i)).is(201))
				turn().do("PATCH", fmt.Sprintf("/v1/as/%d", 1+i%4), `{"$inc":{"n":1}}`, "Content-Type: application/vnd.sheaf.update+json").is(200)
				turn().do("PATCH", fmt.Sprintf("/v1/as/%d", 1+i%4), `{"inner":{"mark":"x"}}`).is(200)
				turn().do("GET", "/v1/as?limit=5", "").is(200)
			}
			for range 3 {
				if a := turn().do("GET", "/openapi.json", "").is(200); strings.Contains(string(a.body), `"first"`) == strings.Contains(string(a.body), `"second"`) {
					t.Error("the OpenAPI document is not that of one model")
				}
			}
		})
	}
	workers.Wait()
	s.engine.SetModel(first)
	s.do("GET", "/v1/as/1", "").is(200).has(`"n":18`)
}

// whole holds that all defaults of an answer are of one model.
func (s *service) whole(a answer) {
	s.t.Helper()
	first, second := strings.Contains(string(a.body), `"first"`), strings.Contains(string(a.body), `"second"`)
	if first == second {
		s.t.Errorf("%s: an answer is not of one model: %s", a.what, a.body)
	}
}

// What is made from a model follows when another one serves.
func TestWhatIsMadeFromTheModelFollowsIt(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, fileMap("things", "collection: things\nid: string\nfields:\n  a: {type: string}\n")))
	s.do("POST", "/v1/things", `{"id":"1","a":"x","b":"y"}`).problem(422, "validation-failed", "/b")
	s.do("GET", "/v1/things?filter={\"b\":\"y\"}", "").problem(400, "invalid-parameter", "filter/b")
	s.adopt(load(t, fileMap(
		"things", "collection: things\nid: string\nfields:\n  a: {type: string}\n  b: {type: string, unique: true}\n",
		"others", "collection: others\nfields:\n  thing: {type: ref, to: things, on_delete: cascade}\n")))
	s.do("POST", "/v1/things", `{"id":"1","a":"x","b":"y"}`).is(201)
	s.do("POST", "/v1/things", `{"id":"2","a":"x","b":"y"}`).problem(409, "duplicate-key", "/b")
	s.do("GET", "/v1/things?filter={\"b\":\"y\"}", "").is(200).has(`"id":"1"`)
	s.do("POST", "/v1/others", `{"thing":"1"}`).is(201)
	s.do("GET", "/openapi.json", "").is(200).has("/v1/others")
	s.do("DELETE", "/v1/things/1", "").is(204)
	s.do("GET", "/v1/others?count=exact", "").is(200).has(`"total":0`)
}
