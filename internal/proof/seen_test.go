package proof

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sheafdb/sheaf/internal/testkit"
)

const guarded = `
collection: things
id: int
fields:
  name: {type: string, required: true}
  owner: {type: string}
  parent: {type: ref, to: things}
access:
  read:   [{}]
  create: [{}]
  update: [{where: {owner: $auth.sub}}]
  delete: [{role: admin}]
`

// What the shipped service does is seen from outside: every metric moves with what
// it counts, what is slow is logged by its shape, requests and their commands are
// spans of one trace, and profiles are to be had.
func TestWhatTheShippedServiceDoesIsSeen(t *testing.T) {
	t.Parallel()
	w := startWatched(t)
	before := w.scrape()
	w.moves(`sheaf_http_requests_total{code="",method="POST",route="/v1/{collection}",status="201"}`, before, func() {
		w.expect(201, w.do("POST", "/v1/things", thing(1)))
	})
	w.moves(`sheaf_access_denials_total{action="update"}`, before, func() {
		w.expect(403, w.do("PATCH", "/v1/things/1", `{"name":"mine"}`))
	})
	w.moves(`sheaf_transaction_retries_total`, before, func() {
		w.f.fail(bson.D{{Key: "times", Value: 1}}, bson.D{{Key: "errorCode", Value: 112}, {Key: "errorLabels", Value: bson.A{"TransientTransactionError"}}}, "insert")
		w.expect(201, w.do("POST", "/v1/things", `{"id":2,"name":"n","parent":1}`))
	})
	w.moves(`sheaf_mongodb_command_failures_total{code="timeout",command="find"}`, before, func() {
		w.f.fail("alwaysOn", bson.D{{Key: "errorCode", Value: 50}}, "find")
		w.expect(504, w.do("GET", "/v1/things/1", ""))
		w.wellAgain()
	})
	w.crowd(before)
	w.f.fail("alwaysOn", bson.D{{Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 50}}, "find")
	w.expect(200, w.do("GET", "/v1/things?filter=%7B%22name%22%3A%22contents%22%7D", "", "Traceparent: 00-"+traceOfClient+"-b7ad6b7169203331-01"))
	w.wellAgain()
	w.moves(`sheaf_rate_limited_requests_total`, before, func() {
		awaitTrue(t, "a request is refused as one too many", func() bool { return w.do("GET", "/v1/things/1", "").status == 429 })
	})
	for _, name := range []string{
		`sheaf_http_request_duration_seconds_count{method="POST",route="/v1/{collection}"}`,
		`sheaf_mongodb_command_duration_seconds_count{command="insert"}`, `sheaf_mongodb_command_duration_seconds_count{command="find"}`,
		`sheaf_batch_requests_count{kind="insert"}`, `sheaf_batch_requests_count{kind="read"}`,
		`process_cpu_seconds_total`, `go_memstats_alloc_bytes_total`,
	} {
		w.moves(name, before, func() {})
	}
	w.profiles()
	w.program.terminate() // sends what is left of the traces
	w.mustHaveLogged()
	w.mustHaveTraced()
}

// With SHEAF_METRICS=false nobody gets metrics, at neither address.
func TestMetricsThatAreOff(t *testing.T) {
	t.Parallel()
	uri, database := testkit.Mongo(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.yaml"), []byte(notes), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := freeAddress(t)
	p := &program{
		t: t, binary: build(t), listen: "127.0.0.1:0", args: []string{"--schema", folder, "--admin-listen", admin},
		environ: append(os.Environ(), "MONGODB_URI="+uri, "MONGODB_DATABASE="+database, "SHEAF_METRICS=false"),
	}
	url := p.start()
	t.Cleanup(p.kill)
	for address, want := range map[string]int{url + "/metrics": 404, "http://" + admin + "/metrics": 404, "http://" + admin + "/debug/pprof/heap": 200} {
		response, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", address, response.StatusCode, want)
		}
	}
}

const traceOfClient = "0af7651916cd43dd8448eb211c80319c"

// watched is a shipped service, and all that shows what it does.
type watched struct {
	*service
	f       *failing
	program *program
	admin   string
	log     *bytes.Buffer // to be read when the program has ended

	mu    sync.Mutex
	spans []*otlp.Span
}

func startWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{f: &failing{t: t, server: startMongod(t)}, log: new(bytes.Buffer)}
	receiver := httptest.NewServer(http.HandlerFunc(w.receive))
	t.Cleanup(receiver.Close)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "things.yaml"), []byte(guarded), 0o600); err != nil {
		t.Fatal(err)
	}
	w.admin = freeAddress(t)
	p := &program{
		t: t, binary: build(t), listen: "127.0.0.1:0", stderr: w.log,
		args: []string{"--schema", folder, "--auth", "required", "--auth-key-lifetime", "5m", "--admin-listen", w.admin, "--otlp-endpoint", receiver.URL,
			"--slow-threshold", "1ms", "--pool-max", "2", "--caller-rate", "1", "--caller-burst", fmt.Sprint(watchedBurst)},
		environ: append(os.Environ(), "MONGODB_URI="+w.f.server.URI()+failingURI, "MONGODB_DATABASE=proof", "SHEAF_LOG_LEVEL=warn"),
	}
	key := p.run("keys", "create", "watched")
	w.program, w.service = p, &service{t: t, url: p.start(), key: key, client: &http.Client{Timeout: time.Minute}}
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

