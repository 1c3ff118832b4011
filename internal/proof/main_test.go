// Package proof holds the guarantees of the whole service against real failures:
// members of a replica set, and the service itself, are killed while clients go
// on. It has tests alone.
package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// service is a running service on a replica set.
type service struct {
	t      *testing.T
	url    string
	client *http.Client
	key    string // "" where callers need none
}

const requestLimit = 5 * time.Second

func serve(t *testing.T, uri string, options store.Options, files map[string]string) *service {
	t.Helper()
	return serveWithin(t, requestLimit, uri, options, files)
}

// serveWithin serves with a time limit for each request.
func serveWithin(t *testing.T, limit time.Duration, uri string, options store.Options, files map[string]string) *service {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	model, err := schema.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	options.URI, options.Database = uri, "proof"
	s, err := store.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.New(engine.New(s, model), api.Options{
		BodyLimit: 1 << 20, Timeout: limit, Limits: query.Limits{DefaultLimit: 20, MaxLimit: 1000},
		Version: "test", Log: slog.New(slog.DiscardHandler),
	}))
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if err := s.Close(context.Background()); err != nil {
			t.Log(err)
		}
	})
	return &service{t: t, url: server.URL, client: &http.Client{Transport: transport, Timeout: 2 * limit}}
}

// reply is what came back; status 0 stands for no answer, and err tells why then.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// do sends a request; headers are "Name: value" lines.
func (s *service) do(method, path, body string, headers ...string) reply {
	request, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return reply{}
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{err: err}
	}
	return reply{status: response.StatusCode, header: response.Header, body: content}
}

// unknown reports whether it is open what became of a request, and notes an
// answer that a failure of the database must not have: all that clients may see
// of one are 503, 504 and 409 that say when to try again.
func (s *service) unknown(r reply) bool {
	switch r.status {
	case http.StatusServiceUnavailable:
		s.mustSayWhen(r)
		return true
	case http.StatusGatewayTimeout, 0:
		return true
	case http.StatusConflict:
		if strings.Contains(string(r.body), `"write-conflict"`) {
			s.mustSayWhen(r)
			return true
		}
	case http.StatusInternalServerError:
		s.t.Errorf("an answer is 500: %s", r.body)
		return true
	}
	return false
}

func (s *service) mustSayWhen(r reply) {
	if r.header.Get("Retry-After") == "" {
		s.t.Errorf("an answer has no Retry-After: %s", r.body)
	}
}

// awaitReady returns how long it took until a write was answered well.
func (s *service) awaitReady(write func() reply) (time.Duration, error) {
	const limit, pause = time.Minute, 20 * time.Millisecond
	var last reply
	for began := time.Now(); time.Since(began) < limit; time.Sleep(pause) {
		if last = write(); last.status >= 200 && last.status < 300 {
			return time.Since(began), nil
		}
	}
	return limit, errors.New(fmt.Sprint("no write was answered: the last got ", last.status, " ", string(last.body)))
}
