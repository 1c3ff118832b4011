package api

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// problem renders a fault as a problem document (RFC 9457) with the members that
// Sheaf adds: code, request_id and errors. It is the only place that does.
func (x *exchange) problem(e *fault.Error) {
	info := fault.Lookup(e.Code)
	buffer := buffers.Get().(*[]byte)
	defer putBuffer(buffer)
	body := appendProblem((*buffer)[:0], info, e, observe.RequestID(x.request.Context()))
	*buffer = body
	header := x.Header()
	header["Content-Type"], header["Cache-Control"] = typeProblem, noStore
	x.set("Content-Length", strconv.Itoa(len(body)))
	for _, stale := range [...]string{"Etag", "Location", "Link"} {
		delete(header, stale)
	}
	if wait := e.Wait(); wait > 0 {
		x.set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
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

var (
	typeProblem = []string{"application/problem+json"}
	noStore     = []string{"no-store"}
)

func appendProblem(dst []byte, info fault.Info, e *fault.Error, requestID string) []byte {
	dst = appendText(append(dst, `{"type":`...), "/problems/"+string(info.Code))
	dst = appendText(append(dst, `,"title":`...), info.Title)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(info.Status), 10)
	dst = appendText(append(dst, `,"detail":`...), e.Detail)
	dst = appendText(append(dst, `,"code":`...), string(info.Code))
	dst = appendText(append(dst, `,"request_id":`...), requestID)
	for i, item := range e.Items {
		before := `,{"pointer":`
		if i == 0 {
			before = `,"errors":[{"pointer":`
		}
		dst = appendText(append(dst, before...), item.Pointer)
		dst = appendText(append(dst, `,"code":`...), item.Code)
		dst = append(appendText(append(dst, `,"detail":`...), item.Detail), '}')
	}
	if len(e.Items) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendText writes a JSON string. What is not UTF-8 in it, such as a piece of a
// path, becomes U+FFFD.
func appendText(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
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
