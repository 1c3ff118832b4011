// Package client is the Go client of a Sheaf service: typed calls, the service's
// own error codes, and retries where they are safe. It needs the standard
// library alone.
//
//	users := client.Of[User](client.New("http://127.0.0.1:8080"), "users")
//	ada, err := users.Create(ctx, User{Name: "Ada"})
//	for user, err := range users.All(ctx, client.Where("age", client.Op{"$gte": 18}), client.Sort("-age")) { … }
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client calls one service. It is safe for concurrent use.
type Client struct {
	base string
	// Credential returns the API key or token that a request is sent with, nil for
	// none; Bearer is for one that stays the same. It is called for each request, by
	// many at once, so that a token can be replaced before it expires.
	Credential func(context.Context) (string, error)
	// HTTP sends the requests; http.DefaultClient where it is nil.
	HTTP *http.Client
	// Retries is how often a request is sent again after a failure that can pass
	// by itself and has stored nothing, or whatever it has stored where the request
	// has a key; 3 by default, negative for never.
	Retries int
}

const (
	defaultRetries = 3
	// longestWait bounds what a Retry-After makes the client wait.
	longestWait = 10 * time.Second
)

// New returns a Client of the service at a URL such as http://127.0.0.1:8080.
func New(baseURL string) *Client {
	return &Client{base: strings.TrimSuffix(baseURL, "/"), Retries: defaultRetries}
}

// Bearer returns a Credential that is always the same, such as an API key.
func Bearer(credential string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return credential, nil }
}

// Collection calls one collection, whose documents decode into T: a struct with
// json tags, id, version, createdAt and updatedAt among them where they matter.
type Collection[T any] struct {
	client *Client
	path   string
}

// Of returns a collection of a client.
func Of[T any](c *Client, name string) *Collection[T] {
	return &Collection[T]{c, "/v1/" + url.PathEscape(name)}
}

// Create stores a document and returns it as it is stored. The document must not
// have what the service keeps: leave version, createdAt and updatedAt out of its
// JSON (omitzero), and the id where the service makes it.
func (c *Collection[T]) Create(ctx context.Context, document any) (T, error) {
	return c.one(ctx, http.MethodPost, c.path, document, nil)
}

// Get returns the document with an id, with what relations lead to as Include has
// it; the error has the code NotFound where there is none.
func (c *Collection[T]) Get(ctx context.Context, id any, relations ...string) (T, error) {
	path := c.at(id)
	if len(relations) > 0 {
		path += "?include=" + url.QueryEscape(strings.Join(relations, ","))
	}
	return c.one(ctx, http.MethodGet, path, nil, nil)
}

// Replace puts a document in the place of the one with an id, if that has the
// version; 0 is for any.
func (c *Collection[T]) Replace(ctx context.Context, id any, version int64, document any) (T, error) {
	return c.one(ctx, http.MethodPut, c.at(id), document, ifMatch(version))
}

// Patch applies a merge patch (RFC 7396), such as a map with the fields that
// change and nil for those that go, if the document has the version; 0 is for
// any.
func (c *Collection[T]) Patch(ctx context.Context, id any, version int64, patch any) (T, error) {
	return c.change(ctx, id, version, "application/merge-patch+json", patch)
}

// Update applies update operators, such as
//
//	map[string]any{"$inc": map[string]any{"balance": -100}}
//
// if the document has the version; 0 is for any.
func (c *Collection[T]) Update(ctx context.Context, id any, version int64, operators any) (T, error) {
	return c.change(ctx, id, version, "application/vnd.sheaf.update+json", operators)
}

// JSONPatch applies a JSON Patch (RFC 6902), if the document has the version; 0
// is for any. The error has the code PatchFailed where a test does not hold, or
// a path does not exist.
func (c *Collection[T]) JSONPatch(ctx context.Context, id any, version int64, operations ...PatchOperation) (T, error) {
	return c.change(ctx, id, version, "application/json-patch+json", operations)
}

// PatchOperation is one operation of a JSON Patch. Value is left out of remove,
// move and copy, From of all but the last two; a null is json.RawMessage("null").
type PatchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from,omitempty"`
	Value any    `json:"value,omitempty"`
}

// Delete deletes the document with an id, if it has the version; 0 is for any.
func (c *Collection[T]) Delete(ctx context.Context, id any, version int64) error {
	return c.client.call(ctx, http.MethodDelete, c.at(id), nil, ifMatch(version), nil)
}

// Aggregate calls an aggregate that the schema of a collection declares, and
// decodes what comes out of its pipeline into R. An array has several values
// under its name.
//
//	rows, err := client.Aggregate[Row](ctx, users, "by_status", url.Values{"since": {"2026-01-01T00:00:00Z"}})
func Aggregate[R, T any](ctx context.Context, c *Collection[T], name string, parameters url.Values) ([]R, error) {
	path := c.path + "/_aggregates/" + url.PathEscape(name)
	if len(parameters) > 0 {
		path += "?" + parameters.Encode()
	}
	var answer struct{ Data []R }
	err := c.client.call(ctx, http.MethodGet, path, nil, nil, &answer)
	return answer.Data, err
}

func (c *Collection[T]) at(id any) string { return c.path + "/" + url.PathEscape(fmt.Sprint(id)) }

func (c *Collection[T]) one(ctx context.Context, method, path string, body any, header http.Header) (T, error) {
	var document T
	err := c.client.call(ctx, method, path, body, header, &document)
	return document, err
}

func (c *Collection[T]) change(ctx context.Context, id any, version int64, media string, body any) (T, error) {
	header := ifMatch(version)
	header.Set("Content-Type", media)
	return c.one(ctx, http.MethodPatch, c.at(id), body, header)
}

func ifMatch(version int64) http.Header {
	header := http.Header{}
	if version != 0 {
		header.Set("If-Match", `"`+strconv.FormatInt(version, 10)+`"`)
	}
	return header
}

// call sends a request, again where that is safe, and decodes the answer.
func (c *Client) call(ctx context.Context, method, path string, body any, header http.Header, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	belongs := belongingOf(ctx)
	header = belongs.header(header)
	for attempt := 0; ; attempt++ {
		problem, err := c.send(ctx, method, path, text, header, into)
		if problem == nil && err == nil {
			return nil
		}
		pause, again := belongs.retry(method, problem, err, attempt)
		if problem != nil {
			err = problem
		}
		if attempt >= c.Retries || !again || wait(ctx, pause) != nil {
			return err
		}
	}
}

// send sends a request once. The problem is nil for a success and for an error.
func (c *Client) send(ctx context.Context, method, path string, body []byte, header http.Header, into any) (*Error, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := c.do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode >= http.StatusBadRequest:
		return problemOf(response, content), nil
	case into == nil || len(content) == 0:
		return nil, nil
	}
	return nil, json.Unmarshal(content, into)
}

// do sends a request with the credential of the client.
func (c *Client) do(request *http.Request) (*http.Response, error) {
	if c.Credential != nil {
		credential, err := c.Credential(request.Context())
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+credential)
	}
	sender := c.HTTP
	if sender == nil {
		sender = http.DefaultClient
	}
	return sender.Do(request)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(min(d, longestWait))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
