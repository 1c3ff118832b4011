package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
)

// NewLogger returns the log. Format is text or json; level is debug, info, warn
// or error. A record that is logged with the context of a request has its
// request_id, and its caller where that is known.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("the log level %q is none", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(contextHandler{slog.NewTextHandler(w, options)}), nil
	case "json":
		return slog.New(contextHandler{slog.NewJSONHandler(w, options)}), nil
	}
	return nil, fmt.Errorf("the log format %q is none", format)
}

// contextHandler adds what the context knows to every record.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, record slog.Record) error {
	record.AddAttrs(appendContext(ctx, nil)...)
	return h.Handler.Handle(ctx, record)
}

// appendContext adds what the context knows.
func appendContext(ctx context.Context, attrs []slog.Attr) []slog.Attr {
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if caller := Caller(ctx); caller != "" {
		attrs = append(attrs, slog.String("caller", caller))
	}
	return attrs
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// Log returns the subscriber that writes a line an event. What takes slow or
// longer is logged at warn; 0 is for never.
func Log(logger *slog.Logger, slow time.Duration) Subscriber {
	l := &eventLog{logger: logger, slow: slow, routes: make(map[[2]string]slog.Handler)}
	return Subscriber{Request: l.request, Command: l.command, Unserved: l.unserved, Plan: l.plan}
}

type eventLog struct {
	logger *slog.Logger
	slow   time.Duration
	// routes has the handlers of routes by method and path: there is a line a
	// request, so what all lines of a route have in common is written once.
	mu     sync.RWMutex
	routes map[[2]string]slog.Handler
}

func (l *eventLog) request(ctx context.Context, r Request) {
	level := l.requestLevel(r)
	if !l.logger.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8),
		slog.String("path", r.Path),
		slog.Int("status", r.Status),
		microseconds(r.Duration),
		slog.Int64("bytes", r.Bytes))
	write(ctx, l.ofRoute(r.Method, r.Route), level, "request answered", appendFault(attrs, r.Err))
}

// ofRoute returns the handler of the records of a route. That of no route is not
// kept, since its methods are whatever clients send.
func (l *eventLog) ofRoute(method, route string) slog.Handler {
	key := [2]string{method, route}
	l.mu.RLock()
	handler := l.routes[key]
	l.mu.RUnlock()
	if handler != nil {
		return handler
	}
	handler = l.logger.Handler().WithAttrs([]slog.Attr{slog.String("method", method), slog.String("route", route)})
	if route != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.routes[key] = handler
	}
	return handler
}

// write hands a record on without the place in the source, which is always the
// same and costs a walk of the stack. It adds itself what a contextHandler would:
// a record takes all attributes at once with less memory.
func write(ctx context.Context, to slog.Handler, level slog.Level, message string, attrs []slog.Attr) {
	if h, ok := to.(contextHandler); ok {
		to, attrs = h.Handler, appendContext(ctx, attrs)
	}
	record := slog.NewRecord(time.Now(), level, message, 0)
	record.AddAttrs(attrs...)
	_ = to.Handle(ctx, record) // there is nowhere to tell of a log that cannot be written
}

func (l *eventLog) requestLevel(r Request) slog.Level {
	switch {
	case r.Status >= 500:
		return slog.LevelError
	case l.isSlow(r.Duration):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (l *eventLog) command(ctx context.Context, c Command) {
	level := slog.LevelDebug
	if c.Err != nil || l.isSlow(c.Duration) {
		level = slog.LevelWarn
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 11),
		slog.String("command", c.Name),
		slog.String("collection", c.Collection),
		microseconds(c.Duration),
		slog.Int("documents", c.Documents))
	if c.Requests > 1 {
		attrs = append(attrs, slog.Int("requests", c.Requests))
	}
	if l.isSlow(c.Duration) && c.Filter.filter != nil {
		attrs = append(attrs, slog.String("filter", c.Filter.String()))
	}
	write(ctx, l.logger.Handler(), level, "command answered", appendFault(attrs, c.Err))
}

func (l *eventLog) unserved(ctx context.Context, u Unserved) {
	attrs := []slog.Attr{slog.String("collection", u.Collection)}
	if u.Index != "" {
		attrs = append(attrs, slog.String("index", u.Index))
	}
	l.logger.LogAttrs(ctx, slog.LevelWarn, "no index serves a list", attrs...)
}

func (l *eventLog) plan(ctx context.Context, p Plan) {
	l.logger.LogAttrs(ctx, slog.LevelWarn, "slow read explained",
		slog.String("collection", p.Collection), slog.String("filter", p.Filter.String()), microseconds(p.Duration),
		slog.Any("indexes", p.Indexes), slog.Bool("reads_all", p.Scans), slog.Bool("sorts_in_memory", p.Sorts))
}

func (l *eventLog) isSlow(d time.Duration) bool { return l.slow > 0 && d >= l.slow }

// microseconds names its unit, which a JSON number could not tell otherwise. It
// is an integer, which slog writes many times faster than a fraction.
func microseconds(d time.Duration) slog.Attr { return slog.Int64("duration_us", d.Microseconds()) }

// appendFault adds the code of an error, and its text where that is about the
// service: the text of a refused document can quote what is in it.
func appendFault(attrs []slog.Attr, err error) []slog.Attr {
	if err == nil {
		return attrs
	}
	code := fault.From(err).Code
	attrs = append(attrs, slog.String("code", string(code)))
	if fault.Lookup(code).Status >= 500 {
		attrs = append(attrs, slog.String("error", Scrub(err.Error())))
	}
	return attrs
}

// credentials matches the user and password of a connection string.
var credentials = regexp.MustCompile(`(?is)(mongodb(?:\+srv)?://).*@`)

// Scrub takes out of the text of an error what a log must not hold: passwords of
// connection strings, and the values that MongoDB quotes of a duplicate key.
func Scrub(text string) string {
	text = credentials.ReplaceAllString(text, "${1}***@")
	if at := strings.Index(text, "dup key:"); at >= 0 {
		text = text[:at] + "dup key: ***"
	}
	return text
}
