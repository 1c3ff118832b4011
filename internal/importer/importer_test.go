package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/importer"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// target is a collection to import into.
type target struct {
	t          *testing.T
	uri        string
	database   string
	store      *store.Store
	collection *schema.Collection
	mode       importer.Mode
	refusals   []importer.Refusal
	results    []importer.Result
	now        time.Time
}

// newTarget makes the first collection of a schema folder in a database of the
// test's own. The name of the application is the test's, for failCommand.
func newTarget(t *testing.T, folder fstest.MapFS) *target {
	t.Helper()
	t.Parallel()
	return newTargetIn(t, folder)
}

// newTargetIn is newTarget for a test that has one already.
func newTargetIn(t *testing.T, folder fstest.MapFS) *target {
	t.Helper()
	model, err := schema.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	uri, database := testkit.Mongo(t)
	s, err := store.Open(t.Context(), store.Options{URI: uri + "&appName=" + database, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: s, Who: "test"}, model); err != nil {
		t.Fatal(err)
	}
	return &target{t: t, uri: uri, database: database, store: s, collection: model.Collections[0], now: time.UnixMilli(1_700_000_000_000)}
}

func fromText(text string) fstest.MapFS {
	return fstest.MapFS{"things.yaml": {Data: []byte("collection: things\n" + text)}}
}

func (g *target) run(ctx context.Context, input io.Reader) (importer.Counts, error) {
	g.t.Helper()
	g.refusals, g.results = nil, nil
	return importer.Run(ctx, importer.Options{
		Store: g.store, Collection: g.collection, Mode: g.mode, Input: input, Now: g.now,
		Told: func(r importer.Result) error {
			g.results = append(g.results, r)
			if r.Outcome == importer.Refused {
				g.refusals = append(g.refusals, r.Refusal())
			}
			return nil
		},
	})
}

// expect imports text and holds the counts.
func (g *target) expect(text string, imported, present, refused int64) {
	g.t.Helper()
	got, err := g.run(g.t.Context(), strings.NewReader(text))
	want := importer.Counts{
		Read: imported + present + refused, Imported: imported, Present: present, Refused: refused,
		Bytes: int64(len(text)), Line: got.Line,
	}
	if err != nil || got != want {
		g.t.Fatalf("counts %+v (%v), want %+v; refused: %+v", got, err, want, g.refusals)
	}
}

// documents returns what is stored, sorted by id.
func (g *target) documents() []bson.Raw {
	g.t.Helper()
	sort, _ := bson.Marshal(bson.D{{Key: "_id", Value: 1}})
	rows, err := g.store.Find(g.t.Context(), store.Query{Collection: g.collection.Name, Sort: sort})
	if err != nil {
		g.t.Fatal(err)
	}
	defer rows.Close()
	var docs []bson.Raw
	for rows.Next() {
		docs = append(docs, bytes.Clone(rows.Document()))
	}
	if err := rows.Err(); err != nil {
		g.t.Fatal(err)
	}
	return docs
}

// numbers returns the field n of what is stored, sorted by it.
func (g *target) numbers() []int64 {
	g.t.Helper()
	var numbers []int64
	for _, doc := range g.documents() {
		numbers = append(numbers, doc.Lookup("n").AsInt64())
	}
	slices.Sort(numbers)
	return numbers
}

const numbered = "fields:\n  n: {type: int, required: true, min: 0}\n"

