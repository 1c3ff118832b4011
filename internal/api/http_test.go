package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// fileMap is a schema folder; pairs are names of collections and their files.
func fileMap(pairs ...string) fstest.MapFS {
	folder := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		folder[pairs[i]+".yaml"] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return folder
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("GET", "/", "").problem(404, "unknown-route")
	s.do("GET", "/v2/increments", "").problem(404, "unknown-route")
	s.do("GET", "/v1/increment", "").problem(404, "unknown-collection").has(`did you mean \"increments\"?`)
	s.do("PUT", "/v1/increments", `{}`).problem(405, "method-not-allowed")
	a := s.do("POST", "/v1/increments/1", `{}`).problem(405, "method-not-allowed")
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		if !strings.Contains(a.header.Get("Allow"), method) {
			t.Errorf("Allow is %q", a.header.Get("Allow"))
		}
	}
	s.do("POST", "/v1/increments", `{"name":"a"}`).is(201)
	if head := s.do("HEAD", "/v1/increments/1", "").is(200).sends("ETag", `"1"`); len(head.body) > 0 || head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD sent %q, %v", head.body, head.header)
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/increments", `{"name":"a"}`, "Content-Type: application/json; charset=utf-8").is(201)
	s.do("POST", "/v1/increments", `{"name":"a"}`, "Content-Type: text/plain").problem(415, "unsupported-media-type").sends("Accept-Post", "application/json, application/ejson")
	s.do("POST", "/v1/increments", `{"name":"a"}`, "Content-Type: application/json; charset=latin1").problem(415, "unsupported-media-type")
	s.do("POST", "/v1/increments", `{"name":"a"}`, "Content-Encoding: gzip").problem(415, "unsupported-media-type")
	s.do("PATCH", "/v1/increments/1", `{}`, "Content-Type: application/ejson").problem(415, "unsupported-media-type").
		sends("Accept-Patch", "application/merge-patch+json, application/json, application/json-patch+json, application/vnd.sheaf.update+json")
	s.do("GET", "/v1/increments/1", "", "Accept: application/ejson").is(200).sends("Content-Type", "application/ejson").has(`"id":{"$numberLong":"1"}`)
	s.do("GET", "/v1/increments/1", "", "Accept: application/ejson;q=0.1, application/*;q=0.5").is(200).sends("Content-Type", "application/json")
	s.do("GET", "/v1/increments/1", "", "Accept: text/html").problem(406, "not-acceptable")
	s.do("POST", "/v1/increments", `{"name":"a","level":{"$numberLong":"7"}}`, "Content-Type: application/ejson").is(201).has(`"level":7`)
	s.do("POST", "/v1/increments", `{"name":"a"}`, "Prefer: return=minimal").is(201).sends("Preference-Applied", "return=minimal").sends("ETag", `"1"`)
	s.do("PATCH", "/v1/increments/1", `{"age":1}`, "Prefer: respond-async, return=minimal").is(204).sends("ETag", `"2"`)
	s.do("POST", "/v1/increments", `{"name":"`+strings.Repeat("x", 70<<10)+`"}`).problem(413, "payload-too-large")
}

// A client that reads no answer before it has sent all must still see why it was
// refused.
func TestABodyFarOverTheLimitIsAnswered(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	body := strings.Repeat(" ", 20<<20)
	s.do("POST", "/v1/increments", body).problem(413, "payload-too-large")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "POST /v1/increments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatalf("cut off while sending: %v", err)
	}
	if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 413 {
		t.Errorf("got %v, %v", response, err)
	}
}

// A body that stops in the middle is answered, whether the client waits or has
// said that no more will come.
func TestABodyThatStopsInTheMiddleIsAnswered(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	server := httptest.NewUnstartedServer(s.api)
	server.Config.ReadTimeout = 200 * time.Millisecond
	server.Start()
	defer server.Close()
	for name, status := range map[string]int{"waits": 504, "says so": 400} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /v1/increments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"na"); err != nil {
			t.Fatal(err)
		}
		if name == "says so" {
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != status {
			t.Errorf("a client that %s got %v, %v, want %d", name, response, err, status)
		}
		_ = conn.Close()
	}
}

// A client that hung up gets nothing, and above all no 200.
func TestNoAnswerForAClientThatHungUp(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	recorder := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("the handler ended with %v and status %d, want it to abort the connection", p, recorder.Code)
		}
	}()
	s.api.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/increments/1", nil))
}

