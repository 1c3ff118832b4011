// Package observe carries what happens in the service to those who want to
// know: code emits events, and the log (and whatever else subscribes) decides
// what becomes of them.
package observe

import (
	"context"
	"net/http"
	"time"
)

// Request is an HTTP request that was answered.
type Request struct {
	Method string
	// Route is the pattern that matched, empty for none; Path is what was
	// asked for, without the query, which can hold contents of documents.
	Route, Path string
	// Address is where the request came from, where it was refused for that or for
	// who asked.
	Address  string
	Status   int
	Duration time.Duration
	// Bytes count the body of the answer.
	Bytes int64
	// Err is why the answer is a problem, nil where it is none.
	Err error
}

// Command is a database command that was answered, or was not.
type Command struct {
	// Name is MongoDB's name of the command, such as insert or find.
	Name string
	// Collection is empty for a command that concerns none.
	Collection string
	// Filter is the shape of the filter of a read.
	Filter   Shape
	Duration time.Duration
	// Documents is how many were sent or came back.
	Documents int
	// Requests is how many requests share the command; 0 and 1 stand for one.
	Requests int
	Err      error
}

// Unserved is a list that no index of the schema serves.
type Unserved struct {
	Collection string
	// Index is the line of the schema file that would mend it, empty where no
	// index can.
	Index string
}

// Denial is a write, or anything of a whole collection, that the rules of access
// kept a caller from.
type Denial struct {
	// Method and Route are those of the request, which ctx has the caller of.
	Method, Route string
	// Action is read, create, update or delete; it, the Collection and the ID of the
	// document are empty where the request as a whole was refused.
	Action, Collection, ID string
}

// Batch is what several requests can share, as it is sent.
type Batch struct {
	// Kind is insert, read, ids, create, change or transaction.
	Kind string
	// Requests is how many share it.
	Requests int
}

// Plan is how MongoDB carries out a read that took long.
type Plan struct {
	Collection string
	Filter     Shape
	// Duration is that of the read.
	Duration time.Duration
	// Indexes are the names of those that are used; Scans is set where nothing
	// bounds what is read to find the documents, be it the collection or an index
	// from end to end, Sorts where they are sorted in memory.
	Indexes      []string
	Scans, Sorts bool
}

// Write is what a request did to documents of one collection.
type Write struct {
	// Method and Route are those of the request, which ctx has the caller of.
	Method, Route string
	// Action is create, replace, merge, update, patch, delete, restore or import.
	Action, Collection string
	// IDs are those of the first documents, where they are known one by one, and
	// Documents is how many there are.
	IDs       []string
	Documents int
}

// Subscriber is one who wants to know. A function that is nil is not called.
// The functions are called by many goroutines at once, and by those that serve
// the requests: they must not block.
type Subscriber struct {
	// Begin is called when a request came; each has a Request at its end. It returns
	// the context that the request goes on with, and the traceparent (W3C Trace
	// Context) of the answer, "" for none.
	Begin   func(context.Context, *http.Request) (context.Context, string)
	Request func(context.Context, Request)
	Command func(context.Context, Command)
	// Unserved is called once for the lists that the same index would mend.
	Unserved func(context.Context, Unserved)
	Denial   func(context.Context, Denial)
	Batch    func(Batch)
	// Plan is called once a minute at most for reads of a kind.
	Plan func(context.Context, Plan)
	// Retry is called for a transaction that is begun anew.
	Retry func(context.Context)
	// Write is called once what was written holds.
	Write func(context.Context, Write)
}

// Observer hands events to its subscribers. A nil *Observer has none, so code
// emits without asking. It is safe for concurrent use.
type Observer struct {
	begins   []func(context.Context, *http.Request) (context.Context, string)
	requests []func(context.Context, Request)
	commands []func(context.Context, Command)
	unserved []func(context.Context, Unserved)
	denials  []func(context.Context, Denial)
	batches  []func(Batch)
	retries  []func(context.Context)
	plans    []func(context.Context, Plan)
	writes   []func(context.Context, Write)
}

