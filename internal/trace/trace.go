// Package trace makes spans of requests and database commands, and sends them by
// OTLP to those who gather traces.
package trace

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// Options say where spans go.
type Options struct {
	// Endpoint is the URL of a receiver, to which /v1/traces is appended; "" leaves
	// it to the variables of OpenTelemetry.
	Endpoint string
	// Version is that of the program.
	Version string
	// Failed is told of spans that could not be sent.
	Failed func(error)
}

// Wanted reports whether somebody gathers traces: by an endpoint, or by the
// variables of OpenTelemetry.
func Wanted(endpoint string) bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return cmp.Or(endpoint, os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) != ""
}

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracer, which is to be closed. It does not wait for the receiver.
// What is sampled, how much is sent at once and the like follow the variables of
// OpenTelemetry.
func New(ctx context.Context, o Options) (*Tracer, error) {
	var settings []otlptracehttp.Option
	if o.Endpoint != "" {
		target, err := url.JoinPath(o.Endpoint, "v1", "traces")
		if err != nil {
			return nil, fmt.Errorf("the endpoint of traces: %w", err)
		}
		settings = append(settings, otlptracehttp.WithEndpointURL(target))
	}
	exporter, err := otlptracehttp.New(ctx, settings...)
	if err != nil {
		return nil, fmt.Errorf("traces cannot be sent: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "sheaf"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("what the variables of OpenTelemetry say of the service: %w", err)
	}
	if o.Failed != nil {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(o.Failed))
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracer{provider, provider.Tracer("github.com/sheafdb/sheaf")}, nil
}

// closeTimeout bounds the wait for a receiver at the end.
const closeTimeout = 5 * time.Second

// Close sends what is left, within 5 s.
func (t *Tracer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// Subscriber returns who makes spans of the events of an observer.
func (t *Tracer) Subscriber() observe.Subscriber {
	return observe.Subscriber{Begin: t.begin, Request: request, Command: t.command}
}

// begin begins the span of a request, in the trace of the client where it has one
// (W3C Trace Context).
func (t *Tracer) begin(ctx context.Context, r *http.Request) (context.Context, string) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	s := span.SpanContext()
	return ctx, "00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-" + s.TraceFlags().String()
}

// request ends the span of a request.
func request(ctx context.Context, r observe.Request) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	method := observe.KnownMethod(r.Method)
	span.SetName(method)
	span.SetAttributes(
		attribute.String("http.request.method", method),
		attribute.Int("http.response.status_code", r.Status),
		attribute.String("sheaf.request_id", observe.RequestID(ctx)))
	if r.Route != "" {
		span.SetName(method + " " + r.Route)
		span.SetAttributes(attribute.String("http.route", r.Route), attribute.String("url.path", r.Path))
	}
	fail(span, r.Err, r.Status >= http.StatusInternalServerError)
	span.End()
}

// command makes the span of a command. One that several requests share is in the
// trace of one of them; those that are for no request are in none.
func (t *Tracer) command(ctx context.Context, c observe.Command) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	name, attributes := c.Name, []attribute.KeyValue{
		attribute.String("db.system.name", "mongodb"),
		attribute.String("db.operation.name", c.Name),
		attribute.Int("db.response.returned_rows", c.Documents),
	}
	if c.Collection != "" {
		name += " " + c.Collection
		attributes = append(attributes, attribute.String("db.collection.name", c.Collection))
	}
	if c.Requests > 1 {
		attributes = append(attributes, attribute.Int("sheaf.requests", c.Requests))
	}
	end := time.Now()
	_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(end.Add(-c.Duration)), trace.WithAttributes(attributes...))
	fail(span, c.Err, true)
	span.End(trace.WithTimestamp(end))
}

// fail notes the code of a failure. Its text is for the log, which takes out of it
// what is not to be told.
func fail(span trace.Span, err error, failed bool) {
	if err == nil {
		return
	}
	code := string(fault.From(err).Code)
	span.SetAttributes(attribute.String("error.type", code))
	if failed {
		span.SetStatus(codes.Error, code)
	}
}