func TestForms(t *testing.T) {
	for name, text := range map[string]string{
		"lines":            "{\"n\":1}\n\n{\"n\":2}\r\n{\"n\":3}",
		"byte order mark":  "\xef\xbb\xbf{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
		"array":            "[{\"n\":1}, {\"n\":2},\n{\"n\":3}]\n",
		"array of several": "[\n  {\n    \"n\": 1\n  },\n  {\n    \"n\": 2\n  },\n  {\"n\": 3}\n]",
		"several lines":    "{\n  \"n\": 1\n}\n{\n  \"n\": 2\n}\n{\n  \"n\": 3\n}\n",
		"in a row":         `{"n":1}{"n":2} {"n":3}`,
		"extended":         `{"n":{"$numberInt":"1"}} {"n":{"$numberLong":"2"}} {"n":{"$numberDouble":"3.0"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := newTarget(t, fromText(numbered))
			g.expect(text, 3, 0, 0)
			if got := g.numbers(); !slices.Equal(got, []int64{1, 2, 3}) {
				t.Errorf("stored %v", got)
			}
		})
	}
}

func TestStoredForm(t *testing.T) {
	g := newTarget(t, fromText("fields:\n  name: {type: string, trim: true}\n  at: {type: date}\n  kind: {type: string, default: plain}\n"))
	g.expect(`{"at":{"$date":"2009-04-01T00:00:00.000-0700"},"name":" Ada ","_id":{"$oid":"55f14312c7447c3da7051b26"}}`, 1, 0, 0)
	got := string(bsonjson.AppendDocument(nil, g.documents()[0]))
	want := `{"id":"55f14312c7447c3da7051b26","at":"2009-04-01T07:00:00.000Z","name":"Ada","kind":"plain","version":1,` +
		`"createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.000Z"}`
	if got != want {
		t.Errorf("stored  %s\nwant    %s", got, want)
	}
}

func TestAnExportIsRestored(t *testing.T) {
	g := newTarget(t, fromText(numbered))
	export := `{"id":"55f14312c7447c3da7051b26","n":1,"version":7,"createdAt":"2020-01-01T00:00:00.000Z","updatedAt":"2021-01-01T00:00:00.000Z"}`
	g.expect(export, 1, 0, 0)
	if got := string(bsonjson.AppendDocument(nil, g.documents()[0])); got != export {
		t.Errorf("stored %s", got)
	}
	g.expect(export, 0, 1, 0)
	g.expect(`{"n":2,"version":0}`, 0, 0, 1)
	g.expect(`{"n":2,"version":"1"}`, 0, 0, 1)
	g.expect(`{"n":2,"createdAt":"yesterday"}`, 0, 0, 1)
}

func TestRefusals(t *testing.T) {
	g := newTarget(t, fromText("id: int\n"+numbered+"  email: {type: string, unique: true}\n"))
	text := strings.Join([]string{
		`{"id":1,"n":1,"email":"a"}`,
		`{"id":2,"n":-1,"nn":1}`,
		`{"id":3,"n":`,
		``,
		`{"n":4}`,
		`{"id":5,"n":5,"n":5}`,
		`[{"id":6,"n":6}]`,
		`{"id":7,"n":7}`,
	}, "\n")
	g.expect(text, 2, 0, 5)
	for i, want := range []struct {
		line   int64
		reason string
		items  string
	}{
		{2, "breaks the schema", "/nn unknown-field,/n min"},
		{3, "not valid JSON", ""},
		{5, "breaks the schema", "/id required"},
		{6, "stands twice", ""},
		{7, "must be a JSON object", " type"},
	} {
		r := g.refusals[i]
		var items []string
		for _, item := range r.Errors {
			items = append(items, item.Pointer+" "+item.Code)
		}
		if r.Line != want.line || !strings.Contains(r.Reason, want.reason) || strings.Join(items, ",") != want.items {
			t.Errorf("refusal %d is %+v, want %+v", i, r, want)
		}
		if line, _, _ := strings.Cut(text[r.Offset:], "\n"); line != string(r.Document)+r.Text {
			t.Errorf("refusal %d has %q, and at its offset is %q", i, string(r.Document)+r.Text, line)
		}
	}
	g.expect(`{"id":1,"n":2}`, 0, 0, 1)
	if item := g.refusals[0].Errors[0]; item.Pointer != "/id" || item.Code != "unique" {
		t.Errorf("another document with the id: %+v", g.refusals[0])
	}
	g.expect(`{"id":8,"n":8,"email":"a"}`, 0, 0, 1)
	if item := g.refusals[0].Errors[0]; item.Pointer != "/email" || item.Code != "unique" {
		t.Errorf("another document with the email: %+v", g.refusals[0])
	}
}

func TestABrokenArrayStops(t *testing.T) {
	g := newTarget(t, fromText(numbered))
	counts, err := g.run(t.Context(), strings.NewReader(`[{"n":1},{"n":2},{"n" 3},{"n":4}]`))
	if err == nil || !strings.Contains(err.Error(), "cannot be read further") || counts.Imported != 2 {
		t.Errorf("counts %+v, error %v", counts, err)
	}
}

func TestStringIDsTakeOtherIDs(t *testing.T) {
	g := newTarget(t, fromText("id: string\n"+numbered))
	g.expect(`{"_id":"ac3","n":1} {"_id":{"$oid":"507d95d5719dbef170f15bf9"},"n":2} {"_id":53,"n":3}`, 3, 0, 0)
	for i, want := range []string{"507d95d5719dbef170f15bf9", "53", "ac3"} {
		if got := g.documents()[i].Lookup("_id"); got.Type != bson.TypeString || got.StringValue() != want {
			t.Errorf("an id is %v, want %s", got, want)
		}
	}
	g.expect(`{"_id":"","n":1} {"_id":1.5,"n":2} {"_id":{"a":1},"n":3} {"_id":null,"n":4} {"n":5}`, 0, 0, 5)
	for _, r := range g.refusals {
		if len(r.Errors) != 1 || r.Errors[0].Pointer != "/id" {
			t.Errorf("refused as %+v", r)
		}
	}
}

// TestGeneratedIDs holds that documents without an id are known again, as many
// times as their text is there.
func TestGeneratedIDs(t *testing.T) {
	for _, kind := range []string{"objectId", "uuid", "increment"} {
		t.Run(kind, func(t *testing.T) {
			g := newTarget(t, fromText("id: "+kind+"\n"+numbered))
			g.expect("{\"n\":1}\n{\"n\":2}\n{\"n\":1}\n", 3, 0, 0)
			g.expect("{\"n\":1}\n{\"n\":2}\n{\"n\":1}\n", 0, 3, 0)
			g.expect("{\"n\":3}\n{\"n\":1}\n{\"n\":1}\n{\"n\":1}\n{\"n\":2}\n", 2, 3, 0)
			if got := g.numbers(); !slices.Equal(got, []int64{1, 1, 1, 2, 3}) {
				t.Errorf("stored %v", got)
			}
		})
	}
}

func TestGeneratedUUIDsAreOfVersion8(t *testing.T) {
	g := newTarget(t, fromText("id: uuid\n"+numbered))
	g.expect(`{"n":1}`, 1, 0, 0)
	subtype, id := g.documents()[0].Lookup("_id").Binary()
	if subtype != bson.TypeBinaryUUID || id[6]>>4 != 8 || id[8]>>6 != 2 {
		t.Errorf("the id is %x of subtype %d", id, subtype)
	}
}

func TestIncrement(t *testing.T) {
	g := newTarget(t, fromText("id: increment\n"+numbered))
	g.expect(lines(0, 2500), 2500, 0, 0)
	for i, doc := range g.documents() {
		if id, n := doc.Lookup("_id").AsInt64(), doc.Lookup("n").AsInt64(); id != n+1 || n != int64(i) {
			t.Fatalf("document %d has the id %d", n, id)
		}
	}
	g.expect(`{"id":4000,"n":1} {"n":70000} {"id":3000,"n":2}`, 3, 0, 0)
	next, err := g.store.NextID(t.Context(), "things")
	if err != nil || next <= 4000 {
		t.Errorf("the next id is %d (%v)", next, err)
	}
	g.expect(`{"id":4000,"n":1} {"n":70000} {"id":3000,"n":2}`, 0, 3, 0)
}

// TestDefaultsThatChangeAreNoOtherContent holds that a value which is another
// in every run does not make a document another.
func TestDefaultsThatChangeAreNoOtherContent(t *testing.T) {
	g := newTarget(t, fromText(`id: int
fields:
  at: {type: date, default: now}
  key: {type: uuid, default: uuid}
  list: {type: array, items: {type: object, fields: {n: {type: int}, at: {type: date, default: now}}}}
`))
	g.expect(`{"id":1,"list":[{"n":1},{"n":2}]}`, 1, 0, 0)
	g.now = g.now.Add(time.Hour)
	g.expect(`{"id":1,"list":[{"n":1},{"n":2}]}`, 0, 1, 0)
	for _, other := range []string{`{"id":1,"list":[{"n":1},{"n":3}]}`, `{"id":1,"list":[{"n":1}]}`, `{"id":1}`, `{"id":1,"at":"2020-01-01T00:00:00Z","list":[{"n":1},{"n":2}]}`} {
		g.expect(other, 0, 0, 1)
	}
}

// lines are documents from n on, one a line.
func lines(from, to int) string {
	var text strings.Builder
	for n := from; n < to; n++ {
		fmt.Fprintf(&text, "{\"n\":%d}\n", n)
	}
	return text.String()
}

// TestImportsAtTheSameTime runs the same import several times at once.
func TestImportsAtTheSameTime(t *testing.T) {
	for _, kind := range []string{"uuid", "increment"} {
		t.Run(kind, func(t *testing.T) {
			g := newTarget(t, fromText("id: "+kind+"\n"+numbered))
			const runs, total = 3, 2500
			var counts [runs]importer.Counts
			var errs [runs]error
			var all sync.WaitGroup
			for i := range runs {
				all.Go(func() {
					counts[i], errs[i] = importer.Run(t.Context(), importer.Options{
						Store: g.store, Collection: g.collection, Input: strings.NewReader(lines(0, total)), Now: g.now,
					})
				})
			}
			all.Wait()
			var imported, present int64
			for i := range runs {
				imported, present = imported+counts[i].Imported, present+counts[i].Present
			}
			if err := errors.Join(errs[:]...); err != nil || imported != total || present != (runs-1)*total {
				t.Errorf("imported %d, already there %d (%v)", imported, present, err)
			}
			if got := len(g.numbers()); got != total {
				t.Errorf("there are %d documents", got)
			}
		})
	}
}

// TestWhatOnlyMongoDBRefuses holds that a document which an index does not take
// is refused alone, with the reason.
func TestWhatOnlyMongoDBRefuses(t *testing.T) {
	g := newTarget(t, fromText("fields:\n  area: {type: geo}\nindexes:\n  - {keys: [{area: 2dsphere}]}\n"))
	crossed := `{"area":{"type":"Polygon","coordinates":[[[0,0],[2,2],[2,0],[0,2],[0,0]]]}}`
	plain := `{"area":{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2],[0,2],[0,0]]]}}`
	g.expect(crossed+plain, 1, 0, 1)
	if reason := g.refusals[0].Reason; !strings.HasPrefix(reason, "a polygon is not one that the globe can hold") {
		t.Errorf("the reason is %q", reason)
	}
}

func TestADocumentTooLargeIsRefusedAlone(t *testing.T) {
	g := newTarget(t, fromText("fields:\n  text: {type: string}\n"))
	g.expect(`{"text":"`+strings.Repeat("x", 16<<20)+`"}{"text":"small"}`, 1, 0, 1)
	if reason := g.refusals[0].Reason; !strings.Contains(reason, "16 MiB") {
		t.Errorf("the reason is %q", reason)
	}
}

// cancelling cancels a context when so much of it is read.
type cancelling struct {
	io.Reader
	left   int
	cancel context.CancelFunc
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), 1000)])
	if c.left -= n; c.left < 0 {
		c.cancel()
	}
	return n, err
}

// TestAStoppedImportGoesOn stops a run at several places and holds that the
// next one completes it.
func TestAStoppedImportGoesOn(t *testing.T) {
	const total = 6000
	text := lines(0, total)
	for _, kind := range []string{"objectId", "uuid", "increment"} {
		t.Run(kind, func(t *testing.T) {
			g := newTarget(t, fromText("id: "+kind+"\n"+numbered))
			var before int64
			for part := 1; part <= 3; part++ {
				ctx, cancel := context.WithCancel(t.Context())
				_, err := g.run(ctx, &cancelling{strings.NewReader(text), part * len(text) / 4, cancel})
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("the error is %v", err)
				}
			}
			before = int64(len(g.numbers()))
			g.expect(text, total-before, before, 0)
			g.expect(text, 0, total, 0)
			want := make([]int64, total)
			for i := range want {
				want[i] = int64(i)
			}
			if !slices.Equal(g.numbers(), want) {
				t.Error("not every document is there once")
			}
		})
	}
}

// TestAnImportThatWaitsCanBeStopped holds that a source which gives nothing does
// not keep a run.
func TestAnImportThatWaitsCanBeStopped(t *testing.T) {
	g := newTarget(t, fromText(numbered))
	source, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(feed, `{"n":1}`)
		cancel()
	}()
	if _, err := g.run(ctx, source); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// TestTroubleWithTheDatabaseIsWaitedOut lets commands fail for more times than
// the driver tries again.
func TestTroubleWithTheDatabaseIsWaitedOut(t *testing.T) {
	for _, kind := range []string{"objectId", "increment"} {
		t.Run(kind, func(t *testing.T) {
			g := newTarget(t, fromText("id: "+kind+"\n"+numbered))
			g.failCommands(5, "insert", "find", "update")
			g.expect(lines(0, 1500), 1500, 0, 0)
			if got := len(g.numbers()); got != 1500 {
				t.Errorf("stored %d documents", got)
			}
		})
	}
}

// failCommands makes mongod close the connection of the store's next commands.
// The fail point is one for the whole server, so it bears the name of the
// application, and its tests share a lock.
func (g *target) failCommands(times int, commands ...string) {
	g.t.Helper()
	failPoint <- struct{}{}
	g.t.Cleanup(func() { <-failPoint })
	_, err := store.Admin(g.t.Context(), g.uri, bson.D{
		{Key: "configureFailPoint", Value: "failCommand"},
		{Key: "mode", Value: bson.D{{Key: "times", Value: times}}},
		{Key: "data", Value: bson.D{{Key: "failCommands", Value: commands}, {Key: "closeConnection", Value: true}, {Key: "appName", Value: g.database}}},
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

var failPoint = make(chan struct{}, 1)

func TestAFailureToKeepRefusalsEndsTheRun(t *testing.T) {
	g := newTarget(t, fromText(numbered))
	full := errors.New("the disk is full")
	_, err := importer.Run(t.Context(), importer.Options{
		Store: g.store, Collection: g.collection, Input: strings.NewReader("{}\n" + lines(0, 5000)),
		Told: func(importer.Result) error { return full },
	})
	if !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
}

func TestProgressEndsWithTheCounts(t *testing.T) {
	g := newTarget(t, fromText(numbered))
	var told []importer.Counts
	text := lines(0, 2500)
	counts, err := importer.Run(t.Context(), importer.Options{
		Store: g.store, Collection: g.collection, Input: strings.NewReader(text), Now: g.now,
		Progress: func(c importer.Counts) { told = append(told, c) },
	})
	if err != nil || len(told) < 3 || told[len(told)-1] != counts || counts.Bytes != int64(len(text)) || counts.Line != 2500 {
		t.Errorf("told %+v, counts %+v (%v)", told, counts, err)
	}
}

func TestARefusalIsOneLineOfJSON(t *testing.T) {
	for _, r := range []importer.Refusal{
		{Line: 1, Reason: "r", Errors: []fault.Item{{Pointer: "/a", Code: "type", Detail: "d"}}, Document: json.RawMessage("{\n\"a\": 1}")},
		{Line: 2, Offset: 5, Reason: "r", Text: "{\n"},
	} {
		line, err := json.Marshal(r)
		if err != nil || bytes.ContainsRune(line, '\n') {
			t.Errorf("%s (%v)", line, err)
		}
	}
}

// TestExamples imports the sample of every example that has one: all but the
// last line, which shows what is refused.
func TestExamples(t *testing.T) {
	samples, err := filepath.Glob("../../examples/*/sample.ndjson")
	if err != nil || len(samples) != 5 {
		t.Fatalf("there are %d samples (%v)", len(samples), err)
	}
	for _, sample := range samples {
		folder := filepath.Dir(sample)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			text, err := os.ReadFile(sample)
			if err != nil {
				t.Fatal(err)
			}
			schemas := fstest.MapFS{}
			file := filepath.Base(folder) + ".yaml"
			data, err := os.ReadFile(filepath.Join(folder, "schema", file))
			if err != nil {
				t.Fatal(err)
			}
			schemas[file] = &fstest.MapFile{Data: data}
			g := newTarget(t, schemas)
			count := int64(bytes.Count(text, []byte("\n")))
			g.expect(string(text), count-1, 0, 1)
			if g.refusals[0].Line != count {
				t.Errorf("refused %+v", g.refusals[0])
			}
			g.expect(string(text), 0, count-1, 1)
		})
	}
}
