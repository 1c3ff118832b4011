package testkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/openapi/openapitest"
)

// RunScenario runs the requests of a file against the service at baseURL, and
// hands each exchange to check, which may be nil. The test ends at the first
// request that is not answered as the file says.
//
// The file is in a part of the format of hurl (https://hurl.dev), which runs it
// too, with --variable url=…: comments, requests with headers and a JSON body
// or a body between lines of ```, the line HTTP with a status or *, headers
// that the answer must have, and the sections
//
//	[Captures]
//	name: jsonpath "$.data[0].id"
//	tag: header "ETag"
//	[Asserts]
//	jsonpath "$.name" == "Ada"
//	jsonpath "$.errors" count == 2
//	header "Link" not exists
//
// with the predicates ==, !=, exists, count ==, contains, startsWith and
// matches. {{name}} stands for a captured value, {{url}} for baseURL.
func RunScenario(t testing.TB, path, baseURL string, check func(openapitest.Exchange) error) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	s := &scenario{
		client: &http.Client{Transport: transport, Timeout: answerLimit, CheckRedirect: stay},
		check:  check,
		values: variables{"url": strings.TrimSuffix(baseURL, "/")},
	}
	if err := s.run(t, path, string(text)); err != nil {
		t.Fatal(err)
	}
}

// answerLimit bounds one request of a scenario.
const answerLimit = time.Minute

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// scenario is a file that is being run.
type scenario struct {
	client *http.Client
	check  func(openapitest.Exchange) error
	values variables
}

// run carries out the entries of a file. Its errors begin with file:line.
func (s *scenario) run(t testing.TB, path, text string) error {
	entries, err := parseScenario(path, text)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.runEntry(t, e); err != nil {
			return err
		}
	}
	return nil
}

func (s *scenario) runEntry(t testing.TB, e entry) error {
	request, err := e.request(t, s.values)
	if err != nil {
		return err
	}
	answer, err := s.send(request)
	if err != nil {
		return e.at.wrap(err)
	}
	if err := e.expect(answer, s.values); err != nil {
		return fmt.Errorf("%w\n%s %s answered %d:\n%s", err, request.Method, request.URL, answer.status, answer.body)
	}
	if s.check == nil {
		return nil
	}
	err = s.check(openapitest.Exchange{
		Method: request.Method, Path: request.URL.EscapedPath(), Status: answer.status, Header: answer.header, Body: answer.body,
	})
	return e.at.wrap(err)
}

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *scenario) send(request *http.Request) (a answer, err error) {
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: body}, err
}

// request makes the request of an entry.
func (e entry) request(t testing.TB, values variables) (*http.Request, error) {
	url, err := values.fill(e.at, e.url)
	if err != nil {
		return nil, err
	}
	body, err := values.fill(e.at, e.body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(t.Context(), e.method, url, strings.NewReader(body))
	if err != nil {
		return nil, e.at.wrap(err)
	}
	if e.isJSON {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, f := range e.headers {
		value, err := values.fill(f.at, f.text)
		if err != nil {
			return nil, err
		}
		request.Header.Set(f.name, value)
	}
	return request, nil
}

// expect holds an answer against what the entry says, and captures values.
func (e entry) expect(a answer, values variables) error {
	if e.status != 0 && e.status != a.status {
		return e.statusAt.errorf("the status is %d, want %d", a.status, e.status)
	}
	for _, f := range e.expected {
		want, err := values.fill(f.at, f.text)
		if err != nil {
			return err
		}
		if got := strings.Join(a.header.Values(f.name), ", "); got != want {
			return f.at.errorf("%s is %q, want %q", f.name, got, want)
		}
	}
	for _, c := range e.captures {
		value, ok := c.query.value(a)
		if !ok {
			return c.at.errorf("there is no %s", c.query)
		}
		values[c.name] = value
	}
	for _, assert := range e.asserts {
		if err := assert.check(a, values); err != nil {
			return err
		}
	}
	return nil
}