func TestRequestIDsAndTraces(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	s.do("GET", "/v1/increments", "", "X-Request-Id: abc-1").is(200).sends("X-Request-Id", "abc-1")
	if id := s.do("GET", "/v1/increments", "", "X-Request-Id: a b").header.Get("X-Request-Id"); id == "" || id == "a b" {
		t.Errorf("the request id is %q", id)
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	a := s.do("GET", "/v1/increments", "", "Traceparent: 00-"+trace+"-b7ad6b7169203331-01")
	if got := a.header.Get("Traceparent"); !regexp.MustCompile("^00-"+trace+"-[0-9a-f]{16}-01$").MatchString(got) || strings.Contains(got, "b7ad6b7169203331") {
		t.Errorf("traceparent %q", got)
	}
	s.do("GET", "/v1/increments", "", "Traceparent: 00-"+trace+"-0000000000000000-01").sends("Traceparent", "")
	if got := a.header.Get("Server-Timing"); !strings.Contains(got, "engine;dur=") {
		t.Errorf("Server-Timing %q", got)
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	s := start(t, exampleModel(t, "blog"))
	s.do("GET", "/livez", "").is(200).has("ok")
	s.do("GET", "/readyz", "").is(200).has("ok")
	s.do("GET", "/openapi.json", "").is(200).has(`"openapi":"3.1`)
	s.do("GET", "/docs", "").is(200).sends("Content-Type", "text/html; charset=utf-8")
	s.do("GET", "/docs/app.js", "").is(200)
	s.do("GET", "/docs/other.js", "").problem(404, "unknown-route")
	s.do("GET", "/problems", "").is(200).has("duplicate-key")
	s.do("GET", "/problems/duplicate-key", "").is(200)
	s.do("GET", "/problems/none", "").problem(404, "unknown-route")
	s.api.Drain()
	s.do("GET", "/readyz", "").problem(503, "database-unavailable").sends("Retry-After", "1")
	s.do("GET", "/livez", "").is(200)
}

// MongoDB's validator is the second line: where it knows more than the model
// that serves, as after another instance's change, its refusal is a problem.
func TestTheValidatorOfMongoDBIsTheSecondLine(t *testing.T) {
	t.Parallel()
	const lax = "collection: things\nid: string\nfields:\n  n: {type: int}\n  o: {type: object, fields: {a: {type: array, items: {type: string}}}}\n"
	const strict = "collection: things\nid: string\nfields:\n  n: {type: int, max: 5}\n  r: {type: string, required: true}\n  o: {type: object, fields: {a: {type: array, items: {type: string, max_length: 1}}}}\n"
	s := start(t, load(t, fileMap("things", lax)))
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s.store, Who: "test"}, load(t, fileMap("things", strict))); err != nil {
		t.Fatal(err)
	}
	a := s.do("POST", "/v1/things", `{"id":"a","n":6,"o":{"a":["x","yy"]}}`).is(422)
	a.has(`"/n"`, `"/r"`, `"/o/a/1"`, `"max"`, `"required"`)
	s.do("GET", "/v1/things/a", "").problem(404, "not-found")
}

func TestADatabaseThatIsGone(t *testing.T) {
	t.Parallel()
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := startOn(t, kindsModel(t), server.URI(), "gone", nil)
	s.do("POST", "/v1/increments", `{"name":"a"}`).is(201)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{
		s.do("GET", "/v1/increments/1", ""), s.do("GET", "/v1/increments", ""), s.do("POST", "/v1/increments", `{"name":"a"}`),
		s.do("POST", "/v1/strings", `[{"name":"a","id":"1"},{"name":"a","id":"2"}]`), s.do("DELETE", "/v1/increments/1", ""), s.do("GET", "/readyz", ""),
	} {
		a.problem(503, "database-unavailable").sends("Retry-After", "1")
		if strings.Contains(string(a.body), "127.0.0.1") {
			t.Errorf("the answer tells of the server: %s", a.body)
		}
	}
	s.do("GET", "/livez", "").is(200)
}

func TestADatabaseThatIsSlow(t *testing.T) {
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop(context.Background()) }()
	s := startOn(t, kindsModel(t), server.URI(), "slow", nil)
	failPoint(t, server.URI(), bson.D{{Key: "times", Value: 1}}, bson.D{
		{Key: "failCommands", Value: bson.A{"find"}}, {Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 6000},
	})
	s.do("GET", "/v1/increments/1", "").problem(504, "timeout")
	failPoint(t, server.URI(), bson.D{{Key: "times", Value: 1}}, bson.D{
		{Key: "failCommands", Value: bson.A{"insert"}}, {Key: "errorCode", Value: 8000}, {Key: "errorLabels", Value: bson.A{}},
	})
	a := s.do("POST", "/v1/strings", `{"id":"a","name":"a"}`).problem(500, "internal")
	if strings.Contains(string(a.body), "failpoint") || strings.Contains(string(a.body), "8000") {
		t.Errorf("the answer tells what MongoDB said: %s", a.body)
	}
}

func failPoint(t *testing.T, uri string, mode, data bson.D) {
	t.Helper()
	_, err := store.Admin(t.Context(), uri, bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}, {Key: "data", Value: data}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAClientThatHangsUp(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/increments", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Do(request); err == nil {
		t.Error("a canceled request was answered")
	}
	s.do("GET", "/v1/increments", "").is(200)
}
