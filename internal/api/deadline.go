package api

import (
	"context"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/observe"
)

// deadline is the context of a request, which ends at the time limit. It is as
// context.WithDeadline's, but has a timer only once somebody waits for it: most
// requests are answered without. It has the id of the request and who asks, too,
// where context.WithValue would take memory for each.
type deadline struct {
	context.Context
	at time.Time

	requestID string
	// principal is nil, and caller empty, until it is known who asks.
	principal *auth.Principal
	caller    string

	mu     sync.Mutex
	timed  context.Context
	cancel context.CancelFunc
}

// Deadline returns the time limit, or that of the parent where it is earlier.
func (d *deadline) Deadline() (time.Time, bool) {
	if at, ok := d.Context.Deadline(); ok && at.Before(d.at) {
		return at, true
	}
	return d.at, true
}

// Done starts the timer.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed.Done()
}

// Err tells whether the context has ended, with a timer or without.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.timed != nil:
		return d.timed.Err()
	case d.Context.Err() != nil:
		return d.Context.Err()
	case !time.Now().Before(d.at):
		return context.DeadlineExceeded
	}
	return nil
}

// Await waits for a channel as long as the context lasts, and reports whether it
// was closed. It takes a timer that others used before, where Done makes one.
func (d *deadline) Await(closed <-chan struct{}) bool {
	timer := timers.Get().(*time.Timer)
	defer timers.Put(timer)
	timer.Reset(time.Until(d.at))
	defer timer.Stop()
	select {
	case <-closed:
		return true
	case <-d.Context.Done():
	case <-timer.C:
	}
	return false
}

// identify adds who asks; nobody else uses the context yet.
func (d *deadline) identify(principal *auth.Principal) {
	d.principal, d.caller = principal, principal.Caller()
}

// Value returns what the request or the parent has under a key.
func (d *deadline) Value(key any) any {
	switch key.(type) {
	case observe.RequestIDKey:
		return &d.requestID
	case observe.CallerKey:
		if d.principal != nil {
			return &d.caller
		}
	case auth.PrincipalKey:
		if d.principal != nil {
			return d.principal
		}
	}
	return d.Context.Value(key)
}

// timers are stopped.
var timers = sync.Pool{New: func() any {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return timer
}}

// release ends the context, and frees the timer.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = ended, func() {}
	}
	d.cancel()
}

// ended is a context that is over.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
