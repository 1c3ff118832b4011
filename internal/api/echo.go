package api

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sheafdb/sheaf/internal/fault"
)

// newRouter puts the routes into an Echo, which matches paths and no more:
// what else its middleware could do is done once for all routes in ServeHTTP.
func newRouter() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = answerError
	for _, route := range routes {
		handler := adapt(route)
		e.Add(route.Method, echoPath(route.Path), handler)
		if route.Method == http.MethodGet {
			e.Add(http.MethodHead, echoPath(route.Path), handler)
		}
	}
	return e
}

// adapt makes a handler one of Echo's.
func adapt(route route) echo.HandlerFunc {
	return func(c echo.Context) error {
		x := exchangeOf(c)
		x.route, x.path = route.Path, c
		return x.serve(route)
	}
}

// exchangeOf returns what ServeHTTP passed as the writer.
func exchangeOf(c echo.Context) *exchange { return c.Response().Writer.(*exchange) }

// answerError renders the error of a handler, or of Echo's own.
func answerError(err error, c echo.Context) {
	x := exchangeOf(c)
	switch {
	case errors.Is(err, echo.ErrNotFound):
		err = fault.New(fault.UnknownRoute, "%s is no path of this service", x.request.URL.Path)
	case errors.Is(err, echo.ErrMethodNotAllowed):
		err = fault.New(fault.MethodNotAllowed, "%s is not a method of this path; Allow lists those that are", x.request.Method)
	}
	x.fail(err)
}

// echoPath writes a path template as Echo has it: {id} is :id.
func echoPath(template string) string {
	path := make([]byte, 0, len(template))
	for i := range len(template) {
		switch template[i] {
		case '{':
			path = append(path, ':')
		case '}':
		default:
			path = append(path, template[i])
		}
	}
	return string(path)
}
