package api_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/observe"
)

// session opens one and returns its header.
func (s *service) session() (header, id string) {
	s.t.Helper()
	a := s.do("POST", "/v1/_sessions", "").is(201)
	id = a.json()["id"].(string)
	a.sends("Location", "/v1/_sessions/"+id)
	if instance := a.header.Get("Sheaf-Instance"); instance == "" || instance != a.json()["instance"] {
		s.t.Error("no Sheaf-Instance")
	}
	return "Sheaf-Session: " + id, id
}

// limited starts a service whose sessions have limits.
func limited(t *testing.T, limits engine.SessionLimits) *service {
	t.Helper()
	s := start(t, kindsModel(t))
	s.serve(api.Options{Sessions: limits, Instance: "one"})
	return s
}

func TestASessionIsOneTransaction(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/strings", `[{"id":"a","name":"a","age":1},{"id":"b","name":"b","age":1}]`).is(201)
	in, id := s.session()
	s.do("GET", "/v1/strings/a", "", in).is(200).has(`"age":1`)
	s.do("PATCH", "/v1/strings/b", `{"age":5}`).is(200)
	s.do("GET", "/v1/strings/b", "", in).is(200).has(`"age":1`) // the snapshot of the first read
	s.do("PATCH", "/v1/strings/a", `{"age":2}`, in, `If-Match: "1"`).is(200).sends("ETag", `"2"`)
	s.do("POST", "/v1/strings", `{"id":"c","name":"c"}`, in).is(201)
	s.do("POST", "/v1/increments", `[{"name":"x"},{"name":"y"}]`, in).is(201)
	s.do("GET", "/v1/strings", "", in).is(200).has(`"id":"c"`, `"age":2`)
	s.do("GET", "/v1/strings/c", "").problem(404, "not-found")
	s.do("GET", "/v1/strings/none", "", in).problem(404, "not-found") // leaves the session open
	s.do("POST", "/v1/_sessions/"+id+"/commit", "").is(204)
	s.do("GET", "/v1/strings/c", "").is(200)
	s.do("GET", "/v1/strings/a", "").is(200).has(`"age":2`)
	s.do("GET", "/v1/strings/a", "", in).problem(410, "session-gone").has("it was committed")
	s.do("POST", "/v1/_sessions/"+id+"/commit", "").problem(410, "session-gone")
	s.do("POST", "/v1/_sessions/"+id+"/abort", "").problem(410, "session-gone")
}

func TestAnAbortedSessionLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	in, id := s.session()
	s.do("POST", "/v1/strings", `{"id":"c","name":"c"}`, in).is(201)
	s.do("POST", "/v1/_sessions/"+id+"/abort", "").is(204)
	s.do("GET", "/v1/strings/c", "", in).problem(410, "session-gone").has("it was aborted")
	s.do("GET", "/v1/strings/c", "").problem(404, "not-found")
	// An empty one can be committed and aborted too.
	_, id = s.session()
	s.do("POST", "/v1/_sessions/"+id+"/commit", "").is(204)
	_, id = s.session()
	s.do("POST", "/v1/_sessions/"+id+"/abort", "").is(204)
}

func TestAFailedWriteEndsItsSession(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/strings", `{"id":"a","name":"a","email":"a@example.com"}`).is(201)
	for name, fail := range map[string]func(in string) answer{
		"duplicate-key": func(in string) answer {
			return s.do("POST", "/v1/strings", `{"id":"x","name":"x","email":"a@example.com"}`, in).problem(409, "duplicate-key", "/email")
		},
		"validation-failed": func(in string) answer {
			return s.do("POST", "/v1/strings", `{"id":"x"}`, in).problem(422, "validation-failed", "/name")
		},
		"write-conflict": func(in string) answer {
			s.do("PATCH", "/v1/strings/a", `{"level":2}`).is(200)
			return s.do("PATCH", "/v1/strings/a", `{"level":3}`, in).problem(409, "write-conflict").sends("Retry-After", "1")
		},
		"version-conflict": func(in string) answer {
			return s.do("DELETE", "/v1/strings/a", "", in, `If-Match: "77"`).problem(412, "version-conflict")
		},
	} {
		in, id := s.session()
		s.do("POST", "/v1/strings", `{"id":"before","name":"x"}`, in).is(201)
		fail(in).has("the session is over, and nothing of it is stored")
		s.do("GET", "/v1/strings/a", "", in).problem(410, "session-gone").has("a request failed with " + name)
		s.do("POST", "/v1/_sessions/"+id+"/commit", "").problem(410, "session-gone")
		s.do("GET", "/v1/strings/before", "").problem(404, "not-found")
	}
}

