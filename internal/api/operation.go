package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/reference"
	"github.com/sheafdb/sheaf/internal/schema"
)

// live tells that the process answers; it asks nothing of the database.
func live(x *exchange) error { return x.sendStatus([]byte(`{"status":"ok"}`)) }

// readyTimeout bounds the ping of a readiness check.
const readyTimeout = 2 * time.Second

// ready tells whether requests can be served: not while the service is ending,
// and not while the database takes no writes. They can be by a model that is not
// that of the schema files, so a faulty file does not end the service everywhere
// at once; the answer tells of it.
func ready(x *exchange) error {
	if x.service.draining.Load() {
		return fault.New(fault.DatabaseUnavailable, "the service is stopping")
	}
	ctx, cancel := context.WithTimeout(x.request.Context(), readyTimeout)
	defer cancel()
	if err := x.service.engine.Ping(ctx); err != nil {
		return fault.Wrap(err, fault.DatabaseUnavailable, "the database cannot be reached")
	}
	if stale := x.service.options.Stale; stale != nil {
		if reason := stale(); reason != "" {
			body := bsonjson.AppendValue([]byte(`{"status":"stale","detail":`), bsonjson.StringValue(reason))
			return x.sendStatus(append(body, '}'))
		}
	}
	return x.sendStatus([]byte(`{"status":"ok"}`))
}

func (x *exchange) sendStatus(body []byte) error {
	x.Header().Set("Cache-Control", "no-store")
	return x.sendStatic(mediaJSON, body)
}

// sendStatic answers with bytes that are there.
func (x *exchange) sendStatic(media string, body []byte) error {
	header := x.Header()
	header.Set("Content-Type", media)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(http.StatusOK)
	_, _ = x.Write(body) // a client that is gone needs no answer
	return nil
}

// metrics answers with the metrics of the instance, for Prometheus.
func metrics(x *exchange) error {
	handler := x.service.options.Metrics
	if handler == nil {
		return fault.New(fault.UnknownRoute, "the metrics are not at this address")
	}
	x.Header().Set("Cache-Control", "no-store")
	handler.ServeHTTP(x, x.request)
	return nil
}

// documentCache keeps the OpenAPI document of the model that serves.
type documentCache struct {
	mu    sync.Mutex
	model *schema.Model
	body  []byte
}

func (c *documentCache) of(model *schema.Model, version string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.model == model {
		return c.body, nil
	}
	body, err := openapi.Document(openapi.Info{Version: version}, model, Routes())
	if err == nil {
		c.model, c.body = model, body
	}
	return body, err
}

func openAPI(x *exchange) error {
	body, err := x.service.document.of(x.model, x.service.options.Version)
	if err != nil {
		return err
	}
	x.Header().Set("Cache-Control", "no-cache")
	return x.sendStatic(mediaJSON, body)
}

// contentSecurity lets a page load what the service itself has, and no more.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (x *exchange) sendPage(body []byte) error {
	x.Header().Set("Content-Security-Policy", contentSecurity)
	x.Header().Set("Referrer-Policy", "no-referrer")
	x.Header().Set("Cache-Control", "no-cache")
	return x.sendStatic(mediaHTML, body)
}

func docs(x *exchange) error { return x.sendPage(reference.Page()) }

func docsAsset(x *exchange) error {
	body, media, ok := reference.Asset(x.param("asset"))
	if !ok {
		return fault.New(fault.UnknownRoute, "%s is no path of this service", x.request.URL.Path)
	}
	x.Header().Set("Cache-Control", "no-cache")
	return x.sendStatic(media, body)
}

func problems(x *exchange) error { return x.sendPage(reference.Problems()) }

func problemPage(x *exchange) error {
	body, ok := reference.Problem(fault.Code(x.param("code")))
	if !ok {
		return fault.New(fault.UnknownRoute, "no problem is called %s; /problems lists them", strconv.Quote(x.param("code")))
	}
	return x.sendPage(body)
}
