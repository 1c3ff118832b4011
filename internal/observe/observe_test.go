package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/fault"
)

const slow = 100 * time.Millisecond

// withRequestID returns the context of a request.
func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, RequestIDKey{}, &id)
}

// logged returns the fields of the one line that emit writes, nil for no line.
func logged(t *testing.T, level string, emit func(context.Context, *Observer)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	logger, err := NewLogger(&out, "json", level)
	if err != nil {
		t.Fatal(err)
	}
	emit(withRequestID(t.Context(), "r1"), New(Log(logger, slow)))
	if out.Len() == 0 {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	delete(fields, "time")
	return fields
}

func TestLinesOfRequests(t *testing.T) {
	get := Request{Method: "GET", Route: "/v1/:collection/:id", Path: "/v1/users/7", Status: 200, Duration: 1234567 * time.Nanosecond, Bytes: 412}
	with := func(change func(*Request)) Request {
		r := get
		change(&r)
		return r
	}
	tests := []struct {
		name    string
		request Request
		change  map[string]any
	}{
		{"answered", get, nil},
		{"slow", with(func(r *Request) { r.Duration = slow }), map[string]any{"level": "WARN", "duration_us": 100000.0}},
		{"refused", with(func(r *Request) {
			r.Status, r.Err = 409, fault.Wrap(errors.New(`dup key: { email: "ada@example.com" }`), fault.DuplicateKey, "taken")
		}), map[string]any{"status": 409.0, "code": "duplicate-key"}},
		{"failed", with(func(r *Request) {
			r.Status, r.Err = 503, fault.Wrap(errors.New("dial mongodb://ada:hunter2@db"), fault.DatabaseUnavailable, "no database")
		}), map[string]any{"level": "ERROR", "status": 503.0, "code": "database-unavailable", "error": "database-unavailable: no database: dial mongodb://***@db"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := map[string]any{
				"level": "INFO", "msg": "request answered", "method": "GET", "route": "/v1/:collection/:id", "path": "/v1/users/7",
				"status": 200.0, "duration_us": 1234.0, "bytes": 412.0, "request_id": "r1",
			}
			for name, value := range test.change {
				want[name] = value
			}
			got := logged(t, "info", func(ctx context.Context, o *Observer) { o.Request(ctx, test.request) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLinesOfCommands(t *testing.T) {
	insert := Command{Name: "insert", Collection: "users", Duration: 2 * time.Millisecond, Documents: 3}
	with := func(change func(*Command)) Command {
		c := insert
		change(&c)
		return c
	}
	tests := []struct {
		name    string
		command Command
		change  map[string]any
	}{
		{"answered", insert, nil},
		{"shared", with(func(c *Command) { c.Requests = 3 }), map[string]any{"requests": 3.0}},
		{"slow", with(func(c *Command) { c.Duration = time.Second }), map[string]any{"level": "WARN", "duration_us": 1000000.0}},
		{"failed", with(func(c *Command) { c.Err = errors.New("E1") }), map[string]any{
			"level": "WARN", "code": "internal",
			"error": "E1",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := map[string]any{
				"level": "DEBUG", "msg": "command answered", "command": "insert", "collection": "users",
				"duration_us": 2000.0, "documents": 3.0, "request_id": "r1",
			}
			for name, value := range test.change {
				want[name] = value
			}
			got := logged(t, "debug", func(ctx context.Context, o *Observer) { o.Command(ctx, test.command) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLevelDecidesWhatIsWritten(t *testing.T) {
	if got := logged(t, "info", func(ctx context.Context, o *Observer) { o.Command(ctx, Command{Name: "find"}) }); got != nil {
		t.Errorf("at info a command is logged: %v", got)
	}
	if got := logged(t, "warn", func(ctx context.Context, o *Observer) { o.Request(ctx, Request{Status: 422}) }); got != nil {
		t.Errorf("at warn a refused request is logged: %v", got)
	}
	if got := logged(t, "info", func(ctx context.Context, o *Observer) { o.Command(ctx, Command{Duration: slow}) }); got == nil {
		t.Error("at info a slow command is not logged")
	}
}

func TestNoThresholdMeansNothingIsSlow(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	New(Log(logger, 0)).Request(t.Context(), Request{Status: 200, Duration: time.Hour})
	if !strings.Contains(out.String(), "level=INFO") {
		t.Errorf("logged %s", out.String())
	}
}

func TestEverySubscriberIsTold(t *testing.T) {
	var got []string
	note := func(name string) Subscriber {
		return Subscriber{
			Request: func(_ context.Context, r Request) { got = append(got, name+" "+r.Path) },
			Command: func(_ context.Context, c Command) { got = append(got, name+" "+c.Name) },
		}
	}
	o := New(note("log"), Subscriber{}, note("metrics"))
	o.Request(t.Context(), Request{Path: "/"})
	o.Command(t.Context(), Command{Name: "find"})
	if diff := cmp.Diff([]string{"log /", "metrics /", "log find", "metrics find"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestANilObserverTellsNobody(t *testing.T) {
	var o *Observer
	o.Begin(t.Context(), nil)
	o.Request(t.Context(), Request{})
	o.Command(t.Context(), Command{})
	o.Plan(t.Context(), Plan{})
	o.Retry(t.Context())
	if o.Batches("read") != nil {
		t.Error("somebody is told of batches")
	}
}

func TestRequestIDIsInEveryRecordOfARequest(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		logger, err := NewLogger(&out, format, "info")
		if err != nil {
			t.Fatal(err)
		}
		ctx := withRequestID(t.Context(), "r-42")
		logger.With("a", 1).InfoContext(ctx, "x")
		if !strings.Contains(out.String(), "r-42") {
			t.Errorf("%s: no id in %s", format, out.String())
		}
		if RequestID(ctx) != "r-42" || RequestID(t.Context()) != "" {
			t.Error("RequestID does not give back what the context has")
		}
	}
}

func TestNewLoggerRefuses(t *testing.T) {
	for _, bad := range [][2]string{{"xml", "info"}, {"json", "loud"}} {
		if _, err := NewLogger(io.Discard, bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestScrub(t *testing.T) {
	tests := []struct{ text, want string }{
		{"connection refused", "connection refused"},
		{"dial mongodb://ada:hun@ter2@db: refused", "dial mongodb://***@db: refused"},
		{"dial MONGODB+SRV://ada:hunter2@db", "dial MONGODB+SRV://***@db"},
		{`E11000 index: email_1 dup key: { email: "ada@example.com" }`, "E11000 index: email_1 dup key: ***"},
	}
	for _, test := range tests {
		if got := Scrub(test.text); got != test.want {
			t.Errorf("%q is %q, want %q", test.text, got, test.want)
		}
	}
}

// A level that is off must cost no allocation: the events are values.
func TestALevelThatIsOffCostsNoAllocation(t *testing.T) {
	logger, err := NewLogger(io.Discard, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	ctx, o := withRequestID(t.Context(), "r1"), New(Log(logger, slow))
	allocations := testing.AllocsPerRun(100, func() {
		o.Request(ctx, Request{Method: "GET", Path: "/v1/users/7", Status: 200, Duration: time.Millisecond})
		o.Command(ctx, Command{Name: "find", Collection: "users", Duration: time.Millisecond})
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkLog(b *testing.B) {
	for _, level := range []string{"debug", "warn"} {
		b.Run(level, func(b *testing.B) {
			logger, err := NewLogger(io.Discard, "json", level)
			if err != nil {
				b.Fatal(err)
			}
			ctx, o := withRequestID(b.Context(), "r1"), New(Log(logger, slow))
			b.ReportAllocs()
			for b.Loop() {
				o.Request(ctx, Request{Method: "GET", Path: "/v1/users/7", Status: 200, Duration: time.Millisecond})
				o.Command(ctx, Command{Name: "find", Collection: "users", Duration: time.Millisecond})
			}
		})
	}
}
