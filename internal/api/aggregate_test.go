package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
)

const orders = `
collection: orders
id: increment
fields:
  status: {type: string}
  total:  {type: decimal}
  count:  {type: int}
  placed: {type: date}
  key:    {type: uuid}
  buyer:  {type: string}
aggregates:
  by_status:
    description: Orders by status.
    params:
      since:  {type: date}
      least:  {type: int, default: 0, min: 0, description: The smallest count.}
      status: {type: array, items: {type: string, enum: [open, paid, sent]}, max_items: 2}
      exact:  {type: decimal}
      key:    {type: uuid}
    pipeline:
      - {$match: {placed: {$gte: {$param: since}}, status: {$in: {$param: status}}, total: {$param: exact}, key: {$param: key}}}
      - {$group: {_id: $status, orders: {$sum: 1}, total: {$sum: $total}}}
      - {$match: {orders: {$gte: {$param: least}}}}
      - {$sort: {_id: 1}}
  either:
    params: {a: {type: string}, b: {type: string}}
    pipeline:
      - {$match: {$or: [{status: {$param: a}}, {status: {$not: {$ne: {$param: b}}}}]}}
      - {$project: {status: 1}}
  echo:
    params: {text: {type: string, required: true, max_length: 1000}, list: {type: array, items: {type: string}, default: []}}
    pipeline:
      - {$limit: 1}
      - {$project: {_id: 0, id: $status, text: {$param: text}, list: {$param: list}, same: {$eq: [$status, {$param: text}]}, price: {$literal: $12}}}
  find:
    params: {text: {type: string, required: true}}
    pipeline:
      - {$match: {buyer: {$param: text}}}
      - {$count: found}
  page:
    params: {skip: {type: int, default: 0, min: 0}, limit: {type: int, required: true, min: 1}}
    pipeline: [{$sort: {_id: 1}}, {$skip: {$param: skip}}, {$limit: {$param: limit}}, {$project: {status: true}}]
  all: {pipeline: [{$sort: {_id: 1}}], max_documents: 2}
  share:
    params: {parts: {type: int, required: true}}
    pipeline: [{$project: {part: {$divide: [$count, {$param: parts}]}}}]
  slow:
    pipeline:
      - {$set: {n: {$range: [0, 100000]}}}
      - {$unwind: $n}
      - {$group: {_id: null, sum: {$sum: {$size: {$range: [$n, {$add: [$n, 5000]}]}}}}}
    timeout: 50ms
  huge:
    pipeline:
      - {$limit: 1}
      - {$project: {n: {$range: [0, 20000]}, s: {$reduce: {input: {$range: [0, 12]}, initialValue: abcdefgh, in: {$concat: [$$value, $$value]}}}}}
      - {$unwind: $n}
      - {$limit: 5000}
    max_documents: 100000
  heavy:
    pipeline:
      - {$project: {n: {$range: [0, 20000]}, s: {$reduce: {input: {$range: [0, 12]}, initialValue: abcdefgh, in: {$concat: [$$value, $$value]}}}}}
      - {$unwind: $n}
      - {$sort: {s: 1, n: -1}}
      - {$group: {_id: null, last: {$last: $n}}}
  stages:
    pipeline:
      - {$match: {status: {$exists: true}, $expr: {$gte: [{$ifNull: [$count, 0]}, 0]}, $nor: [{status: {$regex: "^x"}}, {total: {$gt: 1e9}}]}}
      - {$set: {double: {$multiply: [2, $count]}, at: {$date: "2026-01-01T00:00:00Z"}}}
      - {$setWindowFields: {partitionBy: $status, sortBy: {_id: 1}, output: {running: {$sum: $count, window: {documents: [unbounded, current]}}}}}
      - {$lookup: {from: orders, let: {s: $status}, pipeline: [{$match: {$expr: {$eq: [$status, $$s]}}}, {$count: n}], as: same}}
      - {$graphLookup: {from: orders, startWith: $buyer, connectFromField: buyer, connectToField: buyer, as: graph, maxDepth: 1, restrictSearchWithMatch: {status: paid}}}
      - {$unwind: {path: $same, preserveNullAndEmptyArrays: true}}
      - {$unset: [graph, at]}
      - {$facet: {rows: [{$sort: {_id: 1}}, {$limit: 5}], sums: [{$group: {_id: null, n: {$sum: $double}}}], auto: [{$bucketAuto: {groupBy: $count, buckets: 2}}],
          fixed: [{$bucket: {groupBy: $count, boundaries: [0, 2, 10], default: none, output: {n: {$sum: 1}}}}]}}
      - {$unionWith: {coll: orders, pipeline: [{$sortByCount: $status}]}}
      - {$replaceWith: {$mergeObjects: [$$ROOT, {marked: true}]}}
`

