package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
)

// readBody reads the whole body into a buffer of the pool, and returns its
// media type, which is one of those that the route takes. release gives the
// buffer back.
func (x *exchange) readBody(media ...string) (body []byte, given string, release func(), err error) {
	given, err = x.contentType(media)
	if err != nil {
		return nil, "", nil, err
	}
	buffer := buffers.Get().(*[]byte)
	release = func() { putBuffer(buffer) }
	err = x.timed("read", func() error {
		*buffer, err = x.appendBody((*buffer)[:0])
		return err
	})
	if err != nil {
		release()
		return nil, "", nil, err
	}
	return *buffer, given, release, nil
}

// contentType holds Content-Type and Content-Encoding against what the route
// takes. A body without a type is taken for JSON.
func (x *exchange) contentType(media []string) (string, error) {
	header := x.request.Header
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", x.unsupported(media, "a body with Content-Encoding %s", encoding)
	}
	text := header.Get("Content-Type")
	if text == mediaJSON || text == "" {
		return mediaJSON, nil
	}
	name, params, err := mime.ParseMediaType(text)
	if err != nil || !slices.Contains(media, name) {
		return "", x.unsupported(media, "a body of type %q", text)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", x.unsupported(media, "the charset %q; JSON is UTF-8", charset)
	}
	return name, nil
}

func (x *exchange) unsupported(media []string, format string, args ...any) error {
	list := strings.Join(media, ", ")
	if x.request.Method == http.MethodPatch {
		x.Header().Set("Accept-Patch", list)
	} else {
		x.Header().Set("Accept-Post", list)
	}
	return fault.New(fault.UnsupportedMediaType, "this route does not take "+format+"; send Content-Type: "+media[0], args...)
}

func (x *exchange) appendBody(dst []byte) ([]byte, error) {
	limit := x.service.options.BodyLimit
	if x.request.ContentLength > limit {
		return dst, tooLarge(limit)
	}
	dst = slices.Grow(dst, int(max(x.request.ContentLength, 0))+1)
	body := http.MaxBytesReader(nil, x.request.Body, limit)
	for {
		n, err := body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, badRead(err, limit)
		case len(dst) == cap(dst):
			dst = slices.Grow(dst, cap(dst))
		}
	}
}

func badRead(err error, limit int64) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fault.Wrap(err, fault.Timeout, "the body did not come within the time limit")
	}
	return fault.Wrap(err, fault.MalformedJSON, "the body broke off")
}

func tooLarge(limit int64) error {
	return fault.New(fault.PayloadTooLarge, "the body is over the limit of %d bytes", limit)
}
