package importer

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Outcome is what became of a document.
type Outcome uint8

// The outcomes.
const (
	Pending  Outcome = iota // not known; never told
	Imported                // stored anew
	Changed                 // stored in the place of another version
	Present                 // there already, and left as it was
	Refused
)

// Result is what became of one document.
type Result struct {
	// Index is its place in the input, from 0.
	Index   int64
	Outcome Outcome
	// ID is the zero value where it is not known.
	ID bson.RawValue

	document *document
}

// Fault says why the document is refused.
func (r Result) Fault() *fault.Error { return r.document.fault }

// Refusal is a document that was not stored, and why. Its JSON is a line of the
// file of refused documents.
type Refusal struct {
	// Line is where it begins, from 1; Offset is how many bytes come before.
	Line   int64        `json:"line"`
	Offset int64        `json:"offset"`
	Reason string       `json:"reason"`
	Errors []fault.Item `json:"errors,omitempty"`
	// Document is what came, where it is JSON; else Text is, with U+FFFD where it
	// is no UTF-8. Of a document that is too large to be kept there is neither.
	Document json.RawMessage `json:"document,omitempty"`
	Text     string          `json:"text,omitempty"`
}

// Refusal tells of a document that is refused.
func (r Result) Refusal() Refusal {
	d := r.document
	refusal := Refusal{Line: d.line, Offset: d.offset, Reason: reason(d.fault), Errors: d.fault.Items}
	if json.Valid(d.text) && utf8.Valid(d.text) { // Valid takes any bytes in strings
		refusal.Document = d.text
	} else {
		refusal.Text = string(d.text)
	}
	return refusal
}

// reason is a sentence for the one who imports, who may see what a client of
// the service may not.
func reason(e *fault.Error) string {
	switch cause := e.Unwrap(); {
	case e.Code == fault.Internal && cause != nil:
		return "MongoDB refuses it: " + strings.ReplaceAll(cause.Error(), "\n", " ")
	case e.Code == fault.MalformedJSON:
		return "not valid JSON: " + e.Detail
	}
	return e.Detail
}
