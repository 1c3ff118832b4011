package openapi

import (
	"fmt"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// header is a row of the table of headers of answers.
type header struct {
	name, description string
	// always is set where an answer that lists the header has it.
	always bool
	schema schema.JSON
}

var text = schema.JSON{m("type", "string")}

var headers = []header{
	{"X-Request-Id", "The id of the request: the caller's own, or a new one.", true, text},
	{"traceparent", "W3C Trace Context: the service's part of the caller's trace.", false, text},
	{"ETag", "The version of the document, for If-Match and If-None-Match.", true, schema.JSON{m("type", "string"), m("pattern", `^"[0-9]+"$`)}},
	{"Location", "The path of what is new.", true, schema.JSON{m("type", "string"), m("format", "uri-reference")}},
	{"Link", `The next page, as rel="next" (RFC 8288). The last page has none.`, false, text},
	{"Preference-Applied", "What was heeded of Prefer (RFC 7240).", false, text},
	{"Cache-Control", "How long the answer may be kept.", false, text},
	{"Vary", "The headers of the request that the form of the answer depends on.", false, text},
	{"Server-Timing", "How many milliseconds each stage took.", false, text},
	{retryAfter, "After how many seconds the same request may succeed.", true, schema.JSON{m("type", "integer"), m("minimum", 1)}},
	{"Accept-Patch", "The media types that PATCH takes here (RFC 5789).", false, text},
	{"Accept-Post", "The media types that the route takes.", false, text},
	{replayed, "true where the answer is that of an earlier request with the same Idempotency-Key.", false, schema.JSON{m("const", "true")}},
	{"Sheaf-Instance", "The instance of the service on which the session lives.", true, text},
	{authenticate, "How to prove who asks, and what is wrong with what was sent (RFC 6750, section 3).", true, schema.JSON{m("type", "string"), m("pattern", "^Bearer ")}},
	{"RateLimit-Policy", "How often each may ask, where the service says so: q requests in a window of w seconds.", false, text},
	{"RateLimit", "How many requests are left, r, and in how many seconds, t, all are there again.", false, text},
	{"Allow", "The methods that the path takes.", true, text},
}

const (
	retryAfter   = "Retry-After"
	authenticate = "WWW-Authenticate"
)

// everyAnswer names the headers that every answer lists.
var everyAnswer = []string{"X-Request-Id", "traceparent", "RateLimit-Policy", "RateLimit"}

func headerComponents() schema.JSON {
	components := schema.JSON{}
	for _, h := range headers {
		components = append(components, m(h.name, h.object(h.always)))
	}
	return components
}

func (h header) object(required bool) schema.JSON {
	object := schema.JSON{m("description", h.description)}
	if required {
		object = append(object, m("required", true))
	}
	return append(object, m("schema", h.schema))
}

func headerNamed(name string) (header, error) {
	for _, h := range headers {
		if h.name == name {
			return h, nil
		}
	}
	return header{}, fmt.Errorf("the header %q is not in the table of headers", name)
}

func headerRef(name string) schema.Member {
	return m(name, schema.JSON{m("$ref", "#/components/headers/"+name)})
}

// responseHeaders describes the headers of an answer. What tells of one
// document is missing where an array was created.
func responseHeaders(r Response) (schema.JSON, error) {
	out := everyHeader()
	for _, name := range r.Headers {
		h, err := headerNamed(name)
		if err != nil {
			return nil, err
		}
		if h.always && r.Content.Body == DocumentsBody {
			out = append(out, m(name, h.object(false)))
		} else {
			out = append(out, headerRef(name))
		}
	}
	return out, nil
}

func everyHeader() schema.JSON {
	out := schema.JSON{}
	for _, name := range everyAnswer {
		out = append(out, headerRef(name))
	}
	return out
}

// problemHeaders describes the headers of a problem that is one of a group.
func problemHeaders(group []fault.Info) schema.JSON {
	out, waits := everyHeader(), 0
	for _, info := range group {
		if info.RetryAfter > 0 {
			waits++
		}
		out = append(out, codeHeaders[info.Code]...)
	}
	switch h, _ := headerNamed(retryAfter); {
	case waits == len(group):
		out = append(out, headerRef(retryAfter))
	case waits > 0:
		out = append(out, m(retryAfter, h.object(false)))
	}
	return out
}

// codeHeaders are those that go with a code.
var codeHeaders = map[fault.Code]schema.JSON{
	fault.Unauthenticated:      {headerRef(authenticate)},
	fault.MethodNotAllowed:     {headerRef("Allow")},
	fault.UnsupportedMediaType: {headerRef("Accept-Patch"), headerRef("Accept-Post")},
}
