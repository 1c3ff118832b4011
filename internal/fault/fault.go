// Package fault holds the one error type that crosses Sheaf's packages and the
// one table of codes behind it. Every layer returns a *fault.Error (or wraps
// one); only the HTTP layer renders it, in one function.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Error is a failure with a code from the table, a sentence for the caller and,
// where the input is at fault, one Item for every problem in it.
//
// Detail and Items are shown to clients and must never hold text of a driver,
// a stack or a secret. The cause, for logs, is what Unwrap returns.
type Error struct {
	Code   Code
	Detail string
	Items  []Item
	// RetryAfter is how long a client should wait before it tries again; zero
	// takes the default of the code's table row.
	RetryAfter time.Duration

	cause error
}

// Item is one problem of the input. Pointer is an RFC 6901 JSON pointer into
// the request's body, or the name of the parameter or header at fault.
type Item struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// New returns an error of code with a formatted detail.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of code that keeps cause for the log.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), cause: cause}
}

// WithItems returns e with its items set; it changes and returns e.
func (e *Error) WithItems(items ...Item) *Error {
	e.Items = items
	return e
}

// Error is the text for logs: code, detail, items and the cause.
func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Detail
	for _, item := range e.Items {
		text += fmt.Sprintf("; %s: %s", item.Pointer, item.Detail)
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause, nil where there is none.
func (e *Error) Unwrap() error { return e.cause }

// Wait returns how long a client should wait before it tries again, zero where
// trying again does not help.
func (e *Error) Wait() time.Duration {
	if e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return Lookup(e.Code).RetryAfter
}

// From returns err as an *Error: the one it wraps, or an Internal one that
// keeps err as its cause. It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(err, Internal, "an unexpected failure; the log has the details under this request id")
}

// Is reports whether err is or wraps an *Error of code.
func Is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// maxItems bounds the problems that one answer lists; who sends a hundred
// faults at once mends the first hundred first.
const maxItems = 100

// List gathers the problems of one input. The zero value is ready.
type List struct {
	Items []Item
}

// Add notes one problem; those after the hundredth are dropped.
func (l *List) Add(pointer, code, format string, args ...any) {
	if !l.Full() {
		l.Note(Item{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// Note is Add for a problem whose words are there.
func (l *List) Note(item Item) {
	if l.Items == nil {
		l.Items = make([]Item, 0, fewItems)
	}
	if !l.Full() {
		l.Items = append(l.Items, item)
	}
}

// fewItems is how many problems a document has that is wrong.
const fewItems = 4

// Join notes the problems of another list.
func (l *List) Join(other List) {
	if l.Items == nil {
		l.Items = other.Items
		return
	}
	for _, item := range other.Items {
		l.Note(item)
	}
}

// Full reports whether the list takes no more, so that what goes on for the sake
// of finding every problem can stop.
func (l *List) Full() bool { return len(l.Items) >= maxItems }

// Has reports whether a problem is noted at pointer.
func (l *List) Has(pointer string) bool {
	for _, item := range l.Items {
		if item.Pointer == pointer {
			return true
		}
	}
	return false
}

// Err returns an error of code that carries every problem, nil for none.
func (l *List) Err(code Code, format string, args ...any) error {
	if len(l.Items) == 0 {
		return nil
	}
	return New(code, format, args...).WithItems(l.Items...)
}