func TestWhatIsNoSession(t *testing.T) {
	t.Parallel()
	s := limited(t, engine.SessionLimits{})
	for _, id := range []string{"", "none", `a"b`} {
		s.do("GET", "/v1/strings/a", "", "Sheaf-Session: "+id).problem(410, "session-gone")
		s.do("POST", "/v1/strings", `{"id":"a","name":"a"}`, "Sheaf-Session: "+id, "Sheaf-Instance: two").problem(410, "session-gone").has(`the instance \"one\", and the request names \"two\"`)
	}
	if s.count("strings") != 0 {
		t.Error("a write ran outside of a session that is not there")
	}
	in, id := s.session()
	s.do("POST", "/v1/strings", `{"id":"a","name":"a"}`, in, "Idempotency-Key: k").problem(400, "invalid-parameter", "Idempotency-Key")
	s.do("GET", "/v1/strings", "", in).is(200)
	s.do("POST", "/v1/strings", `{"id":"a","name":"a"}`, in, "Prefer: tx=rollback").problem(400, "invalid-parameter", "Prefer")
	s.do("POST", "/v1/_sessions?x=1", "").problem(400, "invalid-parameter", "x")
	s.do("POST", "/v1/_sessions/"+id+"/abort", "").is(204)
}

func TestSessionsAreTheirCallers(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	in, id := s.session()
	r := httptest.NewRequestWithContext(observe.WithCaller(t.Context(), "ben"), "POST", "/v1/_sessions/"+id+"/commit", nil)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	if w.Code != 410 || !strings.Contains(w.Body.String(), "no session of this caller") {
		t.Errorf("another caller got %d %s", w.Code, w.Body)
	}
	s.do("GET", "/v1/strings", "", in).is(200)
}

func TestACommitWithAKeyIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	in, id := s.session()
	commit := func(headers ...string) answer { return s.do("POST", "/v1/_sessions/"+id+"/commit", "", headers...) }
	s.do("POST", "/v1/strings", `{"id":"a","name":"a"}`, in).is(201)
	commit("Idempotency-Key: k").is(204).sends("Idempotency-Replayed", "")
	commit("Idempotency-Key: k").is(204).sends("Idempotency-Replayed", "true")
	commit("Idempotency-Key: other").problem(410, "session-gone")
	s.do("GET", "/v1/strings/a", "").is(200)
	in, id = s.session()
	s.do("POST", "/v1/strings", `{"id":"b","name":"b"}`, in).is(201)
	commit("Idempotency-Key: k").problem(422, "idempotency-mismatch")
	commit("Idempotency-Key: l").is(204)
}

