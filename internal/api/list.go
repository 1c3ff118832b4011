package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/query"
)

// listDocuments answers a page.
func listDocuments(x *exchange) error {
	plan, err := x.plan()
	if err != nil {
		return err
	}
	form, err := x.form()
	if err != nil {
		return err
	}
	var page *engine.Page
	err = x.timed("engine", func() error {
		page, err = x.service.engine.List(x.request.Context(), plan)
		return err
	})
	if err != nil {
		return err
	}
	header := x.Header()
	header["Cache-Control"] = noCache
	if page.Next != "" {
		header["Link"] = []string{"<" + nextPage(x.request.URL, page.Next) + `>; rel="next"`}
	}
	return x.send(http.StatusOK, form, func(dst []byte) []byte { return appendPage(dst, page, form) })
}

func appendPage(dst []byte, page *engine.Page, form form) []byte {
	dst = append(dst, `{"data":[`...)
	for i, doc := range page.Documents {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = form.append(dst, doc)
	}
	dst = append(dst, `],"page":{`...)
	if page.Next != "" {
		dst = strconv.AppendQuote(append(dst, `"next":`...), page.Next)
	}
	return append(dst, "}}"...)
}

// plan reads the parameters of a list.
func (x *exchange) plan() (*query.Plan, error) {
	collection, err := x.collection()
	if err != nil {
		return nil, err
	}
	values, err := x.query()
	if err != nil {
		return nil, err
	}
	request, err := query.Parse(values, x.service.options.Limits)
	if err != nil {
		return nil, err
	}
	return request.Plan(collection)
}

// nextPage returns the relative reference of the page after a cursor.
func nextPage(u *url.URL, cursor string) string {
	values := u.Query()
	values.Set("after", cursor)
	return u.EscapedPath() + "?" + values.Encode()
}
