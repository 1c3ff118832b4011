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

func appendProblem(dst []byte, info fault.Info, e *fault.Error, requestID string) []byte {
	dst = appendMember(append(dst, '{'), "type", "/problems/"+string(info.Code))
	dst = appendMember(append(dst, ','), "title", info.Title)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(info.Status), 10)
	dst = appendMember(append(dst, ','), "detail", e.Detail)
	dst = appendMember(append(dst, ','), "code", string(info.Code))
	dst = appendMember(append(dst, ','), "request_id", requestID)
	for i, item := range e.Items {
		before := ","
		if i == 0 {
			before = `,"errors":[`
		}
		dst = appendMember(append(append(dst, before...), '{'), "pointer", item.Pointer)
		dst = appendMember(append(dst, ','), "code", item.Code)
		dst = append(appendMember(append(dst, ','), "detail", item.Detail), '}')
	}
	if len(e.Items) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendMember writes a member of text. What is not UTF-8 in it, such as a piece
// of a path, becomes U+FFFD.
func appendMember(dst []byte, name, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, name)
	dst, _ = jsontext.AppendQuote(append(dst, ':'), text)
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
