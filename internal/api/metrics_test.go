package api_test

import (
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/metrics"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMetricsOfRequests(t *testing.T) {
	m := metrics.New("test")
	observer := observe.New(m.Subscriber())
	uri, db := testkit.Mongo(t)
	s := startOn(t, kindsModel(t), uri, db, observer)
	m.Watch(metrics.Sources{
		Pool:  func() (int64, int64, int64) { p := s.store.Pool(); return p.Open, p.InUse, p.Waiting },
		Model: func() (string, bool) { return s.engine.Model().Hash, false },
	})
	s.serve(api.Options{Observer: observer, Metrics: m.Handler()})

	s.do("POST", "/v1/strings", `{"id":"a","name":"Ada"}`).is(201)
	s.do("POST", "/v1/strings", `{"id":"a","name":"Ada"}`).problem(409, "duplicate-key", "/id")
	s.do("POST", "/v1/increments", `{"name":"Ada"}`).is(201)
	s.do("GET", "/v1/strings/a", "").is(200)
	s.do("GET", "/v1/strings/b", "").problem(404, "not-found")
	s.do("GET", "/v1/strings?filter={", "").is(400)
	s.do("GET", "/nowhere", "").is(404)

	text := s.do("GET", "/metrics", "").is(200).sends("Cache-Control", "no-store").has(
		`sheaf_http_requests_total{code="",method="POST",route="/v1/{collection}",status="201"} 2`,
		`sheaf_http_requests_total{code="duplicate-key",method="POST",route="/v1/{collection}",status="409"} 1`,
		`sheaf_http_requests_total{code="",method="GET",route="/v1/{collection}/{id}",status="200"} 1`,
		`sheaf_http_requests_total{code="not-found",method="GET",route="/v1/{collection}/{id}",status="404"} 1`,
		`sheaf_http_requests_total{code="unknown-route",method="GET",route="none",status="404"} 1`,
		`sheaf_http_request_duration_seconds_count{method="GET",route="/v1/{collection}/{id}"} 2`,
		`sheaf_http_requests_in_flight 1`, // the one that asks
		`sheaf_mongodb_command_duration_seconds_count{command="insert"}`,
		`sheaf_batch_requests_count{kind="insert"} 3`,
		`sheaf_batch_requests_count{kind="read"} 2`,
		`sheaf_batch_requests_count{kind="ids"} 1`,
		`sheaf_model_info{hash="`+s.model.Hash+`"} 1`,
		`sheaf_mongodb_connections_in_use 0`,
	).body
	if strings.Contains(string(text), "increments") {
		t.Error("the metrics name a collection")
	}
}

func TestMetricsElsewhere(t *testing.T) {
	s := start(t, kindsModel(t))
	s.do("GET", "/metrics", "").problem(404, "unknown-route")
}
