package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestExamples(t *testing.T) {
	for _, name := range []string{"blog", "bank"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, exampleModel(t, name))
			testkit.RunScenario(t, "../../examples/"+name+"/scenario.hurl", s.url, s.checker.Check)
		})
	}
}

func TestIDsOfEveryKind(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	for _, c := range []struct{ collection, body, id string }{
		{"objectids", `{"name":"a"}`, ""},
		{"objectids", `{"name":"a","id":"65f1c0ffee65f1c0ffee65f1"}`, "65f1c0ffee65f1c0ffee65f1"},
		{"uuids", `{"name":"a"}`, ""},
		{"uuids", `{"name":"a","id":"0190B6F4-8F5C-7A3E-9C1D-2B4E6F8A0C1E"}`, "0190b6f4-8f5c-7a3e-9c1d-2b4e6f8a0c1e"},
		{"increments", `{"name":"a"}`, "1"},
		{"increments", `{"name":"a"}`, "2"},
		{"strings", `{"name":"a","id":"a/b c%2F?#ü"}`, "a%2Fb%20c%252F%3F%23%C3%BC"},
		{"ints", `{"name":"a","id":-9223372036854775808}`, "-9223372036854775808"},
	} {
		created := s.do("POST", "/v1/"+c.collection, c.body).is(201).sends("ETag", `"1"`)
		location := created.header.Get("Location")
		if c.id != "" && location != "/v1/"+c.collection+"/"+c.id {
			t.Errorf("Location %s, want the id %s", location, c.id)
		}
		read := s.do("GET", location, "").is(200).sends("ETag", `"1"`).sends("Vary", "Accept")
		if string(read.body) != string(created.body) {
			t.Errorf("created %s, read %s", created.body, read.body)
		}
		s.do("DELETE", location, "").is(204)
		s.do("GET", location, "").problem(404, "not-found")
	}
	s.do("POST", "/v1/increments", `{"name":"a","id":7}`).problem(422, "validation-failed", "/id")
	s.do("POST", "/v1/strings", `{"name":"a"}`).problem(422, "validation-failed", "/id")
	s.do("POST", "/v1/ints", `{"name":"a","id":"7"}`).problem(422, "validation-failed", "/id")
	s.do("GET", "/v1/ints/x", "").problem(400, "invalid-parameter", "id")
	s.do("GET", "/v1/objectids/65f1", "").problem(400, "invalid-parameter", "id")
}

func TestADocumentThroughItsLife(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	doc := s.do("POST", "/v1/increments", `{"name":"  Ada ","email":"ADA@example.com","tags":["a","b"]}`).is(201).
		has(`"name":"Ada"`, `"email":"ada@example.com"`, `"level":1`, `"version":1`).json()
	s.do("PATCH", "/v1/increments/1", `{"age":36,"tags":null,"nested":{"note":"n"}}`, "Content-Type: application/merge-patch+json").
		is(200).sends("ETag", `"2"`).has(`"age":36`, `"note":"n"`, fmt.Sprintf(`"createdAt":%q`, doc["createdAt"]))
	s.do("PATCH", "/v1/increments/1", `{"nested":{"sku":"s"}}`, `If-Match: "2"`).is(200).has(`"note":"n"`, `"sku":"s"`)
	s.do("PATCH", "/v1/increments/1", `{"nested":{"note":null}}`).problem(422, "validation-failed", "/nested/note")
	s.do("PATCH", "/v1/increments/1", `{"age":1}`, `If-Match: "2"`).problem(412, "version-conflict")
	s.do("PATCH", "/v1/increments/1", `{"age":1,"version":2}`).problem(412, "version-conflict")
	s.do("PATCH", "/v1/increments/1", `{"id":2}`).problem(422, "validation-failed", "/id")
	s.do("PUT", "/v1/increments/1", `{"name":"Bob"}`, `If-Match: "3"`).is(200).sends("ETag", `"4"`)
	if got := s.do("GET", "/v1/increments/1", "").json(); got["age"] != nil || got["level"] != json.Number("1") || got["createdAt"] != doc["createdAt"] {
		t.Errorf("after PUT: %v", got)
	}
	whole := s.do("GET", "/v1/increments/1", "")
	s.do("PUT", "/v1/increments/1", string(whole.body)).is(200).sends("ETag", `"5"`)
	s.do("PUT", "/v1/increments/1", string(whole.body)).problem(412, "version-conflict")
	s.do("PUT", "/v1/increments/99", `{"name":"x"}`).problem(404, "not-found")
	s.do("GET", "/v1/increments/1", "", `If-None-Match: "4", W/"5"`).is(304).sends("ETag", `"5"`)
	s.do("GET", "/v1/increments/1", "", `If-None-Match: "4"`).is(200)
	s.do("GET", "/v1/increments/1", "", `If-Match: "4"`).problem(412, "version-conflict")
	s.do("GET", "/v1/increments/1", "", `If-Match: 5`).problem(400, "invalid-parameter", "If-Match")
	s.do("DELETE", "/v1/increments/1", "", `If-Match: "4"`).problem(412, "version-conflict")
	s.do("DELETE", "/v1/increments/1", "", `If-Match: "5"`).is(204)
	s.do("DELETE", "/v1/increments/1", "").problem(404, "not-found")
	s.do("PATCH", "/v1/increments/1", `{"age":1}`).problem(404, "not-found")
}

func TestPutCreatesOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("PUT", "/v1/strings/k", `{"name":"x"}`).problem(404, "not-found")
	s.do("PUT", "/v1/strings/k", `{"name":"x"}`, "If-None-Match: *").is(201).sends("ETag", `"1"`).sends("Location", "/v1/strings/k")
	s.do("PUT", "/v1/strings/k", `{"name":"x"}`, "If-None-Match: *").problem(412, "version-conflict")
	s.do("PUT", "/v1/increments/7", `{"name":"x"}`, "If-None-Match: *").problem(422, "validation-failed", "If-None-Match")
	s.do("PUT", "/v1/strings/l", `{"name":"x","email":"a@b.example"}`, "If-None-Match: *").is(201)
	s.do("PUT", "/v1/strings/m", `{"name":"x","email":"a@b.example"}`, "If-None-Match: *").problem(409, "duplicate-key", "/email")
}

func TestEveryFaultIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/increments", `{"email":"x","age":130,"nmae":"q","tags":["toolong","a","a"],"nested":{"x":1},"version":3,"gone":1}`).
		problem(422, "validation-failed", "/nmae", "/nested/x", "/gone", "/version", "/email", "/age", "/tags/0", "/tags", "/nested/note", "/name").
		has(`did you mean`)
	s.do("POST", "/v1/increments", `{"name":"x","level":1.5}`).problem(422, "validation-failed", "/level")
	s.do("POST", "/v1/increments", `{"name":"x","level":9223372036854775808}`).problem(422, "validation-failed", "/level")
	s.do("POST", "/v1/increments", `[1]`).problem(422, "validation-failed", "/0")
	s.do("POST", "/v1/increments", `"x"`).problem(422, "validation-failed", "")
	s.do("POST", "/v1/increments", `{"name":"a","nested":{"sku":"1","note":""}}`).is(201)
	s.do("POST", "/v1/increments", `{"name":"a","nested":{"sku":"1","note":""}}`).problem(409, "duplicate-key", "/nested/sku")
	s.do("POST", "/v1/strings", `{"name":"a","id":"1"}`).is(201)
	s.do("POST", "/v1/strings", `{"name":"a","id":"1"}`).problem(409, "duplicate-key", "/id")
}

