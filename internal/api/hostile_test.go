package api_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// hostileFilters try to break out of a filter, or to make it expensive. Package
// filter has more of them.
var hostileFilters = map[string]string{
	"operator in a value":      `{"name": {"$eq": {"$gt": ""}}}`,
	"operator in a list":       `{"name": {"$in": [{"$ne": null}]}}`,
	"operator deep in a value": `{"address": {"city": {"$ne": null}}}`,
	"code":                     `{"$where": "sleep(1000) || true"}`,
	"function":                 `{"$expr": {"$function": {"body": "function() {}", "args": [], "lang": "js"}}}`,
	"code in a path":           `{"address.$where": "1"}`,
	"prototype":                `{"__proto__": {"admin": true}}`,
	"constructor":              `{"constructor": {"prototype": {"admin": true}}}`,
	"stored id":                `{"_id": {"$gt": ""}}`,
	"NUL in a name":            `{"name\u0000": "x"}`,
	"NUL in an operator":       `{"name": {"$gt\u0000": "x"}}`,
	"lone surrogate":           `{"name": "\ud800"}`,
	"name twice":               `{"name": "a", "name": {"$ne": null}}`,
	"wrong type":               `{"seats": "many"}`,
	"deep conditions":          strings.Repeat(`{"$and":[`, 2000) + `{}` + strings.Repeat(`]}`, 2000),
	"deep value":               `{"address":` + strings.Repeat(`[`, 2000) + strings.Repeat(`]`, 2000) + `}`,
	"deep relations":           strings.Repeat(`{"owner":{"$is":`, 30) + `{}` + strings.Repeat(`}}`, 30),
	"many conditions":          `{"$or":[` + strings.Repeat(`{"seats":1},`, 2000) + `{}]}`,
	"many values":              `{"seats":{"$in":[` + strings.Repeat(`1,`, 10_000) + `1]}}`,
	"long name":                `{"` + strings.Repeat("a", 30_000) + `": 1}`,
	"long pattern":             `{"name": {"$regex": "` + strings.Repeat("a", 30_000) + `"}}`,
	"catastrophic pattern":     `{"name": {"$regex": "^(a+)+$"}}`,
	"overlapping repeats":      `{"name": {"$regex": ".*.*.*.*=.*"}}`,
	"backreference":            `{"name": {"$regex": "(a)\\1"}}`,
	"engine's command":         `{"name": {"$regex": "(*LIMIT_MATCH=1)a"}}`,
	"extended pattern":         `{"name": {"$regex": "a", "$options": "x"}}`,
	"search without an index":  `{"$text": {"$search": "a"}}`,
	"near under a condition":   `{"$or": [{"location": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 2]}}}}]}`,
	"near what is nowhere":     `{"location": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 200]}}}}`,
	"ring that does not close": `{"location": {"$geoWithin": {"$geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 2]]]}}}}`,
	"size below zero":          `{"tags": {"$size": -1}}`,
	"relation as a field":      `{"owner": {"$gt": ""}}`,
	"path into a relation":     `{"owner.email": "a"}`,
	"not JSON":                 `{"name": `,
	"more than one filter":     `{} {}`,
	"number beyond every type": `{"rating": 1e999}`,
	"code in a relation":       `{"owner": {"$is": {"$where": "1"}}}`,
}

// hostileParameters are other parts of a list.
var hostileParameters = map[string]url.Values{
	"operator as a parameter":   {"$where": {"1"}},
	"operator in brackets":      {"name[$ne]": {""}},
	"nested brackets":           {"name[$ne][$gt]": {""}},
	"unlisted operator":         {"name[where]": {"1"}},
	"object in a parameter":     {"address": {`{"$gt": ""}`}},
	"catastrophic parameter":    {"name[regex]": {"(a|a?)+$"}},
	"enormous limit":            {"limit": {"99999999999999999999"}},
	"negative limit":            {"limit": {"-1"}},
	"limit that is no number":   {"limit": {"0x10"}},
	"forged cursor":             {"after": {"eyJpZCI6eyIkZ3QiOiIifX0"}},
	"cursor that is no base64":  {"after": {"!!!"}},
	"long cursor":               {"after": {strings.Repeat("A", 20_000)}},
	"order by an operator":      {"sort": {"$natural"}},
	"order by a path with code": {"sort": {"address.$where"}},
	"fields by an operator":     {"select": {"$where"}},
	"fields with a NUL":         {"select": {"name\x00"}},
	"filter twice":              {"filter": {`{}`, `{"name": "x"}`}},
}

// TestHostileListsReachNoDatabase sends each in the query and, where it can be,
// in the body: it is answered with 400, and no command is sent.
func TestHostileListsReachNoDatabase(t *testing.T) {
	var commands atomic.Int64
	observer := observe.New(observe.Subscriber{Command: func(_ context.Context, c observe.Command) {
		if c.Collection == "restaurants" {
			commands.Add(1)
		}
	}})
	uri, db := testkit.Mongo(t)
	s := startOn(t, exampleModel(t, "guide"), uri, db, observer)
	s.do(http.MethodGet, "/v1/restaurants", "").is(http.StatusOK)
	if commands.Swap(0) == 0 {
		t.Fatal("a list that is served sends no command that the test sees")
	}
	refused := func(name string, a answer) {
		if a.status != http.StatusBadRequest {
			t.Errorf("%s: status %d: %.300s", name, a.status, a.body)
		}
	}
	for name, filter := range hostileFilters {
		refused(name, s.do(http.MethodGet, "/v1/restaurants?"+url.Values{"filter": {filter}}.Encode(), ""))
		refused(name+", in a body", s.do(http.MethodPost, "/v1/restaurants/_query", `{"filter": `+filter+`}`))
	}
	for name, values := range hostileParameters {
		refused(name, s.do(http.MethodGet, "/v1/restaurants?"+values.Encode(), ""))
	}
	if sent := commands.Load(); sent != 0 {
		t.Errorf("%d commands were sent", sent)
	}
}

// TestPolygonsThatTheGlobeCannotHold are ones that only MongoDB can tell: their
// edges cross on the globe.
func TestPolygonsThatTheGlobeCannotHold(t *testing.T) {
	s := start(t, exampleModel(t, "guide"))
	for _, polygon := range []string{
		`{"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}`,
		`{"type": "Polygon", "coordinates": [[[0, 0], [0, 0], [0, 0], [0, 0]]]}`,
		`{"type": "Polygon", "coordinates": [[[0, 0], [3, 0], [3, 3], [0, 0]], [[10, 10], [11, 10], [11, 11], [10, 10]]]}`,
	} {
		s.do(http.MethodPost, "/v1/restaurants/_query", `{"filter": {"location": {"$geoWithin": {"$geometry": `+polygon+`}}}}`).problem(http.StatusBadRequest, "invalid-parameter")
		s.do(http.MethodPost, "/v1/restaurants", `{"id": "a", "name": "A", "cuisine": "french", "location": `+polygon+`}`).problem(http.StatusUnprocessableEntity, "validation-failed")
	}
}
