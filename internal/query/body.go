package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// ParseBody reads a list out of a JSON object whose members are called as the
// parameters of a GET. Select and sort may be lists in place of text. An empty
// body asks for the first page. A body that is no JSON object is an error; what
// is wrong with the members is told by Plan.
func ParseBody(body []byte, limits Limits) (Request, error) {
	r := Request{Limit: limits.DefaultLimit, source: source{prefix: "/"}, limits: limits}
	if len(bytes.TrimSpace(body)) == 0 {
		return r, nil
	}
	members, err := objectMembers(body)
	if err != nil {
		return r, err
	}
	for _, m := range members {
		r.member(m.name, m.value, limits, &r.faults)
	}
	r.pages(&r.faults)
	return r, nil
}

type member struct {
	name  string
	value jsontext.Value
}

// objectMembers takes an object apart; its text is checked to its end.
func objectMembers(src []byte) ([]member, error) {
	d := jsontext.NewDecoder(bytes.NewReader(src))
	if d.PeekKind() != '{' {
		if err := wholeText(src); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.InvalidParameter, badList).WithItems(fault.Item{Code: "type", Detail: "must be an object such as {\"filter\": {}, \"limit\": 20}"})
	}
	var members []member
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != '}' {
		var name jsontext.Token
		if name, err = d.ReadToken(); err != nil {
			break
		}
		m := member{name: name.String()}
		m.value, err = d.ReadValue()
		m.value = m.value.Clone()
		members = append(members, m)
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return members, nil
		}
	}
	return nil, malformed(err)
}

func wholeText(src []byte) error {
	if jsontext.Value(src).IsValid() {
		return nil
	}
	_, err := jsontext.NewDecoder(bytes.NewReader(src)).ReadValue()
	return malformed(err)
}

func malformed(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fault.New(fault.MalformedJSON, "the body is not valid JSON: %s at offset %d", e.Err, e.ByteOffset)
	}
	return fault.Wrap(err, fault.MalformedJSON, "the body is not valid JSON")
}

// member reads one member of a body.
func (r *Request) member(name string, value jsontext.Value, limits Limits, faults *fault.List) {
	at := r.source.pointer(name)
	if !slices.Contains(r.parts(), name) {
		faults.Add(r.source.prefix+strings.TrimPrefix(bsonjson.AppendToken("", name), "/"), "unknown-parameter", "is not a part of %s%s",
			r.source.what(), nearest.Hint(name, r.parts()))
		return
	}
	switch name {
	case partFilter:
		r.Filter = filter.Parse(value, at, faults)
	case partSelect, partSort:
		r.list(name, value, faults)
	case partLimit:
		limit, err := strconv.Atoi(string(value))
		if err != nil {
			limit = 0
		}
		r.limit(limit, at, limits, faults)
	case partAfter, partBefore, partCount, partDeleted:
		if text, ok := textOf(value); ok {
			r.part(name, text, limits, faults)
			return
		}
		faults.Add(at, "type", "must be a string")
	case partExplain:
		r.part(name, string(value), limits, faults)
	case partInclude:
		r.includeValue(value, at, limits, faults)
	}
}

// list reads select or sort: one text, or a list of them.
func (r *Request) list(name string, value jsontext.Value, faults *fault.List) {
	if text, ok := textOf(value); ok {
		r.part(name, text, Limits{}, faults)
		return
	}
	at := r.source.pointer(name)
	texts, ok := textsOf(value)
	if !ok {
		faults.Add(at, "type", "must be a string, or a list of at least one string")
		return
	}
	if name == partSelect {
		r.selectFields(texts, at, faults)
		return
	}
	r.sortBy(texts, at, faults)
}

// textsOf returns a list of at least one text, or one text as such a list.
func textsOf(value jsontext.Value) (texts []string, ok bool) {
	if text, ok := textOf(value); ok {
		return []string{text}, true
	}
	err := json.Unmarshal(value, &texts)
	return texts, err == nil && len(texts) > 0
}

func textOf(value jsontext.Value) (string, bool) {
	if value.Kind() != '"' {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return string(text), err == nil
}