// New returns an Observer of fixed subscribers, called in their order.
func New(subscribers ...Subscriber) *Observer {
	o := &Observer{}
	for _, s := range subscribers {
		if s.Begin != nil {
			o.begins = append(o.begins, s.Begin)
		}
		if s.Batch != nil {
			o.batches = append(o.batches, s.Batch)
		}
		if s.Plan != nil {
			o.plans = append(o.plans, s.Plan)
		}
		if s.Retry != nil {
			o.retries = append(o.retries, s.Retry)
		}
		if s.Request != nil {
			o.requests = append(o.requests, s.Request)
		}
		if s.Command != nil {
			o.commands = append(o.commands, s.Command)
		}
		if s.Unserved != nil {
			o.unserved = append(o.unserved, s.Unserved)
		}
		if s.Denial != nil {
			o.denials = append(o.denials, s.Denial)
		}
		if s.Write != nil {
			o.writes = append(o.writes, s.Write)
		}
	}
	return o
}

// Begin emits that a request came, and returns the context that it goes on with,
// and the traceparent of its answer, "" for none.
func (o *Observer) Begin(ctx context.Context, r *http.Request) (_ context.Context, traceparent string) {
	if o == nil {
		return ctx, ""
	}
	for _, subscribed := range o.begins {
		var parent string
		if ctx, parent = subscribed(ctx, r); parent != "" {
			traceparent = parent
		}
	}
	return ctx, traceparent
}

// Request emits a request; ctx is the request's, for its id.
func (o *Observer) Request(ctx context.Context, request Request) {
	if o == nil {
		return
	}
	for _, subscribed := range o.requests {
		subscribed(ctx, request)
	}
}

// Command emits a database command; ctx is that of the request that it was sent
// for.
func (o *Observer) Command(ctx context.Context, command Command) {
	if o == nil {
		return
	}
	for _, subscribed := range o.commands {
		subscribed(ctx, command)
	}
}

// Unserved emits a list that no index serves; ctx is that of its request.
func (o *Observer) Unserved(ctx context.Context, unserved Unserved) {
	if o == nil {
		return
	}
	for _, subscribed := range o.unserved {
		subscribed(ctx, unserved)
	}
}

// WantsWrites reports whether somebody wants to know of writes: to gather them
// costs something.
func (o *Observer) WantsWrites() bool { return o != nil && len(o.writes) > 0 }

// Write emits what was written; ctx is that of its request.
func (o *Observer) Write(ctx context.Context, write Write) {
	if o == nil {
		return
	}
	for _, subscribed := range o.writes {
		subscribed(ctx, write)
	}
}

// Denial emits what a caller was kept from; ctx is that of its request.
func (o *Observer) Denial(ctx context.Context, denial Denial) {
	if o == nil {
		return
	}
	for _, subscribed := range o.denials {
		subscribed(ctx, denial)
	}
}

// Batches returns what emits the size of batches of a kind; nil where nobody wants
// to know.
func (o *Observer) Batches(kind string) func(requests int) {
	if o == nil || len(o.batches) == 0 {
		return nil
	}
	return func(requests int) {
		for _, subscribed := range o.batches {
			subscribed(Batch{Kind: kind, Requests: requests})
		}
	}
}

// Retry emits that a transaction is begun anew; ctx is that of its request.
func (o *Observer) Retry(ctx context.Context) {
	if o == nil {
		return
	}
	for _, subscribed := range o.retries {
		subscribed(ctx)
	}
}

// Plan emits how a slow read is carried out; ctx has the values of its request.
func (o *Observer) Plan(ctx context.Context, plan Plan) {
	if o == nil {
		return
	}
	for _, subscribed := range o.plans {
		subscribed(ctx, plan)
	}
}

// KnownMethod is the method where it is one of HTTP's own, else "other": it is
// whatever clients send then.
func KnownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// RequestIDKey is the key under which the context of a request has its id, as a
// *string: a context of its own kind can hold it without further memory.
type RequestIDKey struct{}

// CallerKey is the key of who asks, as a *string.
type CallerKey struct{}

// RequestID returns the id of the request that ctx belongs to, "" for none.
func RequestID(ctx context.Context) string {
	return text(ctx.Value(RequestIDKey{}))
}

// WithCaller returns a context that carries who asks. Keys and sessions belong
// to their caller.
func WithCaller(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, CallerKey{}, &id)
}

// Caller returns who asks, "" for somebody unknown.
func Caller(ctx context.Context) string {
	return text(ctx.Value(CallerKey{}))
}

func text(value any) string {
	if s, ok := value.(*string); ok {
		return *s
	}
	return ""
}
