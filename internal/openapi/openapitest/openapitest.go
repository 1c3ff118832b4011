// Package openapitest holds answers of the service against its OpenAPI
// document.
package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method string
	// Path is escaped, and without the query.
	Path   string
	Status int
	Header http.Header
	Body   []byte
}

// Checker holds exchanges against one document. It is safe for concurrent use.
type Checker struct {
	paths    []path
	problems map[string]response
}

// New returns a Checker. It fails where the document is not JSON, refers to
// what it does not have, or has a JSON Schema that does not compile.
func New(document []byte) (*Checker, error) {
	loaded, err := load(document)
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	return loaded, nil
}

// Check returns an error that says how the answer is not as described: the
// status, the media type, a header or the body.
//
// A path that the document does not have must be answered with unknown-route,
// unknown-collection or method-not-allowed; a method that the path does not
// have with method-not-allowed. HEAD is answered as GET is, without the body,
// and OPTIONS as described, or with 204 and Allow.
func (c *Checker) Check(e Exchange) error {
	if err := c.check(e); err != nil {
		return fmt.Errorf("%s %s: status %d: %w", e.Method, e.Path, e.Status, err)
	}
	return nil
}

func (c *Checker) check(e Exchange) error {
	found := c.find(e.Path)
	if found == nil {
		return c.checkProblem(e, fault.UnknownRoute, fault.UnknownCollection, fault.MethodNotAllowed, fault.Unauthenticated)
	}
	operation, ok := found.operations[e.Method]
	if e.Method == http.MethodHead && !ok {
		operation, ok = found.operations[http.MethodGet]
	}
	if e.Method == http.MethodOptions && !ok && e.Status == http.StatusNoContent {
		return checkOptions(e)
	}
	if !ok {
		return c.checkProblem(e, fault.MethodNotAllowed)
	}
	described, ok := operation[e.Status]
	if !ok {
		return fmt.Errorf("the operation does not describe this status; the body is %s", excerpt(e.Body))
	}
	return described.check(e)
}

func checkOptions(e Exchange) error {
	if e.Header.Get("Allow") == "" || len(e.Body) > 0 {
		return errors.New("OPTIONS must be answered with Allow and no body")
	}
	return nil
}

// find returns the path that fits best: a literal part goes before a parameter.
func (c *Checker) find(escaped string) *path {
	var best *path
	for i := range c.paths {
		if p := &c.paths[i]; p.fits(escaped) && (best == nil || p.parameters() < best.parameters()) {
			best = p
		}
	}
	return best
}

// checkProblem wants a problem with one of some codes.
func (c *Checker) checkProblem(e Exchange, codes ...fault.Code) error {
	if e.Method == http.MethodHead {
		return nil // there is no body that would tell the code
	}
	var problem struct {
		Code   fault.Code
		Status int
	}
	if err := json.Unmarshal(e.Body, &problem); err != nil || !slices.Contains(codes, problem.Code) {
		return fmt.Errorf("the document does not have the operation, so the answer must be a problem with a code of %v, not %s", codes, excerpt(e.Body))
	}
	if problem.Status != e.Status {
		return fmt.Errorf("the problem says status %d", problem.Status)
	}
	described, ok := c.problems[string(problem.Code)]
	if !ok {
		return fmt.Errorf("the document has no response component %s", problem.Code)
	}
	return described.check(e)
}

// response is one described answer.
type response struct {
	headers map[string]header
	// content has a schema for each media type; nil for an answer without body.
	content map[string]*jsonschema.Schema
}

type header struct {
	required bool
	schema   *jsonschema.Schema
}

func (r response) check(e Exchange) error {
	for name, h := range r.headers {
		if err := h.check(e.Header.Values(name)); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	if e.Method == http.MethodHead || len(e.Body) == 0 && minimal(e.Header) {
		return nil
	}
	return r.checkBody(e)
}

// minimal reports whether the client had the body left out.
func minimal(h http.Header) bool {
	return slices.Contains(h.Values("Preference-Applied"), "return=minimal")
}

func (h header) check(values []string) error {
	switch {
	case len(values) == 0 && h.required:
		return errors.New("is missing")
	case len(values) == 0:
		return nil
	}
	value := any(strings.Join(values, ", "))
	if _, err := strconv.ParseInt(values[0], 10, 64); err == nil && isInteger(h.schema) {
		value = json.Number(values[0])
	}
	return h.schema.Validate(value)
}

func isInteger(s *jsonschema.Schema) bool {
	return s.Types != nil && slices.Contains(s.Types.ToStrings(), "integer")
}

func (r response) checkBody(e Exchange) error {
	if len(r.content) == 0 {
		if len(e.Body) > 0 {
			return fmt.Errorf("no body is described, and it is %s", excerpt(e.Body))
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("the Content-Type %q: %w", e.Header.Get("Content-Type"), err)
	}
	described, ok := r.content[media]
	if !ok {
		return fmt.Errorf("the media type %s is not described", media)
	}
	if !isJSON(media) {
		return described.Validate(string(e.Body))
	}
	values := [][]byte{e.Body}
	if isLines(media) || strings.HasSuffix(e.Path, "/_export") {
		values = bytes.FieldsFunc(e.Body, func(r rune) bool { return r == '\n' })
	}
	for _, text := range values {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return fmt.Errorf("the body is not JSON: %w: %s", err, excerpt(text))
		}
		if err := described.Validate(value); err != nil {
			return fmt.Errorf("the body is not as described: %w: %s", err, excerpt(text))
		}
	}
	return nil
}

// isLines reports whether the schema of a media type is that of each line.
func isLines(media string) bool { return media == "application/x-ndjson" }

func isJSON(media string) bool {
	_, kind, _ := strings.Cut(media, "/")
	return kind == "json" || kind == "ejson" || isLines(media) || strings.HasSuffix(kind, "+json")
}

// excerpt bounds a body in a message.
func excerpt(body []byte) string {
	const most = 600
	if len(body) > most {
		return string(body[:most]) + "…"
	}
	return string(body)
}
