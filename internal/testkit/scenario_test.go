package testkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/openapi/openapitest"
)

// echoServer answers with what it was sent, and an ETag.
func echoServer(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("ETag", `"7"`)
		w.Header().Set("X-Sent", r.Header.Get("X-Sent"))
		w.Header().Set("X-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusCreated)
		if len(body) == 0 {
			_, _ = fmt.Fprintf(w, `{"path":%q}`, r.URL.EscapedPath())
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const wholeScenario = `# A comment.
POST {{url}}/v1/users
X-Sent: yes
{
  "id": 12345678901234567,
  "name": "Ada",
  "list": [1, {"a b": null}],

  "on": true
}
HTTP 201
ETag: "7"
X-Type: application/json
[Captures]
id: jsonpath "$.id"
tag: header "ETag"
name: jsonpath "$.name"
[Asserts]
# Each predicate.
jsonpath "$.id" == 12345678901234567
jsonpath "$.id" != 12345678901234568
jsonpath "$.list[0]" == 1.0
jsonpath "$.list" count == 2
jsonpath "$.list[1]['a b']" == null
jsonpath "$.on" == true
jsonpath "$.name" exists
jsonpath "$.no" not exists
jsonpath "$.list[2]" not exists
jsonpath "$.name" matches "^A[a-z]+$"
jsonpath "$.name" matches /^A\w+$/
jsonpath "$.name" not matches "^B"
jsonpath "$.name" contains "d"
jsonpath "$.name" startsWith "Ad"
header "X-Sent" == "yes"
header "etag" == "\"7\""
header "X-No" not exists

GET {{url}}/v1/users/{{id}}
X-Sent: {{tag}}
HTTP *
X-Sent: {{tag}}
[Asserts]
jsonpath "$.path" == "/v1/users/{{id}}"

` + "PUT {{url}}/\n```\n{\"not JSON\"\n```\nHTTP/1.1 201\n[Asserts]\nheader \"X-Type\" == \"\"\n\nPUT {{url}}/\n[{\"id\": {{id}}}]\nHTTP 201\n[Asserts]\njsonpath \"$[0].id\" == {{id}}\n"

func TestRunScenario(t *testing.T) {
	file := filepath.Join(t.TempDir(), "whole.hurl")
	if err := os.WriteFile(file, []byte(wholeScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen []string
	RunScenario(t, file, echoServer(t)+"/", func(e openapitest.Exchange) error {
		seen = append(seen, fmt.Sprintf("%s %s %d", e.Method, e.Path, e.Status))
		return nil
	})
	want := "POST /v1/users 201, GET /v1/users/12345678901234567 201, PUT / 201, PUT / 201"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("checked %s, want %s", got, want)
	}
}

func runText(t *testing.T, text string, check func(openapitest.Exchange) error) error {
	s := &scenario{client: http.DefaultClient, check: check, values: variables{"url": echoServer(t)}}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s.run(t, "x.hurl", text)
}

func TestScenarioFails(t *testing.T) {
	const post = "POST {{url}}/\n{\"name\": \"Ada\", \"list\": [1], \"n\": 1}\n"
	for text, want := range map[string]string{
		post + "HTTP 200":                                               "x.hurl:3: the status is 201, want 200",
		post + "HTTP 201\nETag: \"8\"":                                  `x.hurl:4: ETag is "\"7\"", want "\"8\""`,
		post + "HTTP 201\n[Captures]\na: jsonpath \"$.no\"":             `x.hurl:5: there is no jsonpath "$.no"`,
		post + "HTTP 201\n[Captures]\na: header \"X-No\"":               `x.hurl:5: there is no header "X-No"`,
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" == \"Bob\"":    `x.hurl:5: jsonpath "$.name" == "Bob": it is "Ada"`,
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" != \"Ada\"":    "it is \"Ada\"",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.no\" != \"Ada\"":      "not there",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.no\" not == 1":        "not there",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.n\" == \"1\"":         "it is 1",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.no\" exists":          "not there",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" not exists":    `it is "Ada"`,
		post + "HTTP 201\n[Asserts]\njsonpath \"$.list\" count == 2":    "it is [1]",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" count == 1":    `it is "Ada"`,
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" matches /^B/":  `it is "Ada"`,
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" contains 1":    "contains takes a string",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.name\" matches \"(\"": "missing closing",
		post + "HTTP 201\n[Asserts]\njsonpath \"$.n\" == {{no}}":        `nothing was captured as "no"`,
		"GET {{no}}/\nHTTP 200":                                         `x.hurl:1: nothing was captured as "no"`,
		"GET {{url}}/\nX-A: {{no}}\nHTTP 200":                           `x.hurl:2: nothing was captured as "no"`,

		"GET {{url}}/":                                                "x.hurl:1: the request has no line HTTP",
		"get {{url}}/\nHTTP 200":                                      "x.hurl:1: ",
		"HTTP 200":                                                    "x.hurl:1: ",
		"GET {{url}}/\nHTTP 99":                                       "x.hurl:2: ",
		"GET {{url}}/\n[Options]\nHTTP 200":                           "x.hurl:2: ",
		"GET {{url}}/\nplain text\nHTTP 200":                          "x.hurl:2: ",
		"GET {{url}}/\n```xml\n<a/>\n```\nHTTP 200":                   "x.hurl:2: ",
		"GET {{url}}/\n```\n{\nHTTP 200":                              "x.hurl:2: the body has no end",
		"GET {{url}}/\nHTTP 201\n{}":                                  "x.hurl:3: ",
		"GET {{url}}/\nHTTP 201\n[Other]\na":                          "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Captures]\na jsonpath":              "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Captures]\na: cookie \"a\"":         "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nstatus == 1":              "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nxpath \"a\" == 1":         "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\"":             "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" > 1":         "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" ==":          "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" == b":        "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" == []":       "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" == \"":       "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" exists 1":    "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\nheader \"A\" count > 1":   "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\njsonpath \"a\" exists":    "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\njsonpath \"$.*\" exists":  "x.hurl:4: ",
		"GET {{url}}/\nHTTP 201\n[Asserts]\njsonpath \"$..a\" exists": "x.hurl:4: ",
	} {
		if err := runText(t, text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestScenarioFailsWhereTheCheckDoes(t *testing.T) {
	undescribed := errors.New("not described")
	err := runText(t, "\nGET {{url}}/\nHTTP 201", func(openapitest.Exchange) error { return undescribed })
	if !errors.Is(err, undescribed) || !strings.HasPrefix(err.Error(), "x.hurl:2: ") {
		t.Errorf("got %v", err)
	}
}