func ordersService(t *testing.T) *service {
	s := start(t, load(t, fstest.MapFS{"orders.yaml": &fstest.MapFile{Data: []byte(orders)}}))
	s.do("POST", "/v1/orders", `[
		{"status":"open","total":"1.50","count":1,"placed":"2026-01-01T00:00:00Z","buyer":"ada"},
		{"status":"paid","total":"2.50","count":2,"placed":"2026-01-02T00:00:00Z","buyer":"$status","key":"3f0b6c1e-9d52-4a7b-8c1d-2b4e6f8a0c1e"},
		{"status":"paid","total":"3.00","count":3,"placed":"2026-01-03T00:00:00Z","buyer":"bob"}]`).is(201)
	return s
}

func (s *service) aggregate(name string, parameters ...string) answer {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Add(parameters[i], parameters[i+1])
	}
	return s.do("GET", "/v1/orders/_aggregates/"+name+"?"+values.Encode(), "")
}

func (a answer) gives(body string) answer {
	a.t.Helper()
	if got := string(a.is(200).body); got != body {
		a.t.Errorf("%s: %s, want %s", a.what, got, body)
	}
	return a
}

func TestAggregate(t *testing.T) {
	t.Parallel()
	s := ordersService(t)
	const open, paid = `{"id":"open","orders":1,"total":"1.50"}`, `{"id":"paid","orders":2,"total":"5.50"}`
	s.aggregate("by_status").gives(`{"data":[` + open + `,` + paid + `]}`)
	s.aggregate("by_status", "since", "2026-01-02T01:00:00+01:00").gives(`{"data":[` + paid + `]}`)
	s.aggregate("by_status", "since", "2027-01-01T00:00:00Z").gives(`{"data":[]}`)
	s.aggregate("by_status", "least", "2").gives(`{"data":[` + paid + `]}`)
	s.aggregate("by_status", "status", "open,sent").gives(`{"data":[` + open + `]}`)
	s.aggregate("by_status", "status", "open", "status", "paid").gives(`{"data":[` + open + `,` + paid + `]}`)
	s.aggregate("by_status", "exact", "1.5").gives(`{"data":[` + open + `]}`)
	s.aggregate("by_status", "key", "3F0B6C1E-9d52-4a7b-8c1d-2b4e6f8a0c1e").has(`"id":"paid","orders":1`)
	s.aggregate("either").has(`"id":1`, `"id":2`, `"id":3`)
	s.aggregate("either", "a", "open").gives(`{"data":[{"id":1,"status":"open"}]}`)
	s.aggregate("either", "b", "open").gives(`{"data":[{"id":1,"status":"open"}]}`)
	s.aggregate("page", "limit", "1", "skip", "1").gives(`{"data":[{"id":2,"status":"paid"}]}`)
	s.aggregate("stages").has(`"running":5`, `"sums":[{"_id":null,"n":12}]`, `"marked":true`, `"id":"paid"`)
	s.do("GET", "/v1/orders/_aggregates/by_status", "", "Accept: application/ejson").is(200).has(`{"$numberDecimal":"5.50"}`)
}

