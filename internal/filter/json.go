package filter

import (
	"bytes"
	"iter"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// members goes through a JSON object that is known to be well-formed. Another
// value has none.
func members(src jsontext.Value) iter.Seq2[string, jsontext.Value] {
	return func(yield func(string, jsontext.Value) bool) {
		if src.Kind() != '{' {
			return
		}
		d := jsontext.NewDecoder(bytes.NewReader(src))
		if _, err := d.ReadToken(); err != nil {
			return
		}
		for d.PeekKind() == '"' {
			name, err := d.ReadToken()
			if err != nil {
				return
			}
			key := name.String()
			value, err := d.ReadValue()
			if err != nil || !yield(key, value.Clone()) {
				return
			}
		}
	}
}

// elements goes through a JSON array that is known to be well-formed. Another
// value has none.
func elements(src jsontext.Value) iter.Seq2[int, jsontext.Value] {
	return func(yield func(int, jsontext.Value) bool) {
		if src.Kind() != '[' {
			return
		}
		d := jsontext.NewDecoder(bytes.NewReader(src))
		if _, err := d.ReadToken(); err != nil {
			return
		}
		for i := 0; d.PeekKind() != ']'; i++ {
			value, err := d.ReadValue()
			if err != nil || !yield(i, value.Clone()) {
				return
			}
		}
	}
}

// unquote returns the text of a JSON string. ok is false for another value.
func unquote(src jsontext.Value) (text string, ok bool) {
	if src.Kind() != '"' {
		return "", false
	}
	out, err := jsontext.AppendUnquote(nil, src)
	return string(out), err == nil
}

// shorten bounds what a message repeats of the input.
func shorten(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
