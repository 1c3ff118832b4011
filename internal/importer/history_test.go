package importer_test

import (
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/importer"
	"github.com/sheafdb/sheaf/internal/store"
)

const historic = `id: int
history: true
soft_delete: true
fields:
  n: {type: int, required: true}
  email: {type: string, unique: true}
`

// versions holds the versions in the history of a document, the newest first.
func (g *target) versions(id int64, want ...int64) []store.HistoryEntry {
	g.t.Helper()
	entries, _, err := g.store.History(g.t.Context(), g.collection.Name, bsonjson.IntValue(id), 0, 100)
	if err != nil || len(entries) != len(want) {
		g.t.Fatalf("%d has %d versions, want %d: %v", id, len(entries), len(want), err)
	}
	for i, entry := range entries {
		if entry.Version != want[i] {
			g.t.Errorf("%d has version %d in the place of %d", id, entry.Version, want[i])
		}
	}
	return entries
}

func TestImportsAreInTheHistory(t *testing.T) {
	g := newTarget(t, fromText(historic))
	text := `{"id":1,"n":1,"email":"a"}
{"id":2,"n":2,"email":"b"}
{"id":3,"n":3,"email":"a"}
{"id":4,"n":"x"}
{"id":5,"n":5,"version":3,"createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-02T00:00:00Z","deletedAt":"2026-01-02T00:00:00Z"}
`
	g.outcomes(text, importer.Imported, importer.Imported, importer.Refused, importer.Refused, importer.Imported)
	g.outcomes(text, importer.Present, importer.Present, importer.Refused, importer.Refused, importer.Present)
	g.versions(1, 1)
	g.versions(3)
	if entry := g.versions(5, 3)[0]; entry.Operation != "create" || !strings.Contains(string(bsonjson.AppendDocument(nil, entry.Document)), `"deletedAt":"2026-01-02T00:00:00.000Z"`) {
		t.Errorf("%+v", entry)
	}
	g.mode = importer.Upsert
	g.outcomes(`{"id":1,"n":9,"email":"a"}
{"id":2,"n":2,"email":"a"}
{"id":3,"n":3}
`, importer.Changed, importer.Refused, importer.Imported)
	g.versions(1, 2, 1)
	g.versions(2, 1)
	g.versions(3, 1)
}
