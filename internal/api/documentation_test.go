package api_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/testkit"
)

var update = flag.Bool("update", false, "write the answers of the pages in docs anew")

// pages are run as their readers do, each on a database of its own.
var pages = map[string]struct{ file, example string }{
	"readme":     {"../../README.md", "blog"},
	"query":      {"../../docs/query.md", "guide"},
	"references": {"../../docs/references.md", "blog"},
	"history":    {"../../docs/history.md", "contracts"},
}

func TestDocumentation(t *testing.T) {
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, exampleModel(t, page.example))
			testkit.RunPage(t, page.file, testkit.PageOptions{BaseURL: s.url, Check: s.checker.Check, Update: *update})
		})
	}
}

// TestDocumentationShowsTheExamples holds the parts of schema files that a page shows
// against the files.
func TestDocumentationShowsTheExamples(t *testing.T) {
	for _, shown := range testkit.PageExcerpts(t, "../../docs/query.md", "yaml") {
		file, err := os.ReadFile("../../examples/guide/schema/" + shown.File)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(file), shown.Text) {
			t.Errorf("%s does not have\n%s", shown.File, shown.Text)
		}
	}
}
