package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
)

// SessionLimits bound the sessions of an instance. A field that is zero has its
// default.
type SessionLimits struct {
	// Open is how many there may be at once, 100 by default.
	Open int
	// Idle is how long one may go unused, 30 s by default.
	Idle time.Duration
	// Lifetime is how long one may be open, 50 s by default. MongoDB ends a
	// transaction after 60 s.
	Lifetime time.Duration
}

const (
	defaultOpenSessions    = 100
	defaultSessionIdle     = 30 * time.Second
	defaultSessionLifetime = 50 * time.Second
	// rememberedSessions is of how many sessions that are over the reason is kept.
	rememberedSessions = 1000
)

// Sessions are the interactive transactions of this instance, each over several
// requests of one caller. They are safe for concurrent use.
type Sessions struct {
	store  *store.Store
	limits SessionLimits

	mu   sync.Mutex
	open map[string]*session
	// refuses is set when no new session may begin, closed when none may go on.
	refuses, closed bool
	// ended says why sessions are over; order has their ids, the oldest first.
	ended map[string]ending
	order []string
}

// ending is how a session ended.
type ending struct{ caller, why string }

// session is one that is open.
type session struct {
	id, caller  string
	transaction *store.Session
	expiresAt   time.Time
	idle        *time.Timer

	// turn holds a token while nobody uses the session. What follows is for who
	// has taken it.
	turn     chan struct{}
	lastUsed time.Time
	over     bool
}

// SessionInfo is what a caller is told of a session.
type SessionInfo struct {
	ID        string
	ExpiresAt time.Time
	Idle      time.Duration
}

// NewSessions returns the sessions of an instance. They are to be closed.
func (e *Engine) NewSessions(limits SessionLimits) *Sessions {
	return &Sessions{
		store: e.store,
		limits: SessionLimits{
			Open:     cmp.Or(limits.Open, defaultOpenSessions),
			Idle:     cmp.Or(limits.Idle, defaultSessionIdle),
			Lifetime: cmp.Or(limits.Lifetime, defaultSessionLifetime),
		},
		open: make(map[string]*session), ended: make(map[string]ending),
	}
}

// Begin opens a session of the caller of ctx. It fails with TooManyRequests
// where as many are open as may be.
func (x *Sessions) Begin(ctx context.Context) (SessionInfo, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refuses || x.closed {
		return SessionInfo{}, fault.New(fault.DatabaseUnavailable, "the service is stopping")
	}
	if len(x.open) >= x.limits.Open {
		return SessionInfo{}, fault.New(fault.TooManyRequests, "%d sessions are open, and the service holds no more", len(x.open))
	}
	transaction, err := x.store.Begin(ctx)
	if err != nil {
		return SessionInfo{}, err
	}
	now := time.Now()
	s := &session{
		id: rand.Text(), caller: observe.Caller(ctx), transaction: transaction,
		expiresAt: now.Add(x.limits.Lifetime).UTC().Truncate(time.Millisecond), turn: make(chan struct{}, 1), lastUsed: now,
	}
	s.idle = time.AfterFunc(min(x.limits.Idle, x.limits.Lifetime), func() { x.expire(s) })
	s.turn <- struct{}{}
	x.open[s.id] = s
	return SessionInfo{s.id, s.expiresAt, x.limits.Idle}, nil
}

// Run makes what fn does through its context a part of a session. Requests of one
// session wait for each other. It fails with SessionGone where the session is
// over, or not one of the caller's.
//
// A failure of a write ends the session, and so does one of the database, and
// who asked not being there any more: nobody would know what is in it.
func (x *Sessions) Run(ctx context.Context, id string, writes bool, fn func(context.Context) error) error {
	s, err := x.take(ctx, id)
	if err != nil {
		return err
	}
	defer x.release(s)
	ctx, cancel := context.WithDeadline(ctx, s.expiresAt)
	defer cancel()
	err = s.transaction.Run(ctx, fn)
	switch {
	case errors.Is(err, context.Canceled):
		x.end(s, "its client hung up in the middle of a request")
	case err != nil && (writes || s.transaction.Failed()):
		x.end(s, "a request failed with "+string(fault.From(err).Code))
		return noted(err, "the session is over, and nothing of it is stored")
	}
	return err
}

