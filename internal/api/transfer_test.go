package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/store"
)

const lines = "Content-Type: application/x-ndjson"

// bodyLines are the lines of an answer.
func (a answer) lines() []string {
	return strings.Split(strings.TrimSuffix(string(a.body), "\n"), "\n")
}

// same holds the lines of an answer.
func (a answer) linesAre(want ...string) answer {
	a.t.Helper()
	if got := a.lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		a.t.Errorf("%s: the lines are\n%s\nwant\n%s", a.what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return a
}

func TestImport(t *testing.T) {
	s := start(t, kindsModel(t))
	a := s.do("POST", "/v1/ints/_import", `{"id":1,"name":"a"}
{"id":2,"nam":"b"}
{"id":3,"name":"c","email":"c@example.com"}
{"id":4,
{"id":5,"name":"e","email":"c@example.com"}
`, lines).is(200).sends("Content-Type", "application/x-ndjson")
	if got := a.lines(); len(got) != 6 || got[0] != `{"index":0,"status":201,"id":1}` || got[2] != `{"index":2,"status":201,"id":3}` ||
		got[5] != `{"complete":true,"read":5,"created":2,"changed":0,"unchanged":0,"refused":3,"bytes":136}` {
		t.Errorf("the lines are %s", a.body)
	}
	a.has(`{"index":1,"status":422,"id":2,"problem":{"type":"/problems/validation-failed"`, `"pointer":"/nam","code":"unknown-field"`,
		`{"index":3,"status":400,"problem":{`, `{"index":4,"status":409,"id":5,"problem":{`, `"request_id":"`+a.header.Get("X-Request-Id"))

	s.do("POST", "/v1/ints/_import", `[{"id":1,"name":"a"},{"id":3,"name":"x","email":"c@example.com"}]`).is(200).has(
		`{"index":0,"status":304,"id":1}`, `{"index":1,"status":409,"id":3,`, `"unchanged":1,"refused":1`)
	s.do("POST", "/v1/ints/_import?mode=upsert", `{"id":1,"name":"a"}{"id":3,"name":"x"}{"id":6,"name":"f"}`).is(200).linesAre(
		`{"index":0,"status":304,"id":1}`, `{"index":1,"status":200,"id":3}`, `{"index":2,"status":201,"id":6}`,
		`{"complete":true,"read":3,"created":1,"changed":1,"unchanged":1,"refused":0,"bytes":57}`)
	s.do("POST", "/v1/ints/_import?mode=merge&results=refused", `{"id":1,"age":30}{"id":3,"age":-1}{"id":6}`).is(200).has(
		`{"index":1,"status":422,"id":3,`, `{"complete":true,"read":3,"created":0,"changed":1,"unchanged":1,"refused":1,"bytes":42}`)
	s.do("GET", "/v1/ints/1", "").is(200).has(`"name":"a","level":1,"age":30,"version":2`)
	s.do("POST", "/v1/ints/_import", "", lines).is(200).linesAre(`{"complete":true,"read":0,"created":0,"changed":0,"unchanged":0,"refused":0,"bytes":0}`)
}

func TestImportsThatAreRefused(t *testing.T) {
	s := start(t, kindsModel(t))
	s.do("POST", "/v1/int/_import", "{}").problem(404, "unknown-collection")
	s.do("POST", "/v1/ints/_import?mode=replace&result=all", "{}").problem(400, "invalid-parameter", "result", "mode")
	s.do("POST", "/v1/ints/_import", "<a/>", "Content-Type: text/xml").problem(415, "unsupported-media-type")
	s.do("POST", "/v1/ints/_import", "\xff\xfe{\x00}\x00").problem(400, "malformed-json")
	s.do("POST", "/v1/ints/_import", "\x1f\x8b\x08", "Content-Encoding: gzip").problem(415, "unsupported-media-type")
	s.do("POST", "/v1/ints/_import", `[{"id":1,"name":"a"},{"id" 2}]`).is(200).has(`{"index":0,"status":201,"id":1}`,
		`{"complete":false,"read":1,"created":1,"changed":0,"unchanged":0,"refused":0,"bytes":`, `"problem":{"type":"/problems/malformed-json"`)
	// A document may be as large as the body of another request, and no larger.
	s.do("POST", "/v1/ints/_import", `{"id":2,"name":"`+strings.Repeat("x", 200<<10)+`"}{"id":3,"name":"c"}`).is(200).has(
		`{"index":0,"status":413,"problem":`, `{"index":1,"status":201,"id":3}`)
	s.serve(api.Options{Transfers: api.TransferLimits{ImportBytes: 1000}})
	s.do("POST", "/v1/ints/_import", strings.Repeat(`{"id":9,"name":"i"}`, 100)).problem(413, "payload-too-large")
}

func TestExport(t *testing.T) {
	s := start(t, kindsModel(t))
	s.do("GET", "/v1/strings/_export", "").is(200).sends("Content-Length", "0")
	for _, id := range []string{"b", "a", "c"} {
		s.do("POST", "/v1/strings", `{"id":"`+id+`","name":"n-`+id+`","age":7}`).is(201)
	}
	s.do("GET", "/v1/strings/_export?select=name", "").is(200).sends("Content-Type", "application/x-ndjson").linesAre(
		`{"id":"a","name":"n-a"}`, `{"id":"b","name":"n-b"}`, `{"id":"c","name":"n-c"}`)
	s.do("GET", "/v1/strings/_export?select=age&id[gt]=a", "", "Accept: application/ejson").is(200).sends("Content-Type", "application/ejson").linesAre(
		`{"id":"b","age":{"$numberLong":"7"}}`, `{"id":"c","age":{"$numberLong":"7"}}`)
	s.do("GET", "/v1/strings/_export?filter="+`%7B%22name%22%3A%22n-b%22%7D`, "").is(200).has(`"id":"b"`)
	s.do("HEAD", "/v1/strings/_export", "").is(200).sends("Content-Type", "application/x-ndjson")
	s.do("GET", "/v1/strings/_export?sort=name&limit=3&nme=x", "").problem(400, "invalid-parameter", "sort", "limit", "nme")
	s.do("GET", "/v1/strings/_export", "", "Accept: text/csv").problem(406, "not-acceptable")
	s.do("GET", "/v1/string/_export", "").problem(404, "unknown-collection")

	// What an export gives an import takes, system fields and all.
	exported := s.do("GET", "/v1/strings/_export", "").is(200)
	for _, id := range []string{"a", "b", "c"} {
		s.do("DELETE", "/v1/strings/"+id, "").is(204)
	}
	s.do("POST", "/v1/strings/_import", string(exported.body), lines).is(200).has(`"created":3`)
	s.do("GET", "/v1/strings/_export", "").linesAre(exported.lines()...)
}

// filled has many documents of 2 kB in the collection ints.
func filled(t *testing.T, documents int) *service {
	t.Helper()
	s := start(t, load(t, fstest.MapFS{"ints.yaml": {Data: []byte("collection: ints\nid: int\nfields: {name: {type: string}}\n")}}))
	raws := make([]bson.Raw, documents)
	for i := range raws {
		raws[i], _ = bson.Marshal(bson.D{{Key: "_id", Value: int64(i)}, {Key: "name", Value: strings.Repeat("n", 2000)}, {Key: "version", Value: int64(1)},
			{Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}})
	}
	for some := range slices.Chunk(raws, 500) {
		if failures, err := s.store.InsertMany(t.Context(), "ints", some); err != nil || len(failures) > 0 {
			t.Fatal(len(failures), err)
		}
	}
	return s
}

// openCursors is how many cursors the server holds.
func (s *service) openCursors() int32 {
	s.t.Helper()
	status, err := store.Admin(s.t.Context(), s.uri, bson.D{{Key: "serverStatus", Value: 1}})
	if err != nil {
		s.t.Fatal(err)
	}
	n, _ := status.Lookup("metrics", "cursor", "open", "total").AsInt64OK()
	return int32(n)
}

// TestAnExportWhoseClientHangsUpEnds also holds that one which is not read waits,
// and that others are refused where there are as many as may be. Not parallel: it
// counts the cursors of the whole server.
func TestAnExportWhoseClientHangsUpEnds(t *testing.T) {
	s := filled(t, 10_000) // more than the buffers of a connection hold
	s.serve(api.Options{Transfers: api.TransferLimits{Open: 1, Idle: time.Minute}})
	before := s.openCursors()
	ctx, hangUp := context.WithCancel(t.Context())
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/ints/_export", nil)
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if open := s.openCursors(); open <= before {
		t.Errorf("%d cursors are open, and before there were %d", open, before)
	}
	s.do("GET", "/v1/ints/_export", "").problem(503, "overloaded")
	hangUp()
	_ = response.Body.Close()
	for deadline := time.Now().Add(time.Minute); s.openCursors() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cursor stays open")
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if a := s.try("/v1/ints/_export?select=id"); a == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of the export is not given back")
		}
	}
}

