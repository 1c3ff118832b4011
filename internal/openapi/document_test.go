package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/openapi/openapitest"
	"github.com/sheafdb/sheaf/internal/schema"
)

var update = flag.Bool("update", false, "write the golden files and docs/errors.md anew")

// table has every kind of body, parameter and answer once.
var table = []openapi.Route{
	{Method: "GET", Path: "/v1/{collection}", ID: "list", Access: openapi.Reads, Summary: "List documents",
		Parameters: []openapi.Parameter{{Name: "limit", In: "query", Description: "How many.", Schema: schema.JSON{{Name: "type", Value: "integer"}}}},
		Responses:  []openapi.Response{{Status: 200, Description: "A page.", Headers: []string{"Link"}, Content: forms(openapi.PageBody)}},
		Problems:   []fault.Code{fault.InvalidParameter, fault.UnknownCollection, fault.DatabaseUnavailable}},
	{Method: "POST", Path: "/v1/{collection}", ID: "create", Access: openapi.Writes, Summary: "Create documents", Description: "One, or all of an array.",
		Request:   &openapi.Request{Content: forms(openapi.CreateBody)},
		Responses: []openapi.Response{{Status: 201, Description: "Created.", Headers: []string{"Location", "ETag"}, Content: forms(openapi.DocumentsBody)}},
		Problems:  []fault.Code{fault.MalformedJSON, fault.InvalidParameter, fault.DuplicateKey, fault.WriteConflict, fault.UnsupportedMediaType, fault.ValidationFailed}},
	{Method: "GET", Path: "/v1/{collection}/{id}", ID: "get", Summary: "Read a document",
		Responses: []openapi.Response{
			{Status: 200, Description: "The document.", Headers: []string{"ETag"}, Content: forms(openapi.DocumentBody)},
			{Status: 304, Description: "Known.", Headers: []string{"ETag"}}},
		Problems: []fault.Code{fault.NotFound, fault.UnknownCollection}},
	{Method: "PUT", Path: "/v1/{collection}/{id}", ID: "replace", Summary: "Replace a document",
		Request:   &openapi.Request{Content: forms(openapi.ReplaceBody)},
		Responses: []openapi.Response{{Status: 200, Description: "The document.", Headers: []string{"ETag"}, Content: forms(openapi.DocumentBody)}}},
	{Method: "PATCH", Path: "/v1/{collection}/{id}", ID: "patch", Summary: "Change a document",
		Request:   &openapi.Request{Content: openapi.Content{Media: []string{"application/merge-patch+json"}, Body: openapi.PatchBody}},
		Responses: []openapi.Response{{Status: 200, Description: "The document.", Headers: []string{"ETag"}, Content: forms(openapi.DocumentBody)}}},
	{Method: "GET", Path: "/livez", ID: "live", Summary: "Whether the process answers",
		Responses: []openapi.Response{{Status: 200, Description: "It does.", Content: openapi.Content{Media: []string{"application/json"}, Body: openapi.StatusBody}}}},
	{Method: "GET", Path: "/openapi.json", ID: "openapi", Summary: "This document",
		Responses: []openapi.Response{{Status: 200, Description: "OpenAPI 3.1.", Content: openapi.Content{Media: []string{"application/json"}, Body: openapi.OpenAPIBody}}}},
	{Method: "GET", Path: "/problems/{code}", ID: "problem", Summary: "What a problem means",
		Responses: []openapi.Response{{Status: 200, Description: "A page.", Content: openapi.Content{Media: []string{"text/html"}, Body: openapi.HTMLBody}}},
		Problems:  []fault.Code{fault.UnknownRoute}},
}

func forms(body openapi.Body) openapi.Content {
	return openapi.Content{Media: []string{"application/json", "application/ejson"}, Body: body}
}

