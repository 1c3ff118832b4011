package api

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/schema"
)

// exchange is one request and its answer, as handlers see them. It is the
// http.ResponseWriter of the request and counts what is written.
type exchange struct {
	http.ResponseWriter
	service *Service
	request *http.Request
	// limit is the context of the request.
	limit deadline
	// model is the one that served when the request came.
	model *schema.Model
	// route is the path template that matched.
	route string
	path  pathParams

	began  time.Time
	stages []stage
	// room is where the stages and the values of headers lie, as far as it goes:
	// most answers have no more.
	room   room
	status int
	bytes  int64
	err    error
	// writes are what the request wrote so far, for the audit.
	writes []*written
	// broken is set where an answer that was begun cannot be ended.
	broken bool
	// client ends when the client hangs up.
	client context.Context
}

// pathParams are the parts of a path as it was sent, with its escapes.
type pathParams interface{ Param(name string) string }

// param returns a part of the path without its escapes. Echo matches the escaped
// path where that differs, and leaves the escapes in.
func (x *exchange) param(name string) string {
	value := x.path.Param(name)
	if x.request.URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// room is memory that an exchange has from the start.
type room struct {
	stages [3]stage
	values [5]string
	// used counts the values.
	used int
}

// set sets a header of the answer to one value. The name must be in its
// canonical form.
func (x *exchange) set(name, value string) {
	if x.room.used == len(x.room.values) {
		x.Header()[name] = []string{value}
		return
	}
	at := x.room.used
	x.room.used++
	x.room.values[at] = value
	x.Header()[name] = x.room.values[at : at+1 : at+1]
}

// stage is a span of the answer's time, for Server-Timing.
type stage struct {
	name string
	took time.Duration
}

// WriteHeader writes the status, once.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 {
		return
	}
	x.status = status
	if len(x.service.options.Origins) > 0 {
		x.Header()["Vary"] = append(slices.Clone(x.Header()["Vary"]), "Origin")
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// timed runs one stage of an answer.
func (x *exchange) timed(name string, fn func() error) error {
	began := time.Now()
	err := fn()
	if x.stages == nil {
		x.stages = x.room.stages[:0]
	}
	x.stages = append(x.stages, stage{name, time.Since(began)})
	return err
}

// setServerTiming tells how long the stages took, in milliseconds.
func (x *exchange) setServerTiming() {
	if len(x.stages) == 0 {
		return
	}
	var text [64]byte
	dst := text[:0]
	for i, s := range x.stages {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, s.name...), ";dur="...)
		dst = appendMilliseconds(dst, s.took)
	}
	x.set("Server-Timing", string(dst))
}

// appendMilliseconds writes a duration in milliseconds with three digits of
// fraction.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	micros := d.Microseconds()
	dst = append(strconv.AppendInt(dst, micros/1000, 10), '.')
	return append(dst, byte('0'+micros/100%10), byte('0'+micros/10%10), byte('0'+micros%10))
}

// identify gives the request its id, that of the caller where it has one, and
// passes the trace on. The header of the answer has both.
func (x *exchange) identify(r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if !isRequestID(id) {
		id = newRequestID()
	}
	x.limit.requestID = id
	x.set("X-Request-Id", id)
	x.Header()["X-Content-Type-Options"] = nosniff
	if r.TLS != nil {
		x.Header()["Strict-Transport-Security"] = onlyTLS
	}
	var trace string
	x.limit.Context, trace = x.service.options.Observer.Begin(r.Context(), r)
	if parent := r.Header.Get("Traceparent"); trace == "" && parent != "" {
		trace, _ = childTrace(parent)
	}
	if trace != "" {
		x.set("Traceparent", trace)
	}
}

// newRequestID returns 128 random bits as text. They need be unique, not secret.
func newRequestID() string {
	var bits [16]byte
	binary.LittleEndian.PutUint64(bits[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(bits[8:], rand.Uint64())
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits[:])
}

var (
	nosniff = []string{"nosniff"}
	// onlyTLS is for browsers that came by TLS once (RFC 6797): a year.
	onlyTLS = []string{"max-age=31536000"}
)

const maxRequestID = 128

// isRequestID reports whether a caller's id is one that logs can hold.
func isRequestID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// childTrace returns the traceparent of the service's own part of a trace (W3C
// Trace Context, section 3.2): the same trace and flags, a new parent id.
func childTrace(parent string) (string, bool) {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	parts := strings.Split(parent, "-")
	if len(parent) < length || len(parts) < 4 || parts[0] == "ff" || parts[0] == "00" && len(parent) != length {
		return "", false
	}
	for i, size := range []int{2, 32, 16, 2} {
		if len(parts[i]) != size || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return "", false
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", false
	}
	var span [8]byte
	binary.LittleEndian.PutUint64(span[:], rand.Uint64()|1) // zero is no id
	return "00-" + parts[1] + "-" + hex.EncodeToString(span[:]) + "-" + parts[3], true
}

// buffers are reused between requests.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// maxPooled keeps one large answer from holding its memory for ever.
const maxPooled = 1 << 20

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
