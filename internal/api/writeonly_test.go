package api_test

import (
	"testing"
	"testing/fstest"
)

// What may be written and not read is confirmed without a word of it: but for the
// id and the version, which who wrote it needs.
func TestDocumentsThatAreWrittenAndNotRead(t *testing.T) {
	t.Parallel()
	g := guard(t, load(t, fstest.MapFS{"reports.yaml": &fstest.MapFile{Data: []byte(`
collection: reports
id: string
fields: {text: {type: string, required: true}}
access:
  read: [{role: admin}, {where: {text: shown}}]
  create: [{}]
`)}}))
	a := g.do("POST", "/v1/reports", `{"id":"r1","text":"hidden"}`, ada).is(201).lacks("hidden")
	if a.header.Get("Etag") != `"1"` || a.header.Get("Location") != "/v1/reports/r1" {
		t.Errorf("ETag %q, Location %q", a.header.Get("Etag"), a.header.Get("Location"))
	}
	g.do("POST", "/v1/reports", `{"id":"r2","text":"shown"}`, ada).is(201).has(`"text":"shown"`)
	g.do("POST", "/v1/reports", `[{"id":"r3","text":"shown"},{"id":"r4","text":"hidden"}]`, ada).is(201).lacks("hidden", "shown")
	g.do("PUT", "/v1/reports/r5", `{"text":"hidden"}`, ada, "If-None-Match: *").is(201).lacks("hidden")
	g.do("POST", "/v1/_transactions", `{"operations":[{"create":"reports","document":{"id":"r6","text":"hidden"}}]}`, ada).is(200).has(`"id":"r6"`, `"version":1`).lacks("hidden")
	g.do("GET", "/v1/reports/r1", "", ada).problem(404, "not-found")
}
