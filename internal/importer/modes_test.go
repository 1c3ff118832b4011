package importer_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/importer"
)

// outcomes imports text and holds what became of each document, in its order.
func (g *target) outcomes(text string, want ...importer.Outcome) {
	g.t.Helper()
	if _, err := g.run(g.t.Context(), strings.NewReader(text)); err != nil {
		g.t.Fatal(err)
	}
	var got []importer.Outcome
	for i, r := range g.results {
		if r.Index != int64(i) {
			g.t.Errorf("result %d has the index %d", i, r.Index)
		}
		got = append(got, r.Outcome)
	}
	if !slices.Equal(got, want) {
		g.t.Fatalf("outcomes %v, want %v; refused: %+v", got, want, g.refusals)
	}
}

// stored holds the documents, without their times, as JSON by id.
func (g *target) stored(want ...string) {
	g.t.Helper()
	docs := g.documents()
	if len(docs) != len(want) {
		g.t.Fatalf("there are %d documents, want %d", len(docs), len(want))
	}
	for i, doc := range docs {
		bare := bsonjson.NewBuilder(len(doc)).AppendAll(doc, func(name []byte) bool { return !strings.HasSuffix(string(name), "edAt") }).Document()
		if got := string(bsonjson.AppendDocument(nil, bare)); got != want[i] {
			g.t.Errorf("stored  %s\nwant    %s", got, want[i])
		}
	}
}

const modal = `id: int
fields:
  n: {type: int, required: true, min: 0}
  kind: {type: string, default: plain}
  email: {type: string, unique: true}
  key: {type: uuid}
  nested: {type: object, fields: {a: {type: int}, b: {type: int, default: 7}}}
`

func TestUpsert(t *testing.T) {
	g := newTarget(t, fromText(modal))
	g.mode = importer.Upsert
	g.outcomes(`{"id":1,"n":1,"email":"a"} {"id":2,"n":2}`, importer.Imported, importer.Imported)
	created := g.documents()[0].Lookup("createdAt")
	g.now = g.now.Add(time.Hour)
	text := `{"id":1,"n":10} {"id":2,"n":2} {"id":3,"n":-1} {"id":4,"n":4,"email":"b"} {"id":2,"n":3,"email":"b"}`
	g.outcomes(text, importer.Changed, importer.Present, importer.Refused, importer.Imported, importer.Refused)
	g.stored(`{"id":1,"n":10,"kind":"plain","version":2}`, `{"id":2,"n":2,"kind":"plain","version":1}`, `{"id":4,"n":4,"email":"b","kind":"plain","version":1}`)
	first := g.documents()[0]
	if !first.Lookup("createdAt").Equal(created) || first.Lookup("updatedAt").Time().UnixMilli() != g.now.UnixMilli() {
		t.Errorf("the times are %s", first)
	}
	if item := g.refusals[1].Errors[0]; item.Pointer != "/email" || item.Code != "unique" {
		t.Errorf("refused %+v", g.refusals[1])
	}
	g.outcomes(text, importer.Present, importer.Present, importer.Refused, importer.Present, importer.Refused)
}

func TestMerge(t *testing.T) {
	g := newTarget(t, fromText(modal))
	g.mode = importer.Merge
	g.outcomes(`{"id":1,"n":1,"email":null,"nested":{"a":1}} {"id":2} {"id":3,"n":3,"kind":"odd"}`, importer.Imported, importer.Refused, importer.Imported)
	if item := g.refusals[0].Errors[0]; item.Pointer != "/n" || item.Code != "required" {
		t.Errorf("refused %+v", g.refusals[0])
	}
	text := `{"id":1,"nested":{"b":null}} {"id":3,"kind":"odd"} {"id":3,"n":null} {"id":3,"kind":null,"email":"c"}`
	g.outcomes(text, importer.Changed, importer.Present, importer.Refused, importer.Changed)
	g.stored(`{"id":1,"n":1,"nested":{"a":1},"kind":"plain","version":2}`, `{"id":3,"n":3,"email":"c","version":2}`)
	g.outcomes(text, importer.Present, importer.Changed, importer.Refused, importer.Changed)
}

