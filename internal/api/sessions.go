package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
)

const instanceHeader = "Sheaf-Instance"

// inSession carries the request out as a part of a session.
func (x *exchange) inSession(r route, ids []string) error {
	if err := x.fitsSession(r, ids); err != nil {
		return err
	}
	sent, client := x.request, &watchedWriter{ResponseWriter: x.ResponseWriter, client: x.request.Context()}
	x.ResponseWriter = client
	defer func() { x.request, x.ResponseWriter = sent, client.ResponseWriter }()
	err := x.service.sessions.Run(sent.Context(), ids[0], r.Access == openapi.Writes, func(ctx context.Context) error {
		x.request = sent.WithContext(ctx)
		if err := r.handle(x); err != nil {
			return err
		}
		return client.gone
	})
	return x.elsewhere(err)
}

// fitsSession refuses what has no meaning in a session.
func (x *exchange) fitsSession(r route, ids []string) error {
	var faults fault.List
	if len(ids) > 1 {
		faults.Add(sessionHeader, "format", "must be the id of one session")
	}
	if r.Access == openapi.Writes && len(x.request.Header[keyHeader]) > 0 {
		faults.Add(keyHeader, "format", "has no meaning in a session; give the key to its commit")
	}
	if dryRun(x.request.Header) {
		faults.Add("Prefer", "format", "tx=rollback has no meaning in a session; abort it")
	}
	return faults.Err(fault.InvalidParameter, "the headers do not fit a session")
}

// elsewhere says where a session is that is not here, where the client knows.
func (x *exchange) elsewhere(err error) error {
	named, own := x.request.Header.Get(instanceHeader), x.service.options.Instance
	if named == "" || named == own || !fault.Is(err, fault.SessionGone) {
		return err
	}
	return fault.Wrap(err, fault.SessionGone, "%s; this is the instance %s, and the request names %s", fault.From(err).Detail, strconv.Quote(own), strconv.Quote(named))
}

// watchedWriter notes when an answer is begun whose client is gone. A client
// that is gone later may have the answer.
type watchedWriter struct {
	http.ResponseWriter
	client context.Context
	gone   error
}

// WriteHeader writes the status.
func (w *watchedWriter) WriteHeader(status int) {
	if err := w.client.Err(); err != nil {
		w.gone = context.Canceled
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func openSession(x *exchange) error {
	if err := x.noParameters(); err != nil {
		return err
	}
	info, err := x.service.sessions.Begin(x.request.Context())
	if err != nil {
		return err
	}
	header := x.Header()
	header["Location"] = []string{"/v1/_sessions/" + info.ID}
	header[instanceHeader] = []string{x.service.options.Instance}
	header.Set("Cache-Control", "no-store")
	header["Content-Type"] = typeJSON
	body := appendSession(nil, info, x.service.options.Instance)
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.WriteHeader(http.StatusCreated)
	_, _ = x.Write(body) // a client that is gone needs no answer
	return nil
}

func appendSession(dst []byte, info engine.SessionInfo, instance string) []byte {
	dst = append(strconv.AppendQuote(append(dst, `{"id":`...), info.ID), `,"instance":`...)
	dst = append(strconv.AppendQuote(dst, instance), `,"expiresAt":"`...)
	dst = append(info.ExpiresAt.AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00"), `","idleTimeout":`...)
	return append(strconv.AppendFloat(dst, info.Idle.Seconds(), 'f', -1, 64), '}')
}

// commitSession commits, once for a key.
func commitSession(x *exchange) error {
	if err := x.noParameters(); err != nil {
		return err
	}
	var request *engine.Request
	if len(x.request.Header[keyHeader]) > 0 {
		keyed, _, err := x.keyed()
		if err != nil {
			return err
		}
		request = &keyed
	}
	var answer engine.Answer
	replayed := false
	err := x.timed("engine", func() (err error) {
		answer, replayed, err = x.service.sessions.Commit(x.request.Context(), x.param("id"), request, engine.Answer{Status: http.StatusNoContent})
		return err
	})
	if err != nil {
		return x.elsewhere(err)
	}
	return x.sendAnswer(answer, replayed)
}

func abortSession(x *exchange) error {
	if err := x.noParameters(); err != nil {
		return err
	}
	if err := x.service.sessions.Abort(x.request.Context(), x.param("id")); err != nil {
		return x.elsewhere(err)
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

func sessionRoutes() []route {
	over := []fault.Code{fault.InvalidParameter, fault.SessionGone, fault.DatabaseUnavailable}
	return []route{
		{openapi.Route{Method: http.MethodPost, Path: "/v1/_sessions", ID: "openSession", Summary: "Open a session",
			Description: "A transaction over several requests: those that have the id as Sheaf-Session see one snapshot and what the session wrote, and nobody else sees that before the commit. It lives on this instance.",
			Responses: []openapi.Response{{Status: 201, Description: "The session.", Headers: []string{"Location", instanceHeader, "Cache-Control"},
				Content: openapi.Content{Media: []string{mediaJSON}, Body: openapi.SessionBody}}},
			Problems: []fault.Code{fault.InvalidParameter, fault.TooManyRequests, fault.DatabaseUnavailable}}, openSession},
		{openapi.Route{Method: http.MethodPost, Path: "/v1/_sessions/{id}/commit", ID: "commitSession", Access: openapi.Commits, Summary: "Store all that a session did",
			Description: "All is stored or nothing, and the session is over. With an Idempotency-Key the answer can be asked for again.",
			Responses:   []openapi.Response{{Status: 204, Description: "Stored.", Headers: []string{"Server-Timing"}}},
			Problems:    over}, commitSession},
		{openapi.Route{Method: http.MethodPost, Path: "/v1/_sessions/{id}/abort", ID: "abortSession", Summary: "Drop all that a session did",
			Responses: []openapi.Response{{Status: 204, Description: "Nothing of it is stored."}},
			Problems:  over}, abortSession},
	}
}
