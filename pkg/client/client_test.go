package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
	"github.com/sheafdb/sheaf/pkg/client"
)

func TestMain(m *testing.M) { testkit.Main(m) }

type user struct {
	ID      int64  `json:"id,omitzero"`
	Name    string `json:"name"`
	Email   string `json:"email"`
	Age     int    `json:"age,omitzero"`
	Version int64  `json:"version,omitzero"`
}

// blog serves examples/blog.
func blog(t *testing.T) *httptest.Server { return serve(t, "blog") }

// serve serves an example.
func serve(t *testing.T, example string) *httptest.Server {
	t.Helper()
	model, err := schema.Load(os.DirFS("../../examples/" + example + "/schema"))
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.New(engine.New(s, model), api.Options{
		BodyLimit: 1 << 20, Timeout: 10 * time.Second,
		Limits: query.Limits{DefaultLimit: 3, MaxLimit: 10, IncludeDepth: 2, IncludedDocuments: 100, IncludedBytes: 1 << 20, RelatedValues: 100}, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	return server
}

func TestCalls(t *testing.T) {
	server := blog(t)
	c := client.New(server.URL + "/")
	c.HTTP = server.Client()
	users, ctx := client.Of[user](c, "users"), t.Context()
	ada, err := users.Create(ctx, user{Name: "Ada", Email: "ADA@example.com"})
	if err != nil || ada.ID != 1 || ada.Email != "ada@example.com" || ada.Version != 1 {
		t.Fatalf("created %+v, %v", ada, err)
	}
	if got, err := users.Get(ctx, ada.ID); err != nil || got != ada {
		t.Errorf("read %+v, %v", got, err)
	}
	ada, err = users.Patch(ctx, ada.ID, ada.Version, map[string]any{"age": 36})
	if err != nil || ada.Age != 36 || ada.Version != 2 {
		t.Errorf("patched %+v, %v", ada, err)
	}
	if _, err := users.Patch(ctx, ada.ID, 1, map[string]any{"age": 37}); !client.Is(err, client.VersionConflict) {
		t.Errorf("an old version: %v", err)
	}
	if got, err := users.Update(ctx, ada.ID, 2, map[string]any{"$inc": map[string]any{"age": 1}}); err != nil || got.Age != 37 || got.Version != 3 {
		t.Errorf("updated %+v, %v", got, err)
	}
	ada, err = users.JSONPatch(ctx, ada.ID, 0, client.PatchOperation{Op: "test", Path: "/age", Value: 37}, client.PatchOperation{Op: "remove", Path: "/age"})
	if err != nil || ada.Age != 0 || ada.Version != 4 {
		t.Errorf("patched %+v, %v", ada, err)
	}
	if _, err := users.JSONPatch(ctx, ada.ID, 4, client.PatchOperation{Op: "test", Path: "/name", Value: "Bob"}); !client.Is(err, client.PatchFailed) {
		t.Errorf("a test that fails: %v", err)
	}
	if replaced, err := users.Replace(ctx, ada.ID, 0, ada); err != nil || replaced.Version != 5 {
		t.Errorf("replaced %+v, %v", replaced, err)
	}
	_, err = users.Create(ctx, map[string]any{"nmae": "x", "email": "y"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != client.ValidationFailed || len(e.Errors) != 3 || e.RequestID == "" {
		t.Errorf("a faulty document: %v", err)
	}
	for _, name := range []string{"b", "c", "d", "e", "f", "g"} {
		if _, err := users.Create(ctx, user{Name: name, Email: name + "@example.com"}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []int64
	for u, err := range users.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	if len(ids) != 7 || ids[0] != 1 || ids[6] != 7 {
		t.Errorf("all are %v", ids)
	}
	if err := users.Delete(ctx, ada.ID, 5); err != nil {
		t.Error(err)
	}
	if _, err := users.Get(ctx, ada.ID); !client.Is(err, client.NotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	users := client.Of[user](client.New(blog(t).URL), "users")
	for i, name := range []string{"Ada", "Bob", "Cyd", "Dan", "Eve", "Fay", "Gus"} {
		if _, err := users.Create(t.Context(), user{Name: name, Email: name + "@example.com", Age: 10 * (i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	grown := []client.ListOption{client.Where("age", client.Op{"$gte": 20}), client.Filter(map[string]any{"name": map[string]any{"$ne": "Eve"}}), client.Sort("-age", "name")}
	var names []string
	for u, err := range users.All(t.Context(), append(grown, client.Select("name"), client.Limit(2))...) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Email != "" || u.ID == 0 {
			t.Errorf("selected %+v", u)
		}
		names = append(names, u.Name)
	}
	if got := strings.Join(names, " "); got != "Gus Fay Dan Cyd Bob" {
		t.Errorf("all are %s", got)
	}
	first, err := users.List(t.Context(), append(grown, client.Limit(2), client.CountExactly())...)
	if err != nil || first.Total != 5 || first.Prev != "" || len(first.Documents) != 2 {
		t.Errorf("%+v, %v", first, err)
	}
	second, err := users.List(t.Context(), append(grown, client.Limit(2), client.After(first.Next))...)
	if err != nil || second.Documents[0].Name != "Dan" {
		t.Fatalf("%+v, %v", second, err)
	}
	back, err := users.List(t.Context(), append(grown, client.Limit(2), client.Before(second.Prev))...)
	if err != nil || back.Documents[0] != first.Documents[0] || back.Prev != "" {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := users.List(t.Context(), client.Where("aeg", 1)); !client.Is(err, client.InvalidParameter) {
		t.Errorf("a field that is none: %v", err)
	}
	if _, err := users.List(t.Context(), client.Filter(func() {})); err == nil {
		t.Error("a filter that has no JSON is taken")
	}
}

// flaky answers every request with a problem but the last of some.
func flaky(t *testing.T, code string, failures int64) (*client.Collection[user], *atomic.Int64) {
	t.Helper()
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if sent.Add(1) > failures {
			_, _ = w.Write([]byte(`{"id":1}`))
			return
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(fault.Lookup(fault.Code(code)).Status)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": code})
	}))
	t.Cleanup(server.Close)
	c := client.New(server.URL)
	c.HTTP = server.Client()
	return client.Of[user](c, "users"), &sent
}

func TestAggregate(t *testing.T) {
	users := client.Of[user](client.New(blog(t).URL), "users")
	for _, name := range []string{"ada", "bob"} {
		if _, err := users.Create(t.Context(), user{Name: name, Email: name + "@example.com"}); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		ID    string `json:"id"`
		Count int    `json:"count"`
	}
	rows, err := client.Aggregate[row](t.Context(), users, "by_status", url.Values{"since": {"2026-01-01T00:00:00Z"}})
	if err != nil || len(rows) != 1 || rows[0] != (row{"pending", 2}) {
		t.Errorf("got %v, %v", rows, err)
	}
	if rows, err = client.Aggregate[row](t.Context(), users, "by_status", nil); err != nil || len(rows) != 1 {
		t.Errorf("without parameters: %v, %v", rows, err)
	}
	if _, err = client.Aggregate[row](t.Context(), users, "by_statsu", nil); !client.Is(err, client.UnknownRoute) {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestOnlyWhatIsSafeIsSentAgain(t *testing.T) {
	ctx := context.Background()
	create := func(c *client.Collection[user]) error { _, err := c.Create(ctx, user{}); return err }
	get := func(c *client.Collection[user]) error { _, err := c.Get(ctx, 1); return err }
	for name, test := range map[string]struct {
		code     string
		failures int64
		call     func(*client.Collection[user]) error
		sent     int64
		ok       bool
	}{
		"a read of a database that comes back":    {"database-unavailable", 2, get, 3, true},
		"a read of one that does not":             {"database-unavailable", 99, get, 4, false},
		"a write that may be stored":              {"database-unavailable", 1, create, 1, false},
		"a write that others were in the way of":  {"write-conflict", 1, create, 2, true},
		"a write that is wrong":                   {"validation-failed", 1, create, 1, false},
		"a read that took too long for a service": {"timeout", 1, get, 1, false},
	} {
		c, sent := flaky(t, test.code, test.failures)
		err := test.call(c)
		if (err == nil) != test.ok || sent.Load() != test.sent || !test.ok && !client.Is(err, client.Code(test.code)) {
			t.Errorf("%s: %v, sent %d times, want %d", name, err, sent.Load(), test.sent)
		}
	}
}

// The client imports nothing of the service, and so its codes are held here.
func TestTheCodesAreTheServices(t *testing.T) {
	own := []client.Code{
		client.MalformedJSON, client.InvalidParameter, client.Unauthenticated, client.Forbidden, client.UnknownRoute, client.UnknownCollection, client.NotFound,
		client.MethodNotAllowed, client.NotAcceptable, client.DuplicateKey, client.ReferenceViolation, client.PatchFailed, client.WriteConflict, client.IdempotencyProgress,
		client.SessionGone, client.VersionConflict, client.PayloadTooLarge, client.UnsupportedMediaType, client.ValidationFailed, client.RequirementFailed, client.ResultTooLarge, client.IdempotencyMismatch,
		client.PreconditionRequired, client.TooManyRequests, client.Internal, client.Overloaded, client.DatabaseUnavailable, client.IssuerUnavailable, client.Timeout,
	}
	table := fault.Codes()
	if len(own) != len(table) {
		t.Fatalf("%d codes, the service has %d", len(own), len(table))
	}
	for i, info := range table {
		if string(own[i]) != string(info.Code) {
			t.Errorf("code %d is %s, the service has %s", i, own[i], info.Code)
		}
	}
}

func TestCredentials(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Get("Authorization")) }))
	t.Cleanup(server.Close)
	c := client.New(server.URL)
	users := client.Of[user](c, "users")
	call := func() error { return users.Delete(t.Context(), 1, 0) }
	c.Credential = client.Bearer("sheaf_x")
	if err := call(); err != nil {
		t.Fatal(err)
	}
	gone := errors.New("no token is to be had")
	c.Credential = func(context.Context) (string, error) { return "", gone }
	if err := call(); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	c.Credential = nil
	if err := call(); err != nil || !slices.Equal(got, []string{"Bearer sheaf_x", ""}) {
		t.Errorf("%v: sent %q", err, got)
	}
}

func TestIncludes(t *testing.T) {
	server := blog(t)
	c := client.New(server.URL)
	c.HTTP = server.Client()
	ctx := t.Context()
	ada, err := client.Of[user](c, "users").Create(ctx, user{Name: "Ada", Email: "ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	type post struct {
		ID       int64  `json:"id,omitzero"`
		Title    string `json:"title"`
		Content  string `json:"content"`
		AuthorID int64  `json:"authorId"`
		Author   *user  `json:"author,omitempty"`
	}
	posts := client.Of[post](c, "posts")
	stored, err := posts.Create(ctx, post{Title: "On engines", Content: "They compute.", AuthorID: ada.ID})
	if err != nil || stored.Author != nil {
		t.Fatalf("created %+v, %v", stored, err)
	}
	if got, err := posts.Get(ctx, stored.ID, "author"); err != nil || got.Author == nil || *got.Author != ada {
		t.Errorf("read %+v, %v", got, err)
	}
	page, err := posts.List(ctx, client.Include("author"))
	if err != nil || len(page.Documents) != 1 || page.Documents[0].Author == nil || *page.Documents[0].Author != ada {
		t.Errorf("listed %+v, %v", page, err)
	}
	authors, err := client.Of[user](c, "users").List(ctx, client.Where("posts", client.Op{"$none": map[string]any{}}))
	if err != nil || len(authors.Documents) != 0 {
		t.Errorf("listed %+v, %v", authors, err)
	}
	if _, err := posts.Get(ctx, stored.ID, "writer"); !client.Is(err, client.InvalidParameter) {
		t.Errorf("a relation that is not there: %v", err)
	}
}