// TestDocumentsTakeEffectInTheirOrder has the same ids again and again, within
// batches and over several that are under way at once.
func TestDocumentsTakeEffectInTheirOrder(t *testing.T) {
	const ids, turns = 700, 6
	var text strings.Builder
	for turn := range turns {
		for id := range ids {
			fmt.Fprintf(&text, "{\"id\":%d,\"n\":%d}\n", id, turn)
		}
		text.WriteString("{\"id\":0,\"n\":100}\n{\"id\":0,\"n\":200}\n") // twice in one batch
	}
	for mode, version := range map[importer.Mode]int64{importer.Create: 1, importer.Upsert: turns, importer.Merge: turns} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			g := newTarget(t, fromText(modal))
			g.mode = mode
			if _, err := g.run(t.Context(), strings.NewReader(text.String())); err != nil {
				t.Fatal(err)
			}
			docs := g.documents()
			for _, doc := range docs[1:] {
				if n := doc.Lookup("n").AsInt64(); n != version-1 || doc.Lookup("version").AsInt64() != version {
					t.Fatalf("stored %s", doc)
				}
			}
			if n := docs[0].Lookup("n").AsInt64(); len(docs) != ids || mode != importer.Create && n != 200 || mode == importer.Create && n != 0 {
				t.Errorf("the last of the first id has not won: %s", docs[0])
			}
		})
	}
}

// TestMergesAtTheSameTime has several imports change different fields of the
// same documents: no change is lost.
func TestMergesAtTheSameTime(t *testing.T) {
	const ids, runs = 300, 3
	schema := "id: int\nfields:\n"
	for i := range runs {
		schema += fmt.Sprintf("  f%d: {type: int}\n", i)
	}
	g := newTarget(t, fromText(schema))
	var all sync.WaitGroup
	errs := make([]error, runs)
	for i := range runs {
		var text strings.Builder
		for id := range ids {
			fmt.Fprintf(&text, "{\"id\":%d,\"f%d\":%d}\n", id, i, id)
		}
		all.Go(func() {
			counts, err := importer.Run(t.Context(), importer.Options{
				Store: g.store, Collection: g.collection, Mode: importer.Merge, Input: strings.NewReader(text.String()), Now: g.now,
			})
			if err == nil && counts.Imported+counts.Changed != ids {
				err = fmt.Errorf("counts %+v", counts)
			}
			errs[i] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for id, doc := range g.documents() {
		for i := range runs {
			if n := doc.Lookup(fmt.Sprint("f", i)); n.Type != bson.TypeInt64 || n.AsInt64() != int64(id) || doc.Lookup("version").AsInt64() < runs {
				t.Fatalf("a change is lost: %s", doc)
			}
		}
	}
}

// TestTroubleInTheMiddleOfChanges lets commands fail for more times than the
// driver tries again: what is stored then is told all the same.
func TestTroubleInTheMiddleOfChanges(t *testing.T) {
	for _, mode := range []importer.Mode{importer.Upsert, importer.Merge} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			g := newTarget(t, fromText(modal))
			g.mode = mode
			var before, after strings.Builder
			for id := range 1500 {
				fmt.Fprintf(&before, "{\"id\":%d,\"n\":1}", id)
				fmt.Fprintf(&after, "{\"id\":%d,\"n\":2}", id)
			}
			g.expect(before.String(), 1500, 0, 0)
			g.failCommands(5, "insert", "find", "update")
			counts, err := g.run(t.Context(), strings.NewReader(after.String()))
			if err != nil || counts.Changed != 1500 {
				t.Errorf("counts %+v (%v)", counts, err)
			}
			g.expect(after.String(), 0, 1500, 0)
		})
	}
}

// TestExportedDocumentsAreKept holds that what comes with all that the service
// keeps is stored as it was: no defaults, and the fields in their order.
func TestExportedDocumentsAreKept(t *testing.T) {
	g := newTarget(t, fromText(modal))
	g.mode = importer.Upsert
	const system = `"createdAt":"2020-01-01T00:00:00.000Z","updatedAt":"2021-01-01T00:00:00.000Z"`
	for _, text := range []string{
		`{"id":1,"n":1,"version":7,` + system + `}`,
		`{"id":1,"version":9,"n":2,` + system + `,"kind":"odd"}`,
		`{"id":1,"n":2,` + system + `,"version":3,"nested":{"a":1}}`,
	} {
		g.mode = importer.Upsert
		g.run(t.Context(), strings.NewReader(text)) //nolint:errcheck // seen from what is stored
		if got := string(bsonjson.AppendDocument(nil, g.documents()[0])); got != text {
			t.Errorf("stored  %s\nwant    %s", got, text)
		}
		g.expect(text, 0, 1, 0)
		g.mode = importer.Create
		g.expect(text, 0, 1, 0)
	}
}
