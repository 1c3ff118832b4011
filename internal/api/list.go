package api

import (
	"net/http"
	"net/url"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/query"
)

// listDocuments answers a page. It is written to memory first, because its
// Link header is known only at its end; the engine bounds its size.
func listDocuments(x *exchange) error {
	plan, err := x.plan()
	if err != nil {
		return err
	}
	form, err := x.form()
	if err != nil {
		return err
	}
	buffer := buffers.Get().(*[]byte)
	defer putBuffer(buffer)
	dst, next := append((*buffer)[:0], `{"data":[`...), ""
	empty := len(dst)
	err = x.timed("engine", func() error {
		next, err = x.service.engine.List(x.request.Context(), plan, func(doc bson.Raw) {
			if len(dst) > empty {
				dst = append(dst, ',')
			}
			dst = form.append(dst, doc)
		})
		return err
	})
	*buffer = dst
	if err != nil {
		return err
	}
	header := x.Header()
	header["Cache-Control"] = noCache
	dst = append(dst, `],"page":{`...)
	if next != "" {
		header["Link"] = []string{"<" + nextPage(x.request.URL, next) + `>; rel="next"`}
		dst = append(strconv.AppendQuote(append(dst, `"next":`...), next), '}')
	} else {
		dst = append(dst, '}')
	}
	*buffer = append(dst, '}')
	return x.sendEncoded(http.StatusOK, form, *buffer)
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