// try asks and returns the status alone.
func (s *service) try(path string) int {
	s.t.Helper()
	response, err := s.client.Get(s.url + path) //nolint:noctx // the test bounds it
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestAnExportThatCannotGoOnIsBrokenOff fails its cursor in the middle, for good.
func TestAnExportThatCannotGoOnIsBrokenOff(t *testing.T) {
	s := filled(t, 20_000)
	_, err := store.Admin(t.Context(), s.uri, bson.D{
		{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: "alwaysOn"},
		{Key: "data", Value: bson.D{{Key: "failCommands", Value: bson.A{"getMore"}}, {Key: "errorCode", Value: 8}, {Key: "namespace", Value: s.db + ".ints"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = store.Admin(context.WithoutCancel(t.Context()), s.uri, bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: "off"}})
	}()
	response, err := s.client.Get(s.url + "/v1/ints/_export") //nolint:noctx // the test bounds it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || response.StatusCode != 200 || strings.Count(string(text), "\n") < 100 {
		t.Errorf("status %d, %d lines, and the end is %v", response.StatusCode, strings.Count(string(text), "\n"), err)
	}
}

// TestAnImportAnswersAsItGoes sends a document, waits for its line, and goes on.
func TestAnImportAnswersAsItGoes(t *testing.T) {
	s := start(t, kindsModel(t))
	source, feed := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/ints/_import", source)
	request.Header.Set("Content-Type", "application/x-ndjson")
	go func() {
		for i := range 1000 {
			_, _ = fmt.Fprintf(feed, "{\"id\":%d,\"name\":\"n\"}\n", i)
		}
	}()
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answers := bufio.NewScanner(response.Body)
	for i := range 1000 {
		if !answers.Scan() || !strings.HasPrefix(answers.Text(), fmt.Sprintf(`{"index":%d,"status":201,`, i)) {
			t.Fatalf("line %d is %q (%v)", i, answers.Text(), answers.Err())
		}
	}
	go func() {
		_, _ = io.WriteString(feed, `{"id":1000,"name":"n"}`)
		_ = feed.Close()
	}()
	var last string
	for answers.Scan() {
		last = answers.Text()
	}
	var counts struct {
		Complete bool
		Created  int
	}
	if err := json.Unmarshal([]byte(last), &counts); err != nil || !counts.Complete || counts.Created != 1001 {
		t.Errorf("the last line is %s (%v)", last, err)
	}
}

// TestAnImportThatIsNotReadEnds has a client that sends and takes nothing: it is
// cut off, and others get their turn.
func TestAnImportThatIsNotReadEnds(t *testing.T) {
	s := start(t, kindsModel(t))
	s.serve(api.Options{Transfers: api.TransferLimits{Open: 1, Idle: 300 * time.Millisecond}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	_, _ = io.WriteString(conn, "POST /v1/ints/_import HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-ndjson\r\n\r\n")
	chunk := strings.Repeat("{\n", 2000) // each is refused, with a long line
	_ = conn.SetWriteDeadline(time.Now().Add(time.Minute))
	for range 20_000 {
		if _, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
			break
		}
	}
	if netError, ok := errors.AsType[net.Error](err); err == nil || ok && netError.Timeout() {
		t.Errorf("the connection is not closed: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if s.try("/v1/ints/_export") == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of the import is not given back")
		}
	}
}

// TestRulesOfTransfers holds that an export shows what a list would, and that an
// import, which rules are not held against document by document, is for those
// alone who may do all.
func TestRulesOfTransfers(t *testing.T) {
	g := notes(t)
	g.do("GET", "/v1/notes/_export?select=title", "", admin).is(200).has("a draft", "b draft")
	g.do("GET", "/v1/notes/_export?select=title", "", ada).is(200).has("a draft", "a out").lacks("b draft", "b out")
	g.do("GET", "/v1/notes/_export", "", nobody).is(200).lacks("draft")
	const note = `{"id":50,"title":"new","ownerId":"ada","rating":1}`
	for _, caller := range []string{ada, reader, nobody} {
		for _, mode := range []string{"create", "upsert", "merge"} {
			g.do("POST", "/v1/notes/_import?mode="+mode, note, caller).problem(403, "forbidden")
		}
	}
	g.do("GET", "/v1/notes/50", "", admin).is(404)
	for _, mode := range []string{"create", "upsert", "merge"} {
		g.do("POST", "/v1/notes/_import?mode="+mode, note, admin).is(200).has(`"complete":true,"read":1`, `"refused":0`)
	}
}
