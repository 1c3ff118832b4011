package api_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/testkit"
	"github.com/sheafdb/sheaf/internal/trace"
)

// receiver takes spans by OTLP over HTTP.
type receiver struct {
	mu    sync.Mutex
	spans []*otlp.Span
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var sent collector.ExportTraceServiceRequest
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

// traced returns the spans that requests make.
func traced(t *testing.T, requests func(*service)) []*otlp.Span {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	defer server.Close()
	tracer, err := trace.New(t.Context(), trace.Options{Endpoint: server.URL, Version: "test", Failed: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	uri, db := testkit.Mongo(t)
	requests(startOn(t, kindsModel(t), uri, db, observe.New(tracer.Subscriber())))
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}

func attributesOf(span *otlp.Span) map[string]string {
	values := map[string]string{}
	for _, a := range span.Attributes {
		values[a.Key] = a.Value.GetStringValue()
	}
	return values
}

func TestSpansOfARequest(t *testing.T) {
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	var told string
	spans := traced(t, func(s *service) {
		s.do("POST", "/v1/strings", `{"id":"secret","name":"Ada"}`).is(201)
		told = s.do("GET", "/v1/strings/secret", "", "Traceparent: 00-"+id+"-"+parent+"-01").is(200).header.Get("Traceparent")
	})
	var request, command *otlp.Span
	for _, span := range spans {
		switch {
		case hex.EncodeToString(span.TraceId) != id:
		case span.Kind == otlp.Span_SPAN_KIND_SERVER:
			request = span
		default:
			command = span
		}
	}
	if request == nil || command == nil {
		t.Fatalf("no span of the request or its command is in the trace of the client: %v", spans)
	}
	if request.Name != "GET /v1/{collection}/{id}" || hex.EncodeToString(request.ParentSpanId) != parent {
		t.Errorf("the request is %v", request)
	}
	if want := "00-" + id + "-" + hex.EncodeToString(request.SpanId) + "-01"; told != want {
		t.Errorf("the answer says traceparent %q, and the span is %q", told, want)
	}
	if command.Name != "find strings" || string(command.ParentSpanId) != string(request.SpanId) || command.Kind != otlp.Span_SPAN_KIND_CLIENT {
		t.Errorf("the command is %v", command)
	}
	if command.StartTimeUnixNano < request.StartTimeUnixNano || command.EndTimeUnixNano > request.EndTimeUnixNano {
		t.Error("the command is not within the request")
	}
	if got := attributesOf(command)["db.system.name"]; got != "mongodb" {
		t.Errorf("db.system.name is %q", got)
	}
}

// TestSpansHoldNoContents asks for what spans must not tell.
func TestSpansHoldNoContents(t *testing.T) {
	spans := traced(t, func(s *service) {
		s.do("POST", "/v1/strings", `{"id":"x","name":"Ada","email":"hidden@example.com"}`).is(201)
		s.do("POST", "/v1/strings", `{"id":"y","name":"Ada","email":"hidden@example.com"}`).is(409)
		s.do("GET", "/v1/strings?filter={%22email%22:%22hidden@example.com%22}", "").is(200)
	})
	refused := 0
	for _, span := range spans {
		if strings.Contains(span.String(), "hidden") {
			t.Errorf("a span holds contents: %v", span)
		}
		if span.Kind == otlp.Span_SPAN_KIND_SERVER && attributesOf(span)["error.type"] == "duplicate-key" && span.Status.GetCode() == otlp.Status_STATUS_CODE_UNSET {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d spans of refused requests, want 1", refused)
	}
}

// TestClientsDecideWhetherTheyAreTraced sends a trace that is not sampled.
func TestClientsDecideWhetherTheyAreTraced(t *testing.T) {
	spans := traced(t, func(s *service) {
		a := s.do("GET", "/livez", "", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").is(200)
		if got := a.header.Get("Traceparent"); !strings.HasPrefix(got, "00-0af7651916cd43dd8448eb211c80319c-") || !strings.HasSuffix(got, "-00") {
			t.Errorf("traceparent %q", got)
		}
	})
	if len(spans) != 0 {
		t.Errorf("%d spans, want none", len(spans))
	}
}
