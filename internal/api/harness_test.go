package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/openapi/openapitest"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// kinds are collections of every id kind, and of the rules that the tests need.
const kinds = `
collection: %s
id: %s
fields:
  name: {type: string, required: true, trim: true, max_length: 20}
  email: {type: string, unique: true, lowercase: true, check: email}
  age: {type: int, min: 0, max: 120}
  level: {type: int, default: 1}
  nested:
    type: object
    fields: {sku: {type: string, unique: true}, note: {type: string, required: true}}
  tags: {type: array, items: {type: string, max_length: 5}, max_items: 3, unique_items: true}
  gone: {type: string, nullable: true}
`

// limits are those of the service; small where a test goes beyond them.
var limits = query.Limits{DefaultLimit: 20, MaxLimit: 1000, IncludeDepth: 3, IncludedDocuments: 500, IncludedBytes: 1 << 20, RelatedValues: 200}

// service is a running Service whose every answer is held against its OpenAPI
// document.
type service struct {
	t       *testing.T
	url     string
	client  *http.Client
	checker *openapitest.Checker
	store   *store.Store
	model   *schema.Model
	engine  *engine.Engine
	api     *api.Service
	uri, db string
}

// kindsModel has the collections objectids, uuids, increments, strings and ints.
func kindsModel(t *testing.T) *schema.Model {
	t.Helper()
	files := fstest.MapFS{}
	for name, id := range map[string]string{"objectids": "objectId", "uuids": "uuid", "increments": "increment", "strings": "string", "ints": "int"} {
		text := strings.Replace(strings.Replace(kinds, "%s", name, 1), "%s", id, 1)
		files[name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return load(t, files)
}

func load(t *testing.T, files fstest.MapFS) *schema.Model {
	t.Helper()
	model, err := schema.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func exampleModel(t *testing.T, name string) *schema.Model {
	t.Helper()
	model, err := schema.Load(os.DirFS("../../examples/" + name + "/schema"))
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func start(t *testing.T, model *schema.Model) *service {
	t.Helper()
	uri, db := testkit.Mongo(t)
	return startOn(t, model, uri, db, nil)
}

func startOn(t *testing.T, model *schema.Model, uri, db string, observer *observe.Observer) *service {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db, Observer: observer, SelectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	service := &service{t: t, store: s, uri: uri, db: db}
	service.provide(model)
	service.serve(api.Options{Observer: observer, Explain: true})
	return service
}

// provide makes the database and the checker ready for a model.
func (s *service) provide(model *schema.Model) {
	s.t.Helper()
	if _, err := migrate.Ready(s.t.Context(), migrate.Options{Store: s.store, Who: "test"}, model); err != nil {
		s.t.Fatal(err)
	}
	document, err := openapi.Document(openapi.Info{Version: "test"}, model, api.Routes())
	if err != nil {
		s.t.Fatal(err)
	}
	if s.checker, err = openapitest.New(document); err != nil {
		s.t.Fatal(err)
	}
	s.model = model
}

// adopt lets the running service go on with another model.
func (s *service) adopt(model *schema.Model) {
	s.t.Helper()
	s.provide(model)
	s.engine.SetModel(model)
}

// serve answers requests from now on with options, and the limits of the tests.
func (s *service) serve(o api.Options) {
	s.t.Helper()
	o.BodyLimit, o.Timeout, o.Version, o.Log = 64<<10, 5*time.Second, "test", slog.New(slog.DiscardHandler)
	o.Limits = limits
	s.engine = engine.New(s.store, s.model)
	s.api = api.New(s.engine, o)
	s.t.Cleanup(s.api.Stop)
	server := httptest.NewServer(s.api)
	s.t.Cleanup(server.Close)
	s.url, s.client = server.URL, server.Client()
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request; headers are "Name: value" lines.
func (s *service) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	escaped, _, _ := strings.Cut(path, "?")
	exchange := openapitest.Exchange{Method: method, Path: escaped, Status: response.StatusCode, Header: response.Header, Body: content}
	if err := s.checker.Check(exchange); err != nil {
		s.t.Errorf("%s %s: the answer is not as the OpenAPI document says: %v\n%s", method, path, err, content)
	}
	return answer{s.t, method + " " + path, response.StatusCode, response.Header, content}
}

// is holds the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// problem holds the status, the code and the pointers of the errors.
func (a answer) problem(status int, code string, pointers ...string) answer {
	a.t.Helper()
	a.is(status)
	var p struct {
		Type, Title, Detail, Code string
		Status                    int
		RequestID                 string `json:"request_id"`
		Errors                    []struct{ Pointer, Code, Detail string }
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	if p.Code != code || p.Type != "/problems/"+code || p.Status != status || p.Title == "" || p.Detail == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("%s: problem %s", a.what, a.body)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Pointer)
	}
	if strings.Join(got, " ") != strings.Join(pointers, " ") {
		a.t.Errorf("%s: pointers %q, want %q: %s", a.what, got, pointers, a.body)
	}
	return a
}

// json returns the body as a value, numbers as they stand.
func (a answer) json() map[string]any {
	a.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	var value map[string]any
	if err := decoder.Decode(&value); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return value
}

// has holds a part of the body.
func (a answer) has(parts ...string) answer {
	a.t.Helper()
	for _, part := range parts {
		if !strings.Contains(string(a.body), part) {
			a.t.Errorf("%s: the body lacks %s: %s", a.what, part, a.body)
		}
	}
	return a
}

// sends holds a header.
func (a answer) sends(name, value string) answer {
	a.t.Helper()
	if got := a.header.Get(name); got != value {
		a.t.Errorf("%s: %s is %q, want %q", a.what, name, got, value)
	}
	return a
}
