// Package api is the HTTP side: one table of routes, handlers on net/http's
// types, and one place where a fault becomes an answer. Echo matches the paths;
// only echo.go knows of it.
package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/query"
)

// Options are what the service needs beside an Engine.
type Options struct {
	// BodyLimit is the size of the largest body, in bytes.
	BodyLimit int64
	// Timeout bounds a request in the service and the database.
	Timeout time.Duration
	// Auth finds out who asks; nil serves anybody.
	Auth *auth.Authenticator
	// PublicDocs shows the OpenAPI document to anybody.
	PublicDocs bool
	// Admission bounds how many requests come in, and how often.
	Admission Admission
	// Origins may read answers in browsers.
	Origins Origins
	// Limits bound a list.
	Limits query.Limits
	// Transfers bound exports and imports.
	Transfers TransferLimits
	// Sessions bound the sessions of this instance.
	Sessions engine.SessionLimits
	// Instance names this instance to load balancers; a random name for none.
	Instance string
	// Explain lets callers ask how a list is found, Unindexed says what becomes
	// of one that no index serves.
	Explain   bool
	Unindexed Policy
	// Stale returns why the model that serves is not that of the schema files, ""
	// where it is; nil for a model that stays.
	Stale func() string
	// Version is that of the program, for the OpenAPI document.
	Version  string
	Observer *observe.Observer
	// Metrics answers at /metrics; nil where that is not here.
	Metrics http.Handler
	// Log gets panics alone; requests are the Observer's.
	Log *slog.Logger
}

// Service answers HTTP requests. It is safe for concurrent use.
type Service struct {
	engine   *engine.Engine
	sessions *engine.Sessions
	options  Options
	router   http.Handler
	draining atomic.Bool
	// underWay counts the requests, but for probes.
	underWay atomic.Int64
	document documentCache
	unserved unserved
	// transfers has an element for each export and import that is under way.
	transfers chan struct{}
}

// New returns a Service.
func New(e *engine.Engine, options Options) *Service {
	options.Instance = cmp.Or(options.Instance, rand.Text())
	options.Transfers = options.Transfers.withDefaults()
	s := &Service{engine: e, transfers: make(chan struct{}, options.Transfers.Open), options: options, sessions: e.NewSessions(options.Sessions)}
	s.router = newRouter()
	return s
}

// Drain makes the service tell that it is not ready, and close connections after
// an answer, so that requests come to go elsewhere. It serves on; sessions that are
// open do too, and new ones are refused.
func (s *Service) Drain() {
	s.draining.Store(true)
	s.sessions.Refuse()
}

// Stop aborts the sessions of a service that drains: their clients will not reach
// it any more.
func (s *Service) Stop() {
	s.Drain()
	s.sessions.Close()
}

// ServeHTTP answers one request: the stages that every request goes through.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, service: s, model: s.engine.Model(), began: time.Now(), client: r.Context()}
	x.limit.at = x.began.Add(s.options.Timeout)
	x.identify(r)
	defer x.limit.release()
	x.request = r.WithContext(&x.limit)
	defer s.finish(x)
	if s.draining.Load() {
		x.Header().Set("Connection", "close")
	}
	if !x.crossOrigin(r) {
		s.router.ServeHTTP(x, x.request)
	}
}

// finish answers for a handler that panicked, and emits the request.
func (s *Service) finish(x *exchange) {
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler: // panics are values, compared as net/http does
		x.broken = true
	default:
		s.options.Log.ErrorContext(x.request.Context(), "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		x.fail(fault.Wrap(fmt.Errorf("panic: %v", p), fault.Internal, "the service failed; the log has the details under this request id"))
	}
	s.options.Observer.Request(x.request.Context(), observe.Request{
		Method: x.request.Method, Route: x.route, Path: x.request.URL.Path, Address: x.suspect(),
		Status: x.status, Duration: time.Since(x.began), Bytes: x.bytes, Err: x.err,
	})
	x.emitWrites()
	if x.status == statusClientGone || x.broken {
		// Closes the connection: else net/http would say 200, or end the answer as
		// if it was whole.
		panic(http.ErrAbortHandler)
	}
}

// statusClientGone is what the log has for a request whose client hung up.
const statusClientGone = 499

// fail answers with a problem. Where the client hung up there is nobody to
// answer. The request's own context does not tell that: net/http cancels it for
// a body that comes too slowly as well.
func (x *exchange) fail(err error) {
	switch {
	case x.status != 0:
		// Too late for another answer: the client sees a broken one.
		x.err, x.broken = err, true
		return
	case errors.Is(err, context.Canceled):
		x.status = statusClientGone
		return
	case errors.Is(err, context.DeadlineExceeded) && fault.From(err).Code == fault.Internal:
		err = fault.Wrap(err, fault.Timeout, "the request took longer than the service allows")
	}
	x.err = err
	x.noteDenial(x.request.Context(), err)
	x.problem(fault.From(err))
}