// Commit stores what was done in a session, or nothing of it, and ends it. Where
// the request has a key, its answer is stored too, and a repetition gets that
// answer, wherever it arrives.
func (x *Sessions) Commit(ctx context.Context, id string, request *Request, answer Answer) (Answer, bool, error) {
	if request != nil {
		kept, found, err := x.store.Answered(ctx, request.key(ctx), request.Fingerprint)
		if err != nil || found {
			return kept, found, err
		}
	}
	s, err := x.take(ctx, id)
	if err != nil {
		return Answer{}, false, err
	}
	defer x.release(s)
	if err := x.commit(ctx, s, request, answer); err != nil {
		x.end(s, "its commit failed with "+string(fault.From(err).Code))
		return Answer{}, false, noted(err, "the session is over")
	}
	x.end(s, "it was committed")
	return answer, false, nil
}

func (x *Sessions) commit(ctx context.Context, s *session, request *Request, answer Answer) error {
	if request != nil {
		err := s.transaction.Run(ctx, func(ctx context.Context) error {
			return x.store.Keep(ctx, request.key(ctx), request.Fingerprint, answer)
		})
		if err != nil {
			return err
		}
	}
	return s.transaction.Commit(ctx)
}

// Abort ends a session without a trace.
func (x *Sessions) Abort(ctx context.Context, id string) error {
	s, err := x.take(ctx, id)
	if err != nil {
		return err
	}
	defer x.release(s)
	x.end(s, "it was aborted")
	return nil
}

// Refuse lets no new session begin. Those that are open go on.
func (x *Sessions) Refuse() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.refuses = true
}

// Close aborts all sessions, those in use when their request is answered, and
// refuses new ones.
func (x *Sessions) Close() {
	x.mu.Lock()
	x.closed = true
	var free []*session
	for _, s := range x.open {
		select {
		case <-s.turn:
			free = append(free, s)
		default: // release ends it
		}
	}
	x.mu.Unlock()
	var aborts sync.WaitGroup
	for _, s := range free {
		aborts.Go(func() { x.release(s) })
	}
	aborts.Wait()
}

// take returns the open session of the caller once nobody else uses it.
func (x *Sessions) take(ctx context.Context, id string) (*session, error) {
	x.mu.Lock()
	s, caller := x.open[id], observe.Caller(ctx)
	x.mu.Unlock()
	if s == nil || s.caller != caller {
		return nil, x.gone(id, caller)
	}
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.over {
		s.turn <- struct{}{}
		return nil, x.gone(id, caller)
	}
	return s, nil
}

// release gives the session back to those who wait for it.
func (x *Sessions) release(s *session) {
	if !s.over {
		s.lastUsed = time.Now()
		x.watch(s)
	}
	s.turn <- struct{}{}
}

// expire looks after a session that was perhaps not used for too long. One that
// is in use is seen to when it is released.
func (x *Sessions) expire(s *session) {
	select {
	case <-s.turn:
	default:
		return
	}
	if !s.over {
		x.watch(s)
	}
	s.turn <- struct{}{}
}

// watch ends a session whose time is over, or comes back when that will be.
func (x *Sessions) watch(s *session) {
	now := time.Now()
	x.mu.Lock()
	closed := x.closed
	x.mu.Unlock()
	switch {
	case closed:
		x.end(s, "the service stopped")
	case !now.Before(s.expiresAt):
		x.end(s, "it was open for longer than "+x.limits.Lifetime.String())
	case now.Sub(s.lastUsed) >= x.limits.Idle:
		x.end(s, "it was idle for "+x.limits.Idle.String())
	default:
		s.idle.Reset(min(s.lastUsed.Add(x.limits.Idle).Sub(now), s.expiresAt.Sub(now)))
	}
}

// end aborts what is not committed. Who calls it has the turn.
func (x *Sessions) end(s *session, why string) {
	s.over = true
	s.idle.Stop()
	s.transaction.Abort()
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.open, s.id)
	x.ended[s.id] = ending{s.caller, why}
	x.order = append(x.order, s.id)
	if len(x.order) > rememberedSessions {
		delete(x.ended, x.order[0])
		x.order = x.order[1:]
	}
}

// gone is the error for a session that is not there for a caller.
func (x *Sessions) gone(id, caller string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e, ok := x.ended[id]; ok && e.caller == caller {
		return fault.New(fault.SessionGone, "the session is over: %s", e.why)
	}
	return fault.New(fault.SessionGone, "no session of this caller is called %s on this instance", strconv.Quote(id))
}

// noted returns err with more in its detail.
func noted(err error, more string) error {
	e := *fault.From(err)
	e.Detail += "; " + more
	return &e
}
