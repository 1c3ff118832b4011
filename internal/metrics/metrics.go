// Package metrics counts what happens in the service, for Prometheus.
//
// Labels take values of the code and of the table of routes alone, never what
// clients send: the number of series is bounded.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// Metrics are the metrics of one service. They are safe for concurrent use.
type Metrics struct {
	registry  *prometheus.Registry
	inFlight  prometheus.Gauge
	retries   prometheus.Counter
	limited   prometheus.Counter
	requests  series[answer, prometheus.Counter]
	durations series[endpoint, prometheus.Observer]
	commands  series[string, prometheus.Observer]
	failures  series[failure, prometheus.Counter]
	batches   series[string, prometheus.Observer]
	denials   series[string, prometheus.Counter]
}

// What tells the series of a metric from each other.
type (
	endpoint struct{ method, route string }
	answer   struct {
		endpoint
		status int
		code   fault.Code
	}
	failure struct {
		command string
		code    fault.Code
	}
)

var (
	durationBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	batchBuckets    = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

// New returns metrics that have counted nothing, with those of Go and the process.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sheaf_http_requests_in_flight", Help: "Requests that are being answered."}),
		retries:  prometheus.NewCounter(prometheus.CounterOpts{Name: "sheaf_transaction_retries_total", Help: "Transactions that were begun anew as other writes were in the way."}),
		limited:  prometheus.NewCounter(prometheus.CounterOpts{Name: "sheaf_rate_limited_requests_total", Help: "Requests that were refused as their caller or address asked too often."}),
	}
	m.addVectors()
	m.registry.MustRegister(m.inFlight, m.retries, m.limited,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sheaf_build_info", Help: "1, with the version of the program and of Go.",
			ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
		}, func() float64 { return 1 }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// addVectors adds the metrics that have labels.
func (m *Metrics) addVectors() {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sheaf_http_requests_total", Help: "Requests that were answered, by status and, where the answer is a problem, its code. 499 is for clients that hung up.",
	}, []string{"method", "route", "status", "code"})
	durations := newHistograms("sheaf_http_request_duration_seconds", "Time from the headers of a request to the end of its answer.", durationBuckets, "method", "route")
	commands := newHistograms("sheaf_mongodb_command_duration_seconds", "Time that commands to MongoDB took, those that failed too.", durationBuckets, "command")
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sheaf_mongodb_command_failures_total", Help: "Commands to MongoDB that failed, by the code of the problem that it comes to.",
	}, []string{"command", "code"})
	batches := newHistograms("sheaf_batch_requests", "Requests that shared what was sent, such as an insert or a transaction.", batchBuckets, "kind")
	denials := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sheaf_access_denials_total", Help: "What the rules of access kept callers from; request is for a request as a whole.",
	}, []string{"action"})
	m.registry.MustRegister(requests, durations, commands, failures, batches, denials)
	m.requests.resolve = func(a answer) prometheus.Counter {
		return requests.WithLabelValues(a.method, a.route, strconv.Itoa(a.status), string(a.code))
	}
	m.durations.resolve = func(e endpoint) prometheus.Observer { return durations.WithLabelValues(e.method, e.route) }
	m.commands.resolve = func(name string) prometheus.Observer { return commands.WithLabelValues(name) }
	m.failures.resolve = func(f failure) prometheus.Counter { return failures.WithLabelValues(f.command, string(f.code)) }
	m.batches.resolve = func(kind string) prometheus.Observer { return batches.WithLabelValues(kind) }
	m.denials.resolve = func(action string) prometheus.Counter { return denials.WithLabelValues(action) }
}

func newHistograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Handler answers with all metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Subscriber returns who counts the events of an observer.
func (m *Metrics) Subscriber() observe.Subscriber {
	return observe.Subscriber{
		Begin:   m.begin,
		Request: m.request,
		Command: m.command,
		Denial:  m.denial,
		Batch:   func(b observe.Batch) { m.batches.of(b.Kind).Observe(float64(b.Requests)) },
		Retry:   func(context.Context) { m.retries.Inc() },
	}
}

func (m *Metrics) begin(ctx context.Context, _ *http.Request) (context.Context, string) {
	m.inFlight.Inc()
	return ctx, ""
}

func (m *Metrics) request(_ context.Context, r observe.Request) {
	m.inFlight.Dec()
	a := answer{endpoint: endpoint{observe.KnownMethod(r.Method), r.Route}, status: r.Status}
	if a.route == "" {
		a.route = "none"
	}
	if r.Err != nil {
		a.code = fault.From(r.Err).Code
	}
	m.requests.of(a).Inc()
	m.durations.of(a.endpoint).Observe(r.Duration.Seconds())
	if a.code == fault.TooManyRequests {
		m.limited.Inc()
	}
}

func (m *Metrics) command(_ context.Context, c observe.Command) {
	m.commands.of(c.Name).Observe(c.Duration.Seconds())
	if c.Err != nil {
		m.failures.of(failure{c.Name, fault.From(c.Err).Code}).Inc()
	}
}

func (m *Metrics) denial(_ context.Context, d observe.Denial) {
	if d.Action == "" {
		d.Action = "request"
	}
	m.denials.of(d.Action).Inc()
}

// Sources are what is asked when the metrics are read.
type Sources struct {
	// Pool returns how many connections to MongoDB are open and in use, and how
	// many operations wait for one.
	Pool func() (open, inUse, waiting int64)
	// Model returns the hash of the model that serves, and whether it is that of
	// the schema files.
	Model func() (hash string, stale bool)
}

// Watch adds what sources know. It is called once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(watched{s}) }

// watched asks sources when the metrics are read.
type watched struct{ sources Sources }

var (
	poolOpen    = prometheus.NewDesc("sheaf_mongodb_connections_open", "Connections to MongoDB, idle and in use.", nil, nil)
	poolInUse   = prometheus.NewDesc("sheaf_mongodb_connections_in_use", "Connections to MongoDB that are checked out.", nil, nil)
	poolWaiting = prometheus.NewDesc("sheaf_mongodb_connections_waiting", "Operations that wait for a connection to MongoDB.", nil, nil)
	modelInfo   = prometheus.NewDesc("sheaf_model_info", "1, with the hash of the model that serves.", []string{"hash"}, nil)
	modelStale  = prometheus.NewDesc("sheaf_model_stale", "1 where the model that serves is not that of the schema files: they do not compile, or the database is behind them.", nil, nil)
)

// Describe tells of all that Collect sends.
func (watched) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolOpen, poolInUse, poolWaiting, modelInfo, modelStale} {
		to <- d
	}
}

// Collect asks the sources.
func (w watched) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	open, inUse, waiting := w.sources.Pool()
	gauge(poolOpen, float64(open))
	gauge(poolInUse, float64(inUse))
	gauge(poolWaiting, float64(waiting))
	hash, stale := w.sources.Model()
	gauge(modelInfo, 1, hash)
	gauge(modelStale, map[bool]float64{true: 1}[stale])
}
