package api

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// problem is a problem document (RFC 9457), with the members that Sheaf adds:
// code, request_id and errors.
type problem struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      fault.Code   `json:"code"`
	RequestID string       `json:"request_id"`
	Errors    []fault.Item `json:"errors,omitempty"`
}

// problem renders a fault; it is the only place that does.
func (x *exchange) problem(e *fault.Error) {
	info := fault.Lookup(e.Code)
	body, err := json.Marshal(problem{
		Type: "/problems/" + string(info.Code), Title: info.Title, Status: info.Status, Detail: e.Detail, Code: info.Code,
		RequestID: observe.RequestID(x.request.Context()), Errors: e.Items,
	})
	if err != nil { // strings and numbers always encode
		panic(err)
	}
	header := x.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	for _, stale := range []string{"ETag", "Location", "Link"} {
		header.Del(stale)
	}
	if wait := e.Wait(); wait > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	tooLarge := info.Status == http.StatusRequestEntityTooLarge
	if tooLarge {
		header.Set("Connection", "close")
	}
	x.setServerTiming()
	x.WriteHeader(info.Status)
	_, _ = x.Write(body) // a client that is gone needs no answer
	if tooLarge {
		x.dropBody()
	}
}

// The bounds of what is read of a body that is too large.
const (
	dropTime  = time.Second
	dropBytes = 256 << 20
)

// dropBody reads on for a while after the answer: most clients read no answer
// before they have sent the whole body, and one that is cut off sees none.
func (x *exchange) dropBody() {
	control := http.NewResponseController(x.ResponseWriter)
	if x.request.Header.Get("Expect") != "" || control.Flush() != nil || control.SetReadDeadline(time.Now().Add(dropTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, x.request.Body, dropBytes)
}
