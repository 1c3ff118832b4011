package client

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// belonging is what the calls with a context belong to.
type belonging struct {
	key     string
	session *Session
}

type belongingKey struct{}

func belongingOf(ctx context.Context) belonging {
	b, _ := ctx.Value(belongingKey{}).(belonging)
	return b
}

// WithIdempotencyKey returns a context whose one write is carried out once,
// however often it is sent: with the key it is sent again after a lost answer
// too. A key is for one write: take a new one, such as rand.Text(), for each. To
// carry on after a restart, keep the key with the write.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	b := belongingOf(ctx)
	b.key = key
	return context.WithValue(ctx, belongingKey{}, b)
}

// header returns the header of a call with what it belongs to.
func (b belonging) header(own http.Header) http.Header {
	if b == (belonging{}) {
		return own
	}
	header := maps.Clone(own)
	if header == nil {
		header = http.Header{}
	}
	if b.key != "" {
		header["Idempotency-Key"] = []string{`"` + keyEscapes.Replace(b.key) + `"`}
	}
	if b.session != nil {
		header["Sheaf-Session"] = []string{b.session.ID}
		header["Sheaf-Instance"] = []string{b.session.instance}
	}
	return header
}

// keyEscapes escapes a string as RFC 8941, section 3.3.3 has it.
var keyEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// firstPause is the wait after a lost answer; it doubles with each.
const firstPause = 100 * time.Millisecond

// retry reports whether a call that failed may be sent again, and after how long.
// What a session did is lost with it, so its calls are not.
func (b belonging) retry(method string, problem *Error, err error, attempt int) (pause time.Duration, again bool) {
	switch {
	case b.session != nil:
		return 0, false
	case problem != nil:
		return max(problem.RetryAfter, 0), problem.passes(method) || b.key != "" && problem.passesWithKey()
	}
	lost := !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	return min(firstPause<<attempt, longestWait), b.key != "" && lost
}

// passesWithKey reports whether a request with a key may be sent again.
func (e *Error) passesWithKey() bool {
	switch e.Code {
	case DatabaseUnavailable, Timeout, IdempotencyProgress:
		return true
	}
	return false
}

// Session is a transaction over several calls, those with its Context. It lives
// on one instance of the service. It is for one call at a time, and must be
// committed or aborted.
type Session struct {
	ID string
	// ExpiresAt is when the service aborts the session. It does so earlier where
	// the session is not used for some time.
	ExpiresAt time.Time

	client   *Client
	instance string
}

// Begin opens a session.
func (c *Client) Begin(ctx context.Context) (*Session, error) {
	var answer struct {
		ID, Instance string
		ExpiresAt    time.Time
	}
	err := c.call(ctx, http.MethodPost, "/v1/_sessions", nil, nil, &answer)
	if err != nil {
		return nil, err
	}
	return &Session{ID: answer.ID, ExpiresAt: answer.ExpiresAt, client: c, instance: answer.Instance}, nil
}

// Context returns a context whose calls are a part of the session. A write that
// fails ends the session; further calls fail with SessionGone.
func (s *Session) Context(ctx context.Context) context.Context {
	b := belongingOf(ctx)
	b.session = s
	return context.WithValue(ctx, belongingKey{}, b)
}

// Commit stores all that was done in the session, or nothing, and ends it. It is
// sent again after a lost answer. SessionGone says that nothing is stored.
func (s *Session) Commit(ctx context.Context) error {
	if belongingOf(ctx).key == "" {
		ctx = WithIdempotencyKey(ctx, rand.Text())
	}
	return s.end(ctx, "commit")
}

// Abort drops all that was done in the session.
func (s *Session) Abort(ctx context.Context) error { return s.end(ctx, "abort") }

func (s *Session) end(ctx context.Context, how string) error {
	b := belongingOf(ctx)
	b.session = nil
	header := http.Header{"Sheaf-Instance": {s.instance}}
	return s.client.call(context.WithValue(ctx, belongingKey{}, b), http.MethodPost, "/v1/_sessions/"+url.PathEscape(s.ID)+"/"+how, nil, header, nil)
}