func TestTextThatIsNoJSON(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	for name, body := range map[string]string{
		"duplicate name": `{"name":"a","name":"b"}`, "bad UTF-8": "{\"name\":\"\xff\"}", "lone surrogate": `{"name":"\ud800"}`,
		"trailing bytes": `{"name":"a"} x`, "depth": `{"name":` + strings.Repeat("[", 120) + strings.Repeat("]", 120) + `}`,
		"broken off": `{"name":"a"`, "comment": `{"name":"a"/**/}`, "nothing": ` `, "array broken off": `[{"name":"a"},`,
		"in an array": `[{"name":"a"},{"name":"a","name":"b"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			s.do("POST", "/v1/increments", body).problem(400, "malformed-json")
			s.do("PATCH", "/v1/increments/1", body)
		})
	}
	s.do("GET", "/v1/increments", "").is(200).has(`"data":[]`)
}

func TestNoUpdateStoresWhatACreateRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/strings", `{"name":"Ada","id":"a","nested":{"note":"n"},"tags":["a"]}`).is(201)
	before := s.do("GET", "/v1/strings/a", "").body
	for _, fault := range []string{
		`"name":"` + strings.Repeat("x", 21) + `"`, `"age":-1`, `"age":1e400`, `"age":"1"`, `"email":"nobody"`, `"tags":["a","b","c","d"]`,
		`"tags":["a","a"]`, `"nested":{"note":1}`, `"nested":[]`, `"unknown":1`, `"$where":1`, `"level":null,"name":null`,
	} {
		body := "{" + fault + "}"
		whole := `{"name":"Ada",` + fault + "}"
		if strings.Contains(fault, `"name"`) {
			whole = body
		}
		for _, a := range []answer{s.do("PATCH", "/v1/strings/a", body), s.do("PUT", "/v1/strings/a", whole)} {
			if a.status != 422 {
				t.Errorf("%s of %s: status %d: %s", a.what, fault, a.status, a.body)
			}
		}
	}
	if after := s.do("GET", "/v1/strings/a", "").body; string(after) != string(before) {
		t.Errorf("stored %s, was %s", after, before)
	}
}

func TestAnArrayIsCreatedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/increments", `[{"name":"a","email":"a@b.example"},{"name":"b"}]`).is(201).has(`"data":[{"id":1`, `{"id":2`)
	s.do("POST", "/v1/increments", `[{"name":"c"},{"name":"d","email":"A@b.example"}]`).problem(409, "duplicate-key", "/1/email")
	s.do("POST", "/v1/increments", `[{"name":"c"},{"nam":"d"},{"name":1}]`).problem(422, "validation-failed", "/1/nam", "/1/name", "/2/name")
	s.do("POST", "/v1/increments", `[]`).problem(422, "validation-failed", "")
	many := "[" + strings.Repeat(`{"name":"a"},`, 1000) + `{"name":"a"}]`
	s.do("POST", "/v1/increments", many).problem(422, "validation-failed", "")
	if got := s.do("GET", "/v1/increments", "").json()["data"].([]any); len(got) != 2 {
		t.Errorf("%d documents, want 2", len(got))
	}
	s.do("POST", "/v1/increments", "["+strings.Repeat(`{"name":"a"},`, 999)+`{"name":"a"}]`, "Prefer: return=minimal").
		is(201).sends("Preference-Applied", "return=minimal")
}

func TestConcurrentCreatesNeverShareAnID(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	const clients, each = 64, 10
	ids := make([][]int, clients)
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for range each {
				created := s.do("POST", "/v1/increments", `{"name":"a"}`)
				if created.status != 201 {
					t.Errorf("status %d: %s", created.status, created.body)
					return
				}
				id, _ := strconv.Atoi(string(created.json()["id"].(json.Number)))
				ids[c] = append(ids[c], id)
			}
		})
	}
	group.Wait()
	for c := range ids {
		if !slices.IsSorted(ids[c]) {
			t.Errorf("a client's ids do not rise: %v", ids[c])
		}
	}
	all := slices.Concat(ids...)
	slices.Sort(all)
	if distinct := len(slices.Compact(all)); distinct != clients*each {
		t.Errorf("%d distinct ids, want %d", distinct, clients*each)
	}
}

func TestConcurrentPatchesAreAllKept(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, fileMap("open", "collection: open\nid: string\nadditional: keep\nfields: {name: {type: string}}\n")))
	s.do("POST", "/v1/open", `{"id":"a"}`).is(201)
	const clients, each = 8, 10
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := range each {
				if a := s.do("PATCH", "/v1/open/a", fmt.Sprintf(`{"f%d_%d":1}`, c, i)); a.status != 200 {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			}
		})
	}
	group.Wait()
	got := s.do("GET", "/v1/open/a", "").sends("ETag", fmt.Sprintf(`"%d"`, clients*each+1)).json()
	if len(got) != clients*each+4 {
		t.Errorf("%d members, want %d", len(got), clients*each+4)
	}
}

func TestOfRacingConditionalWritesOneWins(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/strings", `{"name":"a","id":"x"}`).is(201)
	statuses := make([]int, 16)
	var group sync.WaitGroup
	for i := range statuses {
		group.Go(func() {
			statuses[i] = s.do("PUT", "/v1/strings/x", fmt.Sprintf(`{"name":"n%d"}`, i), `If-Match: "1"`).status
		})
	}
	group.Wait()
	won := 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			won++
		case http.StatusPreconditionFailed:
		default:
			t.Errorf("status %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d writes won, want 1", won)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	var body strings.Builder
	for i := range 25 {
		fmt.Fprintf(&body, `,{"name":"n%d"}`, i)
	}
	s.do("POST", "/v1/increments", "["+body.String()[1:]+"]").is(201)
	path, pages, seen := "/v1/increments?limit=10", 0, 0
	for path != "" {
		page := s.do("GET", path, "").is(200)
		pages++
		value := page.json()
		for _, doc := range value["data"].([]any) {
			seen++
			if id := doc.(map[string]any)["id"]; id != json.Number(strconv.Itoa(seen)) {
				t.Fatalf("document %d has the id %v", seen, id)
			}
		}
		next, _ := value["page"].(map[string]any)["next"].(string)
		path = ""
		if link := page.header.Get("Link"); next != "" {
			path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			if !strings.Contains(path, "limit=10") {
				t.Errorf("Link %s", link)
			}
		} else if strings.Contains(link, `rel="next"`) {
			t.Errorf("the last page has the Link %s", link)
		}
	}
	if pages != 3 || seen != 25 {
		t.Errorf("%d documents in %d pages", seen, pages)
	}
	cursor := s.do("GET", "/v1/increments?limit=1", "").json()["page"].(map[string]any)["next"].(string)
	s.do("GET", "/v1/strings?after="+cursor, "").problem(400, "invalid-parameter", "after")
	s.do("GET", "/v1/increments?after=AAAA&limit=0", "").problem(400, "invalid-parameter", "limit")
	s.do("GET", "/v1/increments?limit=1001", "").problem(400, "invalid-parameter", "limit")
	s.do("GET", "/v1/increments?limt=1&limit=2&limit=3", "").problem(400, "invalid-parameter", "limit", "limt").has("did you mean")
	s.do("GET", "/v1/increments?limit=%zz", "").problem(400, "invalid-parameter")
	s.do("GET", "/v1/increments/1?limit=1", "").problem(400, "invalid-parameter", "limit")
}
