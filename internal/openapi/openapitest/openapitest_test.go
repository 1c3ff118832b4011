package openapitest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/openapi/openapitest"
)

const document = `{
	"openapi": "3.1.1",
	"paths": {
		"/things": {"get": {"responses": {"200": {"content": {
			"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/a.Thing"}}},
			"text/html": {"schema": {"type": "string"}}}}}}},
		"/two%20words/{id}": {
			"parameters": [],
			"get": {"responses": {
				"200": {
					"headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
					"content": {"application/json": {"schema": {"$ref": "#/components/schemas/a.Thing"}}}},
				"304": {"description": "known"},
				"404": {"$ref": "#/components/responses/not-found"},
				"503": {"headers": {"Retry-After": {"required": true, "schema": {"type": "integer", "minimum": 1}}}}}}},
		"/two%20words/_query": {"get": {"responses": {"200": {"content": {"text/html": {"schema": {"type": "string"}}}}}}}
	},
	"components": {
		"headers": {"ETag": {"required": true, "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"}}},
		"schemas": {"a.Thing": {"type": "object", "required": ["at"], "properties": {"at": {"type": "string", "format": "date-time"}}, "additionalProperties": false}},
		"responses": {
			"not-found": {"content": {"application/problem+json": {"schema": {"properties": {"code": {"const": "not-found"}}}}}},
			"unknown-route": {"content": {"application/problem+json": {"schema": {"required": ["title"]}}}},
			"unknown-collection": {"content": {"application/problem+json": {"schema": {}}}},
			"method-not-allowed": {"headers": {"Allow": {"required": true, "schema": {"type": "string"}}}, "content": {"application/problem+json": {"schema": {}}}}
		}
	}
}`

func TestCheck(t *testing.T) {
	checker, err := openapitest.New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	const json, problem = "application/json; charset=utf-8", "application/problem+json"
	tests := []struct {
		name, method, path string
		status             int
		header             []string
		body               string
		// want is a part of the error, empty for none.
		want string
	}{
		{"array", "GET", "/things", 200, []string{"Content-Type", json}, `[{"at":"2020-01-01T00:00:00Z"}]`, ""},
		{"other media type", "GET", "/things", 200, []string{"Content-Type", "text/html"}, `<p>`, ""},
		{"head", "HEAD", "/things", 200, []string{"Content-Type", json}, ``, ""},
		{"format", "GET", "/things", 200, []string{"Content-Type", json}, `[{"at":"yesterday"}]`, "not valid date-time"},
		{"no JSON", "GET", "/things", 200, []string{"Content-Type", json}, `[`, "not JSON"},
		{"no media type", "GET", "/things", 200, nil, `[]`, "Content-Type"},
		{"media type", "GET", "/things", 200, []string{"Content-Type", "text/plain"}, `[]`, "text/plain is not described"},
		{"status", "GET", "/things", 204, nil, ``, "does not describe this status"},
		{"left out as preferred", "GET", "/things", 200, []string{"Preference-Applied", "return=minimal"}, ``, ""},
		{"empty", "GET", "/things", 200, []string{"Content-Type", json}, ``, "not JSON"},

		{"escaped path", "GET", "/two%20words/1", 200, []string{"Content-Type", json, "ETag", `"1"`}, `{"at":"2020-01-01T00:00:00Z"}`, ""},
		{"literal before parameter", "GET", "/two%20words/_query", 200, []string{"Content-Type", "text/html"}, ``, ""},
		{"no header", "GET", "/two%20words/1", 200, []string{"Content-Type", json}, `{"at":"2020-01-01T00:00:00Z"}`, "header ETag: is missing"},
		{"bad header", "GET", "/two%20words/1", 200, []string{"Content-Type", json, "ETag", "1"}, `{"at":"2020-01-01T00:00:00Z"}`, "header ETag"},
		{"number in a header", "GET", "/two%20words/1", 503, []string{"Retry-After", "1"}, ``, ""},
		{"bad number in a header", "GET", "/two%20words/1", 503, []string{"Retry-After", "0"}, ``, "header Retry-After"},
		{"text for a number", "GET", "/two%20words/1", 503, []string{"Retry-After", "soon"}, ``, "header Retry-After"},
		{"no body", "GET", "/two%20words/1", 304, nil, ``, ""},
		{"body where none is", "GET", "/two%20words/1", 304, nil, `x`, "no body is described"},
		{"component", "GET", "/two%20words/1", 404, []string{"Content-Type", problem}, `{"code":"not-found"}`, ""},
		{"other code", "GET", "/two%20words/1", 404, []string{"Content-Type", problem}, `{"code":"unknown-route"}`, "not as described"},

		{"unknown path", "GET", "/no", 404, []string{"Content-Type", problem}, `{"code":"unknown-route","status":404,"title":"t"}`, ""},
		{"unknown path without a member", "GET", "/no", 404, []string{"Content-Type", problem}, `{"code":"unknown-route","status":404}`, "title"},
		{"unknown path with another status", "GET", "/no", 400, []string{"Content-Type", problem}, `{"code":"unknown-route","status":404}`, "says status 404"},
		{"unknown collection", "GET", "/v1/no", 404, []string{"Content-Type", problem}, `{"code":"unknown-collection","status":404}`, ""},
		{"unknown path that answers", "GET", "/no", 200, []string{"Content-Type", json}, `{}`, "does not have the operation"},
		{"empty part of a path", "GET", "/two%20words/", 404, []string{"Content-Type", problem}, `{"code":"unknown-route","status":404,"title":"t"}`, ""},
		{"options", "OPTIONS", "/things", 204, []string{"Allow", "GET"}, ``, ""},
		{"options without Allow", "OPTIONS", "/things", 204, nil, ``, "with Allow"},
		{"unknown method", "PUT", "/things", 405, []string{"Content-Type", problem, "Allow", "GET"}, `{"code":"method-not-allowed","status":405}`, ""},
		{"unknown method without Allow", "PUT", "/things", 405, []string{"Content-Type", problem}, `{"code":"method-not-allowed","status":405}`, "Allow"},
		{"unknown method that is not found", "PUT", "/things", 404, []string{"Content-Type", problem}, `{"code":"unknown-route","status":404,"title":"t"}`, "does not have the operation"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{}
			for i := 0; i < len(test.header); i += 2 {
				header.Set(test.header[i], test.header[i+1])
			}
			err := checker.Check(openapitest.Exchange{Method: test.method, Path: test.path, Status: test.status, Header: header, Body: []byte(test.body)})
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestNewRefusesABrokenDocument(t *testing.T) {
	for name, test := range map[string]struct{ document, want string }{
		"no JSON":              {`{`, "unexpected"},
		"dangling response":    {`{"paths":{"/":{"get":{"responses":{"200":{"$ref":"#/components/responses/no"}}}}}}`, "leads to nothing"},
		"dangling schema":      {`{"components":{"schemas":{"a":{"$ref":"#/components/schemas/no"}}}}`, "/components/schemas/a"},
		"schema that is wrong": {`{"components":{"schemas":{"a":{"type":"text"}}}}`, "/components/schemas/a"},
		"no schema":            {`{"components":{"responses":{"a":{"content":{"text/html":{}}}}}}`, "is missing"},
		"no status":            {`{"paths":{"/":{"get":{"responses":{"ok":{}}}}}}`, "not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openapitest.New([]byte(test.document))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want one with %q", err, test.want)
			}
		})
	}
}
