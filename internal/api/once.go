package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
)

const (
	keyHeader     = "Idempotency-Key"
	sessionHeader = "Sheaf-Session"
	// maxKey is the longest key, in bytes.
	maxKey = 255
)

// serve has the route's handler answer who may ask: by itself, once for a key, or
// as a part of a session.
func (x *exchange) serve(r route) error {
	if !r.Probe {
		if err := x.enter(); err != nil {
			return err
		}
		defer x.leave()
	}
	if err := x.authenticate(r); err != nil {
		return err
	}
	if err := x.paceCaller(); err != nil {
		return err
	}
	if r.Access != openapi.Reads && r.Access != openapi.Writes {
		return r.handle(x)
	}
	session, key := x.request.Header[sessionHeader], x.request.Header[keyHeader]
	switch {
	case len(session) > 0:
		return x.inSession(r, session)
	case len(key) > 0 && r.Access == openapi.Writes:
		return x.once(r)
	}
	return r.handle(x)
}

// once has the request carried out once for its key.
func (x *exchange) once(r route) error {
	if dryRun(x.request.Header) {
		return fault.New(fault.InvalidParameter, "a request that is to store nothing needs no key").WithItems(
			fault.Item{Pointer: keyHeader, Code: "format", Detail: "has no meaning with Prefer: tx=rollback"})
	}
	request, body, err := x.keyed()
	if err != nil {
		return err
	}
	sent, writer := x.request, x.ResponseWriter
	var kept *recorder
	answer, replayed, err := func() (engine.Answer, bool, error) {
		defer func() { x.request, x.ResponseWriter, x.status, x.bytes = sent, writer, 0, 0 }()
		return x.service.engine.Once(sent.Context(), request, func(ctx context.Context) (engine.Answer, error) {
			kept = &recorder{header: http.Header{}}
			x.request, x.ResponseWriter, x.status, x.bytes, x.stages, x.writes = sent.WithContext(ctx), kept, 0, 0, nil, nil
			x.request.Body = io.NopCloser(bytes.NewReader(body))
			err := r.handle(x)
			return kept.answer(), err
		})
	}()
	if err == nil {
		return x.sendAnswer(answer, replayed)
	}
	if kept != nil {
		maps.Copy(x.Header(), kept.header) // such as what the route would take
	}
	return err
}

// keyed reads the key of a request and all that makes it up.
func (x *exchange) keyed() (request engine.Request, body []byte, err error) {
	if request.Key, err = parseKey(x.request.Header[keyHeader]); err != nil {
		return request, nil, err
	}
	err = x.timed("read", func() error {
		body, err = x.appendBody(nil)
		return err
	})
	request.Fingerprint = fingerprint(x.request, body)
	return request, body, err
}

// parseKey returns the key that the header holds: a string (RFC 8941, section
// 3.3.3), or the same characters without quotes where they need none.
func parseKey(values []string) (string, error) {
	key, ok := "", len(values) == 1
	if ok {
		key, ok = unquoteKey(strings.Trim(values[0], " \t"))
	}
	if ok && key != "" && len(key) <= maxKey {
		return key, nil
	}
	return "", fault.New(fault.InvalidParameter, "the header %s is not valid", keyHeader).WithItems(fault.Item{
		Pointer: keyHeader, Code: "format",
		Detail: "must be one key of 1 to " + strconv.Itoa(maxKey) + ` characters, such as "8e03978e-40d5-43dd-bc93-6894a57f9324": printable ASCII in double quotes, or without them letters, digits and !#$%&'*+-./:=^_` + "`|~",
	})
}

func unquoteKey(text string) (string, bool) {
	quoted, isQuoted := strings.CutPrefix(text, `"`)
	if !isQuoted {
		return text, strings.IndexFunc(text, func(r rune) bool { return !isBare(r) }) < 0
	}
	var key []byte
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '"':
			return string(key), i == len(quoted)-1
		case c == '\\':
			i++
			if i == len(quoted) || quoted[i] != '"' && quoted[i] != '\\' {
				return "", false
			}
			key = append(key, quoted[i])
		case c < ' ' || c > '~':
			return "", false
		default:
			key = append(key, c)
		}
	}
	return "", false
}

// isBare reports whether a character needs no quotes.
func isBare(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-./:=^_`|~", r)
}

// identifying are the headers that make a request another one.
var identifying = []string{"Content-Type", "Content-Encoding", "If-Match", "If-None-Match", "Prefer", "Accept"}

// fingerprint is the same for the same request alone.
func fingerprint(r *http.Request, body []byte) []byte {
	sum := sha256.New()
	write := func(text string) {
		// Its length before each part keeps the parts apart.
		_, _ = sum.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
		_, _ = io.WriteString(sum, text)
	}
	write(r.Method)
	write(r.URL.EscapedPath())
	write(r.URL.RawQuery)
	for _, name := range identifying {
		write(strings.Join(r.Header[name], ","))
	}
	_, _ = sum.Write(body)
	return sum.Sum(nil)
}

// sendAnswer sends an answer that was kept.
func (x *exchange) sendAnswer(answer engine.Answer, replayed bool) error {
	header := x.Header()
	maps.Copy(header, answer.Header)
	if replayed {
		header["Idempotency-Replayed"] = []string{"true"}
	}
	if answer.Status != http.StatusNoContent {
		header["Content-Length"] = []string{strconv.Itoa(len(answer.Body))}
	}
	x.setServerTiming()
	x.WriteHeader(answer.Status)
	_, _ = x.Write(answer.Body) // a client that is gone needs no answer
	return nil
}

// recorder keeps an answer in place of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns what the answer's own header is so far.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write keeps a part of the body.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// answer returns what is the same however often it is told.
func (r *recorder) answer() engine.Answer {
	header := maps.Clone(r.header)
	for _, own := range []string{"Server-Timing", "Content-Length"} {
		delete(header, own)
	}
	return engine.Answer{Status: r.status, Header: header, Body: r.body.Bytes()}
}