// models are the schemas that documents are made of.
func models(t *testing.T) map[string]*schema.Model {
	t.Helper()
	archive, err := txtar.ParseFile("../schema/testdata/show/all.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := fstest.MapFS{}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, ".yaml") {
			all[file.Name] = &fstest.MapFile{Data: file.Data}
		}
	}
	dotted := fstest.MapFS{
		"a.yaml": {Data: []byte("{collection: a, id: string, fields: {x: {type: string}}}")},
		"b.yaml": {Data: []byte("{collection: a.Create, id: int, fields: {x: {type: string}}}")},
		"c.yaml": {Data: []byte("{collection: Problem, additional: keep, fields: {x: {type: string}}}")},
	}
	out := map[string]*schema.Model{}
	for name, files := range map[string]fs.FS{
		"blog": os.DirFS("../../examples/blog/schema"), "bank": os.DirFS("../../examples/bank/schema"), "all": all, "dotted": dotted,
	} {
		if out[name], err = schema.Load(files); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return out
}

func document(t *testing.T, model *schema.Model) []byte {
	t.Helper()
	text, err := openapi.Document(openapi.Info{Version: "1.2.3"}, model, table)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDocumentIsValid(t *testing.T) {
	for name, model := range models(t) {
		t.Run(name, func(t *testing.T) {
			text := document(t, model)
			loaded, err := openapi3.NewLoader().LoadFromData(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := loaded.Validate(t.Context()); err != nil {
				t.Errorf("kin-openapi: %v", err)
			}
			if _, err := openapitest.New(text); err != nil {
				t.Errorf("JSON Schemas: %v", err)
			}
			if want := 2*len(model.Collections) + 3; len(loaded.Paths.Map()) != want {
				t.Errorf("%d paths, want %d", len(loaded.Paths.Map()), want)
			}
		})
	}
}

func TestDocumentOfBlogIsTheGoldenOne(t *testing.T) {
	model := models(t)["blog"]
	var indented bytes.Buffer
	if err := json.Indent(&indented, document(t, model), "", "  "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	golden(t, "testdata/blog.json", indented.String())
	if !bytes.Equal(document(t, model), document(t, model)) {
		t.Error("two documents of one model differ")
	}
}

func TestErrorsMarkdownIsTheDocumentation(t *testing.T) {
	golden(t, "../../docs/errors.md", openapi.ErrorsMarkdown())
}

func golden(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is out of date; run go test ./internal/openapi -update\n%s", path, diff)
	}
}

func TestDocumentRefusesATableThatContradictsItself(t *testing.T) {
	model := models(t)["blog"]
	route := func(change func(*openapi.Route)) openapi.Route {
		r := table[2]
		change(&r)
		return r
	}
	for name, test := range map[string]struct {
		routes []openapi.Route
		want   string
	}{
		"path twice": {[]openapi.Route{table[0], route(func(r *openapi.Route) { r.Path = table[0].Path })}, "twice"},
		"id twice":   {[]openapi.Route{table[0], route(func(r *openapi.Route) { r.ID = table[0].ID })}, "twice"},
		"status twice": {[]openapi.Route{route(func(r *openapi.Route) {
			r.Responses = append([]openapi.Response{r.Responses[0]}, r.Responses...)
		})}, "twice"},
		"header": {[]openapi.Route{route(func(r *openapi.Route) {
			r.Responses = []openapi.Response{{Status: 204, Headers: []string{"X-No"}}}
		})}, "X-No"},
		"body": {[]openapi.Route{route(func(r *openapi.Route) { r.Path = "/docs" })}, "{collection}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openapi.Document(openapi.Info{}, model, test.routes)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestBodiesOfCreateAreCheckedByTheDocument(t *testing.T) {
	loaded, err := openapi3.NewLoader().LoadFromData(document(t, models(t)["blog"]))
	if err != nil {
		t.Fatal(err)
	}
	body := loaded.Paths.Find("/v1/users").Post.RequestBody.Value.Content.Get("application/json").Schema.Value
	for text, valid := range map[string]bool{
		`{"name":"Ada","email":"ada@example.com"}`:   true,
		`[{"name":"Ada","email":"ada@example.com"}]`: true,
		`{"name":"Ada"}`: false,
		`[]`:             false,
		`{"name":"Ada","email":"ada@example.com","version":1}`: false,
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if err := body.VisitJSON(value, openapi3.EnableJSONSchema2020()); (err == nil) != valid {
			t.Errorf("%s: %v", text, err)
		}
	}
}