const watchedBurst = 200

// freeAddress returns one on which nobody listened just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return strings.TrimPrefix(s.URL, "http://")
}

// run runs another command of the program, and returns what it prints.
func (p *program) run(command ...string) string {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), p.binary, command...)
	c.Env = p.environ
	output, err := c.Output()
	if err != nil {
		p.t.Fatalf("sheaf %v: %v", command, err)
	}
	return strings.TrimSpace(string(output))
}

// receive takes spans by OTLP over HTTP.
func (w *watched) receive(_ http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var sent collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &sent) != nil {
		w.t.Errorf("what is sent to %s are no spans: %v", request.URL.Path, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			w.spans = append(w.spans, scope.Spans...)
		}
	}
}

func (w *watched) expect(status int, got reply) {
	w.t.Helper()
	if got.status != status {
		w.t.Errorf("status %d, want %d: %s", got.status, status, got.body)
	}
}

// operators asks the address of operators.
func (w *watched) operators(path string) string {
	w.t.Helper()
	response, err := w.client.Get("http://" + w.admin + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		w.t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
	}
	return string(text)
}

// scrape returns the metrics by their names and labels.
func (w *watched) scrape() map[string]float64 {
	w.t.Helper()
	return metricsIn(w.operators("/metrics"))
}

// moves holds that a counter is higher after something than before all.
func (w *watched) moves(name string, before map[string]float64, something func()) {
	w.t.Helper()
	something()
	if after := w.scrape()[name]; after <= before[name] {
		w.t.Errorf("%s stands still at %v", name, after)
	}
}

// wellAgain makes MongoDB work again.
func (w *watched) wellAgain() {
	w.t.Helper()
	w.f.admin(bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: "off"}})
}

// crowd has more requests wait for MongoDB than there are connections, until the
// gauges say so, and then holds that they join in batches and that the gauges go
// back.
func (w *watched) crowd(before map[string]float64) {
	w.t.Helper()
	joined := func(m map[string]float64) float64 {
		return m[`sheaf_batch_requests_sum{kind="read"}`] - m[`sheaf_batch_requests_count{kind="read"}`]
	}
	w.f.fail("alwaysOn", bson.D{{Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 1000}}, "find", "aggregate")
	var group sync.WaitGroup
	for i := range 40 {
		path := []string{"/v1/things/1", "/v1/things?limit=" + fmt.Sprint(i+1)}[i%2]
		group.Go(func() { w.do("GET", path, "") })
	}
	awaitTrue(w.t, "the gauges tell of the crowd", func() bool {
		now := w.scrape()
		return now["sheaf_http_requests_in_flight"] > 2 && now["sheaf_mongodb_connections_in_use"] == 2 && now["sheaf_mongodb_connections_waiting"] > 0
	})
	w.wellAgain()
	group.Wait()
	awaitTrue(w.t, "the gauges go back", func() bool {
		now := w.scrape()
		return now["sheaf_http_requests_in_flight"] == 0 && now["sheaf_mongodb_connections_in_use"] == 0 && now["sheaf_mongodb_connections_waiting"] == 0 && now["sheaf_mongodb_connections_open"] > 0
	})
	if joined(w.scrape()) <= joined(before) {
		w.t.Error("no reads joined in a batch")
	}
}

// profiles takes one of each kind that operators use, and holds that callers get
// none, nor the metrics.
func (w *watched) profiles() {
	w.t.Helper()
	for _, path := range []string{"/debug/pprof/heap", "/debug/pprof/goroutine", "/debug/pprof/profile?seconds=1"} {
		if len(w.operators(path)) == 0 {
			w.t.Errorf("%s is empty", path)
		}
	}
	for _, path := range []string{"/debug/pprof/heap", "/metrics"} {
		if got := w.do("GET", path, ""); got.status == 200 {
			w.t.Errorf("callers get %s", path)
		}
	}
}

// mustHaveLogged holds the slow lines: the shape of a filter, and no contents.
func (w *watched) mustHaveLogged() {
	text := w.log.String()
	for _, words := range []string{"command=find collection=things", `filter="{name: {$eq}}"`, "route=/v1/{collection} ", "slow read explained"} {
		if !strings.Contains(text, words) {
			w.t.Errorf("the log has no %q", words)
		}
	}
	if strings.Contains(text, "contents") {
		w.t.Error("the log has values of filters")
	}
}

// mustHaveTraced holds that the trace of a client has the span of its request, and
// that of the command below it.
func (w *watched) mustHaveTraced() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var request, command *otlp.Span
	for _, span := range w.spans {
		switch {
		case fmt.Sprintf("%x", span.TraceId) != traceOfClient:
		case span.Kind == otlp.Span_SPAN_KIND_SERVER:
			request = span
		case span.Kind == otlp.Span_SPAN_KIND_CLIENT:
			command = span
		}
	}
	if request == nil || command == nil || !bytes.Equal(command.ParentSpanId, request.SpanId) {
		w.t.Errorf("of %d spans, those of the client's trace are %v and %v", len(w.spans), request, command)
	}
}
