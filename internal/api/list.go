package api

import (
	"net/http"
	"net/url"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/query"
)

// listDocuments answers a page of a GET.
func listDocuments(x *exchange) error {
	values, err := x.query()
	if err != nil {
		return err
	}
	return x.list(query.Parse(values, x.service.options.Limits))
}

// queryDocuments answers a page of a POST, whose body says what a GET's
// parameters would.
func queryDocuments(x *exchange) error {
	if err := x.noParameters(); err != nil {
		return err
	}
	body, _, release, err := x.readBody(mediaJSON)
	if err != nil {
		return err
	}
	defer release()
	request, err := query.ParseBody(body, x.service.options.Limits)
	if err != nil {
		return err
	}
	return x.list(request)
}

// list answers a page, or how it would be found.
func (x *exchange) list(request query.Request) error {
	collection, err := x.collection()
	if err != nil {
		return err
	}
	plan, err := request.Plan(collection)
	if err != nil {
		return err
	}
	form, err := x.form()
	if err != nil {
		return err
	}
	if err := x.admit(plan); err != nil {
		return err
	}
	if plan.Explain {
		return x.explain(plan, form)
	}
	var page query.Page
	err = x.timed("engine", func() error {
		page, err = x.service.engine.List(x.request.Context(), plan)
		return err
	})
	if err != nil {
		return err
	}
	header := x.Header()
	header["Cache-Control"] = noCache
	if x.request.Method != http.MethodPost {
		link(header, x.request.URL, page)
	}
	return x.sendDocuments(page, form)
}

// link leads to the pages around (RFC 8288).
func link(header http.Header, u *url.URL, page query.Page) {
	for _, l := range []struct{ parameter, cursor, relation string }{{"after", page.Next, "next"}, {"before", page.Prev, "prev"}} {
		if l.cursor == "" {
			continue
		}
		values := u.Query()
		values.Del("after")
		values.Del("before")
		values.Set(l.parameter, l.cursor)
		header.Add("Link", "<"+u.EscapedPath()+"?"+values.Encode()+`>; rel="`+l.relation+`"`)
	}
}

// sendDocuments writes the documents as they are encoded: a page of many is never in
// memory as JSON.
func (x *exchange) sendDocuments(page query.Page, f form) error {
	return x.stream(http.StatusOK, f, func(s *stream) {
		s.documents(page.Documents)
		s.buffer = append(appendPage(append(s.buffer, `,"page":`...), page), '}')
	})
}

// documents writes {"data":[…], up to the end of the array.
func (s *stream) documents(docs []bson.Raw) {
	s.buffer = append(s.buffer, `{"data":[`...)
	for i, doc := range docs {
		if i > 0 {
			s.buffer = append(s.buffer, ',')
		}
		s.buffer = s.form.append(s.buffer, doc)
		if s.flushFull(); s.gone {
			return
		}
	}
	s.buffer = append(s.buffer, ']')
}

func appendPage(dst []byte, page query.Page) []byte {
	dst = append(dst, '{')
	empty := len(dst)
	next := func(name string) {
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
	}
	if page.Next != "" {
		next("next")
		dst = strconv.AppendQuote(dst, page.Next)
	}
	if page.Prev != "" {
		next("prev")
		dst = strconv.AppendQuote(dst, page.Prev)
	}
	if page.Total != nil {
		next("total")
		dst = strconv.AppendInt(dst, *page.Total, 10)
	}
	return append(dst, '}')
}

// explain answers how a list is found, where the service is set to tell.
func (x *exchange) explain(plan *query.Plan, f form) error {
	if !x.service.options.Explain {
		return fault.New(fault.Forbidden, "this service does not explain its lists; SHEAF_EXPLAIN lets it")
	}
	explained, err := x.service.engine.Explain(x.request.Context(), plan)
	if err != nil {
		return err
	}
	return x.send(http.StatusOK, f, func(dst []byte) []byte { return f.append(dst, explanation(explained)) })
}

// explanation is the answer as a document.
func explanation(e engine.Explanation) bson.Raw {
	doc := bson.D{
		{Key: "command", Value: e.Command}, {Key: "stages", Value: e.Stages}, {Key: "index", Value: nil},
		{Key: "keysExamined", Value: e.KeysExamined}, {Key: "documentsExamined", Value: e.DocumentsExamined},
		{Key: "returned", Value: e.Returned}, {Key: "milliseconds", Value: e.Milliseconds},
	}
	if e.Index != "" {
		doc[2].Value = e.Index
	}
	raw, err := bson.Marshal(doc)
	if err != nil { // plain values always encode
		panic(err)
	}
	return raw
}