func TestAnAggregateRefusesItsParameters(t *testing.T) {
	t.Parallel()
	s := ordersService(t)
	s.aggregate("by_status", "since", "yesterday", "least", "-1", "status", "opne", "exact", "x", "key", "1", "sicne", "1").
		problem(400, "invalid-parameter", "sicne", "since", "exact", "key", "least", "status").has(`did you mean \"since\"?`, "open")
	s.aggregate("by_status", "least", "1", "least", "2").problem(400, "invalid-parameter", "least")
	s.aggregate("by_status", "least", "1e2").problem(400, "invalid-parameter", "least")
	s.aggregate("by_status", "status", "open,paid,sent").problem(400, "invalid-parameter", "status")
	s.aggregate("by_status", "status", strings.Repeat("open,", 2000)).problem(400, "invalid-parameter", "status")
	s.aggregate("page").problem(400, "invalid-parameter", "limit").has("is required")
	s.aggregate("page", "limit", "0").problem(400, "invalid-parameter", "limit")
	s.aggregate("page", "limit", "99999999999999999999").problem(400, "invalid-parameter", "limit")
	s.aggregate("by_statsu").problem(404, "unknown-route").has(`did you mean \"by_status\"?`)
	s.do("GET", "/v1/ordres/_aggregates/all", "").problem(404, "unknown-collection")
	s.do("POST", "/v1/orders/_aggregates/all", "{}").problem(405, "method-not-allowed")
	s.do("GET", "/v1/orders/_aggregates/by_status?%zz", "").problem(400, "invalid-parameter")
	s.do("GET", "/v1/orders/_aggregates/either?a=%ff", "").problem(400, "invalid-parameter", "a")
	s.do("GET", "/v1/orders/_aggregates/by_status", "", "Accept: text/csv").problem(406, "not-acceptable")
}

// TestArgumentsAreOnlyValues tries to bring paths, operators and code into a
// pipeline.
func TestArgumentsAreOnlyValues(t *testing.T) {
	t.Parallel()
	s := ordersService(t)
	for _, text := range []string{
		"$status", "$$ROOT", "$$NOW", "$", "$$", `{"$gt":""}`, `{"$ne":null}`, `{"$where":"sleep(1000)"}`, `{"$function":{}}`, "[]", "{}",
		`$literal`, `{"$literal":"$status"}`, "null", "true", "1", "'; sleep(1000); '", "a\x00b", "\x00", "$$REMOVE", "../../x", strings.Repeat("$", 1000),
	} {
		quoted := fmt.Sprintf("%q", text)
		quoted = strings.ReplaceAll(quoted, `\x00`, `\u0000`)
		s.aggregate("echo", "text", text, "list", text).is(200).has(`{"id":"open","text":`+quoted+`,`, `"same":false`, `"price":"$12"`)
		found := `{"data":[]}`
		if text == "$status" { // a buyer is called that
			found = `{"data":[{"found":1}]}`
		}
		s.aggregate("find", "text", text).gives(found)
	}
	for _, name := range []string{"text[$ne]", "text[$gt]", "$where", "text.$ne", "__proto__", "constructor", "pipeline", "$param"} {
		s.aggregate("find", name, "1", "text", "x").problem(400, "invalid-parameter", name)
	}
	for _, name := range []string{"$out", "..%2f..", "%00", "by_status%2fx", "_id"} {
		s.do("GET", "/v1/orders/_aggregates/"+name, "").problem(404, "unknown-route")
	}
}

func TestAnAggregateHasItsBounds(t *testing.T) {
	t.Parallel()
	s := ordersService(t)
	s.aggregate("all").problem(422, "result-too-large").has("2 documents")
	s.aggregate("huge").problem(422, "result-too-large").has("16 MiB")
	s.aggregate("heavy").problem(422, "result-too-large").has("memory")
	s.aggregate("slow").problem(504, "timeout")
	for _, part := range []string{"divide", "Location", "planner", "PlanExecutor"} {
		if a := s.aggregate("share", "parts", "0").problem(400, "invalid-parameter"); strings.Contains(string(a.body), part) {
			t.Errorf("the answer quotes MongoDB: %s", a.body)
		}
	}
	s.aggregate("share", "parts", "2").has(`"part":1.5`)
}

func TestTheOpenAPIDocumentHasTheAggregates(t *testing.T) {
	t.Parallel()
	s := ordersService(t)
	s.do("GET", "/openapi.json", "").is(200).has(`"/v1/orders/_aggregates/by_status":{"get":{"operationId":"aggregate_orders_by_status"`,
		`{"name":"least","in":"query","description":"The smallest count.","schema":{"type":"integer"`, `{"name":"text","in":"query","required":true`)
}
