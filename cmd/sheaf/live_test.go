package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
}