func TestSessionsAreLimited(t *testing.T) {
	t.Parallel()
	s := limited(t, engine.SessionLimits{Open: 2})
	_, first := s.session()
	s.session()
	s.do("POST", "/v1/_sessions", "").problem(429, "too-many-requests").sends("Retry-After", "1")
	s.do("POST", "/v1/_sessions/"+first+"/abort", "").is(204)
	in, _ := s.session()
	s.api.Drain()
	s.do("POST", "/v1/_sessions", "").problem(503, "database-unavailable")
	s.do("GET", "/v1/strings", "", in).is(200)
	s.api.Stop()
	s.do("GET", "/v1/strings", "", in).problem(410, "session-gone").has("the service stopped")
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for reason, limits := range map[string]engine.SessionLimits{
		"it was idle for 50ms":              {Idle: 50 * time.Millisecond},
		"it was open for longer than 300ms": {Lifetime: 300 * time.Millisecond},
	} {
		s := limited(t, limits)
		in, _ := s.session()
		s.do("POST", "/v1/strings", `{"id":"a","name":"a"}`, in)
		last := s.until(in, 410)
		last.problem(410, "session-gone").has(reason)
		s.do("GET", "/v1/strings/a", "").problem(404, "not-found")
	}
}

// until asks in a session until the status comes, less often than it may be idle.
func (s *service) until(in string, status int) answer {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(60 * time.Millisecond) {
		if a := s.do("GET", "/v1/strings/none", "", in); a.status == status {
			return a
		}
	}
	s.t.Fatal("the session does not end")
	return answer{}
}

// Requests of one session that come at once wait for each other.
func TestRequestsOfASessionWait(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	in, id := s.session()
	done := make(chan int)
	for range 8 {
		go func() { done <- s.do("POST", "/v1/increments", `{"name":"x"}`, in).status }()
	}
	for range 8 {
		if status := <-done; status != 201 {
			t.Errorf("status %d", status)
		}
	}
	s.do("POST", "/v1/_sessions/"+id+"/commit", "").is(204)
	if n := s.count("increments"); n != 8 {
		t.Errorf("%d documents", n)
	}
}

// A client that hangs up before it is answered ends its session: it could not
// know what is in it.
func TestAClientThatHangsUpEndsItsSession(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	in, _ := s.session()
	s.hangUp(in)
	s.do("GET", "/v1/strings/a", "", in).problem(410, "session-gone").has("hung up")
	s.do("GET", "/v1/strings/a", "").problem(404, "not-found")
}

// hangUp sends a write in a session, and does not wait for the answer.
func (s *service) hangUp(in string) {
	ctx, hangUp := context.WithCancel(s.t.Context())
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/strings", &hangingBody{hangUp, strings.NewReader(`{"id":"a","name":"a"}`)})
	name, value, _ := strings.Cut(in, ": ")
	r.Header.Set(name, value)
	defer func() { _ = recover() }() // http.ErrAbortHandler
	s.api.ServeHTTP(httptest.NewRecorder(), r)
}

// Not parallel: it counts what the whole server has open.
func TestNothingStaysOpenOnTheServer(t *testing.T) {
	s := limited(t, engine.SessionLimits{Idle: time.Second})
	write := func() (in, id string) {
		in, id = s.session()
		s.do("POST", "/v1/increments", `{"name":"x"}`, in).is(201)
		return in, id
	}
	idle, _ := write()
	write()
	if n := openTransactions(t, s.uri); n != 2 {
		t.Errorf("%d transactions are open, want 2", n)
	}
	_, id := write()
	s.do("POST", "/v1/_sessions/"+id+"/abort", "").is(204)
	_, id = write()
	s.do("POST", "/v1/_sessions/"+id+"/commit", "").is(204)
	in, _ := write()
	s.do("POST", "/v1/increments", `{}`, in).is(422)
	s.do("POST", "/v1/increments", `{}`, "Idempotency-Key: k").is(422)
	hung, _ := write()
	s.hangUp(hung)
	for s.do("GET", "/v1/strings/none", "", idle).status != 410 {
		time.Sleep(1100 * time.Millisecond)
	}
	write()
	s.api.Stop()
	if n := openTransactions(t, s.uri); n != 0 {
		t.Errorf("%d transactions are open", n)
	}
}

// hangingBody is of a client that hangs up once it has sent it.
type hangingBody struct {
	hangUp context.CancelFunc
	*strings.Reader
}

func (b *hangingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		b.hangUp()
	}
	return n, err
}

func (b *hangingBody) Close() error { return nil }
