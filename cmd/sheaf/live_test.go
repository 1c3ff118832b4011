package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// program is a command that serves, in this process.
type program struct {
	t      *testing.T
	url    string
	schema string
	// output is what it wrote to standard error.
	output lockedBuffer
}

// lockedBuffer is written and read at once.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serving runs a command on a database of its own, with one schema file.
func serving(t *testing.T, command, file string, environ ...string) *program {
	t.Helper()
	uri, database := testkit.Mongo(t)
	return servingOn(t, command, uri, database, file, environ...)
}

// servingOn is serving on a database that there is.
func servingOn(t *testing.T, command, uri, database, file string, environ ...string) *program {
	t.Helper()
	p := &program{t: t, schema: t.TempDir()}
	p.store(file)
	environ = append([]string{
		"MONGODB_URI=" + uri, "MONGODB_DATABASE=" + database, "SHEAF_SCHEMA=" + p.schema, "SHEAF_LISTEN=127.0.0.1:0",
		"SHEAF_LOG_LEVEL=info",
	}, environ...)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{command}, strings.NewReader(""), in, &p.output, environ)
		_ = in.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, p.output.String())
		}
		http.DefaultClient.CloseIdleConnections()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	if err != nil || !ok {
		t.Fatalf("printed %q (%v): %s", line, err, p.output.String())
	}
	p.url = url
	return p
}

// store writes the schema file.
func (p *program) store(file string) {
	p.t.Helper()
	write(p.t, filepath.Join(p.schema, "things.yaml"), file)
}

// get returns the status and the body of an answer.
func (p *program) get(path string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// post returns the status of the answer to a JSON document.
func (p *program) post(path, body string) int {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// comes waits until something is so.
func (p *program) comes(what string, so func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: it does not come to that: %s", what, p.output.String())
		}
	}
}

const (
	things      = "collection: things\nfields:\n  a: {type: string}\n"
	moreThings  = things + "  b: {type: string}\n"
	wrongThings = things + "  b: {type: strin}\n"
)

// dev applies what is safe, and tells of changes, of what is left and of faults.
func TestDevTellsWhatItDoes(t *testing.T) {
	t.Parallel()
	p := serving(t, "dev", things)
	has := func(parts ...string) {
		t.Helper()
		for _, part := range parts {
			p.comes("it tells "+part, func() bool { return strings.Contains(p.output.String(), part) })
		}
	}
	has("  watching ", "the database has changed\n          create collection things\n")
	for range 2 {
		if status := p.post("/v1/things", `{"a":"x"}`); status != http.StatusCreated {
			t.Fatalf("status %d", status)
		}
	}
	has("201 POST /v1/things")
	p.store(moreThings)
	has("set validator things", "the schema has changed\n          + field things.b: string\n")
	p.store(wrongThings)
	has("the schema before serves on\n", "things.yaml:4:13: unknown type \"strin\"; did you mean \"string\"?")
	p.store(strings.Replace(moreThings, "a: {type: string}", "a: {type: string, unique: true}", 1))
	has("~ field things.a: unique", "left to a migration: write it by sheaf migrate new NAME, apply it by sheaf migrate up\n          tighten: create index things.a_1\n", ": 2 documents")
	if status, _ := p.get("/v1/things?b=x"); status != http.StatusOK {
		t.Errorf("the new model does not serve: %d", status)
	}
}

func TestDevIsNotForProduction(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	environ := []string{"SHEAF_ENV=production", "MONGODB_URI=mongodb://127.0.0.1:1/?tls=true"}
	if code := run(t.Context(), []string{"dev"}, strings.NewReader(""), io.Discard, &stderr, environ); code != exitUsage || !strings.Contains(stderr.String(), "dev is not for production") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

// In check mode a service refuses a database that is behind, and a running one
// waits until another process has made it ready.
func TestServeChecksTheDatabase(t *testing.T) {
	t.Parallel()
	uri, database := testkit.Mongo(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "things.yaml"), things)
	environ := []string{"MONGODB_URI=" + uri, "MONGODB_DATABASE=" + database, "SHEAF_SCHEMA=" + folder, "SHEAF_LISTEN=127.0.0.1:0", "SHEAF_MIGRATE=check"}
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"serve"}, strings.NewReader(""), io.Discard, &stderr, environ)
	if code != exitFailure || !strings.Contains(stderr.String(), "the database is behind the schema files (create collection things): run sheaf migrate up") {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	ready(t, uri, database, folder)
	p := servingOn(t, "serve", uri, database, things, "SHEAF_MIGRATE=check")
	p.store(moreThings)
	p.comes("readiness tells what to run", func() bool {
		status, body := p.get("/readyz")
		return status == http.StatusOK && strings.Contains(body, "run sheaf migrate up")
	})
	knows := func() bool { status, _ := p.get("/v1/things?b=x"); return status == http.StatusOK }
	if knows() {
		t.Error("a model serves that the database is behind")
	}
	ready(t, uri, database, p.schema)
	p.comes("the new model serves", knows)
	p.comes("readiness is back", func() bool { _, body := p.get("/readyz"); return body == `{"status":"ok"}` })
}

// ready makes a database ready for a schema folder, as another process does.
func ready(t *testing.T, uri, database, folder string) {
	t.Helper()
	model, err := schema.Load(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
		t.Fatal(err)
	}
}

// A service that looks at nothing serves from whatever there is.
func TestServeLooksAtNothing(t *testing.T) {
	t.Parallel()
	p := serving(t, "serve", things, "SHEAF_MIGRATE=off")
	if status, _ := p.get("/v1/things?a=x"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// A service follows its schema files, and serves on where they do not compile.
func TestServeFollowsTheSchemaFiles(t *testing.T) {
	t.Parallel()
	p := serving(t, "serve", things)
	knows := func() bool { status, _ := p.get("/v1/things?b=x"); return status == http.StatusOK }
	if status, body := p.get("/readyz"); knows() || status != http.StatusOK || body != `{"status":"ok"}` {
		t.Errorf("ready %d %s", status, body)
	}
	p.store(wrongThings)
	p.comes("readiness tells of the fault", func() bool {
		status, body := p.get("/readyz")
		return status == http.StatusOK && strings.Contains(body, `"status":"stale"`) && strings.Contains(body, `things.yaml:4:13: unknown type \"strin\"`)
	})
	p.comes("the log tells of the fault", func() bool { return strings.Contains(p.output.String(), "things.yaml:4:13: unknown type") })
	if status, _ := p.get("/v1/things?a=x"); status != http.StatusOK || knows() {
		t.Errorf("the model before does not serve on: %d", status)
	}
	p.store(moreThings)
	p.comes("the new model serves", knows)
	p.comes("readiness is back", func() bool { _, body := p.get("/readyz"); return body == `{"status":"ok"}` })
	if _, body := p.get("/openapi.json"); !strings.Contains(body, `"b"`) {
		t.Error("the OpenAPI document does not follow")
	}
	read := func() int { return strings.Count(p.output.String(), "schema files read") }
	before := read()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.comes("SIGHUP has the files read", func() bool { return read() > before })
}
