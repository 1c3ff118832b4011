package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Code is the code of a problem. The service's page /problems/{code} says what
// each means.
type Code string

// The codes.
const (
	MalformedJSON        Code = "malformed-json"
	InvalidParameter     Code = "invalid-parameter"
	Unauthenticated      Code = "unauthenticated"
	Forbidden            Code = "forbidden"
	UnknownRoute         Code = "unknown-route"
	UnknownCollection    Code = "unknown-collection"
	NotFound             Code = "not-found"
	MethodNotAllowed     Code = "method-not-allowed"
	NotAcceptable        Code = "not-acceptable"
	DuplicateKey         Code = "duplicate-key"
	ReferenceViolation   Code = "reference-violation"
	PatchFailed          Code = "patch-failed"
	WriteConflict        Code = "write-conflict"
	IdempotencyProgress  Code = "idempotency-in-progress"
	SessionGone          Code = "session-gone"
	VersionConflict      Code = "version-conflict"
	PayloadTooLarge      Code = "payload-too-large"
	UnsupportedMediaType Code = "unsupported-media-type"
	ValidationFailed     Code = "validation-failed"
	RequirementFailed    Code = "requirement-failed"
	ResultTooLarge       Code = "result-too-large"
	IdempotencyMismatch  Code = "idempotency-mismatch"
	PreconditionRequired Code = "precondition-required"
	TooManyRequests      Code = "too-many-requests"
	Internal             Code = "internal"
	Overloaded           Code = "overloaded"
	DatabaseUnavailable  Code = "database-unavailable"
	IssuerUnavailable    Code = "issuer-unavailable"
	Timeout              Code = "timeout"
)

// Error is a problem that the service answered with (RFC 9457).
type Error struct {
	Code      Code   `json:"code"`
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	// Errors are all problems of the input.
	Errors []Item `json:"errors"`
	// RetryAfter is how long to wait before the same request is sent again; zero
	// where that would not help.
	RetryAfter time.Duration `json:"-"`
}

// Item is one problem of the input: an RFC 6901 pointer into the body, or the
// name of a parameter or header, and what is wrong there.
type Item struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Error is one line: the code, the detail and each item.
func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Detail
	for _, item := range e.Errors {
		text += "; " + item.Pointer + " " + item.Detail
	}
	return text
}

// Is reports whether err is a problem of a code.
func Is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// passes reports whether the same request may be sent again: its failure can
// pass, and it has stored nothing, or stores nothing at all.
func (e *Error) passes(method string) bool {
	switch e.Code {
	case WriteConflict, TooManyRequests, Overloaded, IssuerUnavailable:
		return true
	case DatabaseUnavailable:
		return method == http.MethodGet
	}
	return false
}

// problemOf reads a problem document; of another answer it keeps the status.
func problemOf(response *http.Response, content []byte) *Error {
	e := &Error{}
	if json.Unmarshal(content, e) != nil || e.Code == "" {
		e = &Error{Code: Internal, Title: response.Status, Detail: "the answer is no problem document: " + response.Status}
	}
	e.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}
