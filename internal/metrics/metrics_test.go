package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// watchedMetrics returns metrics that have all their sources.
func watchedMetrics() *Metrics {
	m := New("test")
	m.Watch(Sources{
		Pool:  func() (open, inUse, waiting int64) { return 3, 2, 1 },
		Model: func() (string, bool) { return "abc", true },
	})
	return m
}

// scrape returns the lines of metrics.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// has holds lines of the text format.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestEventsAreCounted(t *testing.T) {
	m := watchedMetrics()
	o := observe.New(m.Subscriber())
	ctx := t.Context()
	request := observe.Request{Method: "GET", Route: "/v1/{collection}", Path: "/v1/secret", Status: 200, Duration: 3 * time.Millisecond}
	refused := observe.Request{Method: "PURGE", Path: "/x", Status: 429, Err: fault.New(fault.TooManyRequests, "no")}
	for _, r := range []observe.Request{request, request, refused} {
		o.Begin(ctx, nil)
		o.Request(ctx, r)
	}
	o.Begin(ctx, nil)
	o.Command(ctx, observe.Command{Name: "find", Collection: "secret", Duration: 2 * time.Millisecond})
	o.Command(ctx, observe.Command{Name: "find", Duration: time.Second, Err: errors.New("driver's words")})
	o.Batches("insert")(5)
	o.Retry(ctx)
	o.Denial(ctx, observe.Denial{Action: "update", Collection: "secret"})
	o.Denial(ctx, observe.Denial{})
	text := scrape(t, m)
	has(t, text,
		`sheaf_http_requests_total{code="",method="GET",route="/v1/{collection}",status="200"} 2`,
		`sheaf_http_requests_total{code="too-many-requests",method="other",route="none",status="429"} 1`,
		`sheaf_http_request_duration_seconds_bucket{method="GET",route="/v1/{collection}",le="0.0025"} 0`,
		`sheaf_http_request_duration_seconds_bucket{method="GET",route="/v1/{collection}",le="0.005"} 2`,
		`sheaf_http_requests_in_flight 1`,
		`sheaf_rate_limited_requests_total 1`,
		`sheaf_mongodb_command_duration_seconds_count{command="find"} 2`,
		`sheaf_mongodb_command_failures_total{code="internal",command="find"} 1`,
		`sheaf_batch_requests_sum{kind="insert"} 5`,
		`sheaf_transaction_retries_total 1`,
		`sheaf_access_denials_total{action="update"} 1`,
		`sheaf_access_denials_total{action="request"} 1`,
		`sheaf_mongodb_connections_open 3`, `sheaf_mongodb_connections_in_use 2`, `sheaf_mongodb_connections_waiting 1`,
		`sheaf_model_info{hash="abc"} 1`, `sheaf_model_stale 1`)
	for _, word := range []string{"secret", "words", "PURGE", "/x"} {
		if strings.Contains(text, word) {
			t.Errorf("the metrics hold %q, which comes from a client", word)
		}
	}
}

// TestMethodsOfClientsMakeNoSeries sends what a client can make up.
func TestMethodsOfClientsMakeNoSeries(t *testing.T) {
	m := watchedMetrics()
	for i := range 100 {
		m.request(t.Context(), observe.Request{Method: "M" + strconv.Itoa(i), Path: "/" + strconv.Itoa(i), Status: 404, Err: fault.New(fault.UnknownRoute, "none")})
	}
	has(t, scrape(t, m), `sheaf_http_requests_total{code="unknown-route",method="other",route="none",status="404"} 100`)
}

func TestSeriesOfManyAtOnce(t *testing.T) {
	m := watchedMetrics()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 500 {
				m.request(context.Background(), observe.Request{Method: "GET", Route: "/r" + strconv.Itoa(i%20), Status: 200})
			}
		})
	}
	group.Wait()
	has(t, scrape(t, m), `sheaf_http_requests_total{code="",method="GET",route="/r7",status="200"} 200`)
}

// TestCountingTakesNoMemory holds the path of every request.
func TestCountingTakesNoMemory(t *testing.T) {
	m := watchedMetrics()
	o, ctx := observe.New(m.Subscriber()), t.Context()
	batches := o.Batches("insert")
	if n := testing.AllocsPerRun(1000, func() {
		o.Begin(ctx, nil)
		o.Command(ctx, observe.Command{Name: "find", Duration: time.Millisecond})
		batches(3)
		o.Request(ctx, observe.Request{Method: "GET", Route: "/v1/{collection}/{id}", Status: 200, Duration: time.Millisecond})
	}); n != 0 {
		t.Errorf("counting a request allocates %v times", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	m := watchedMetrics()
	o, ctx := observe.New(m.Subscriber()), b.Context()
	for b.Loop() {
		o.Begin(ctx, nil)
		o.Command(ctx, observe.Command{Name: "find", Duration: time.Millisecond})
		o.Request(ctx, observe.Request{Method: "GET", Route: "/v1/{collection}/{id}", Status: 200, Duration: time.Millisecond})
	}
}
