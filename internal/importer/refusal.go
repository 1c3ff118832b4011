package importer

import (
	"encoding/json"
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Refusal is a document that was not stored, and why. Its JSON is a line of the
// file of refused documents.
type Refusal struct {
	// Line is where it begins, from 1; Offset is how many bytes come before.
	Line   int64        `json:"line"`
	Offset int64        `json:"offset"`
	Reason string       `json:"reason"`
	Errors []fault.Item `json:"errors,omitempty"`
	// Document is what came, where it is JSON; else Text is. Of a document that
	// is too large to be kept there is neither.
	Document json.RawMessage `json:"document,omitempty"`
	Text     string          `json:"text,omitempty"`
}

func (d *document) refusal() Refusal {
	r := Refusal{Line: d.line, Offset: d.offset, Reason: reason(d.fault), Errors: d.fault.Items}
	if json.Valid(d.text) {
		r.Document = d.text
	} else {
		r.Text = string(d.text)
	}
	return r
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
