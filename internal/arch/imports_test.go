// Package arch holds the direction of imports. It has tests alone.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sheafdb/sheaf/"

// allowed lists what each package may import of this module. What is not listed
// may import nothing of it: a new package is a decision to write down here.
var allowed = map[string][]string{
	"internal/fault":               {},
	"internal/nearest":             {},
	"internal/geojson":             {},
	"internal/pattern":             {},
	"internal/bsonjson":            {"internal/fault", "internal/nearest"},
	"internal/filter":              {"internal/fault", "internal/nearest", "internal/geojson", "internal/pattern", "internal/bsonjson"},
	"internal/schema":              {"internal/fault", "internal/nearest", "internal/geojson", "internal/pattern", "internal/bsonjson", "internal/filter"},
	"internal/schema/schematest":   {},
	"internal/query":               {"internal/fault", "internal/auth", "internal/nearest", "internal/bsonjson", "internal/filter", "internal/schema"},
	"internal/update":              {"internal/fault", "internal/nearest", "internal/bsonjson", "internal/filter", "internal/schema"},
	"internal/openapi":             {"internal/fault", "internal/bsonjson", "internal/schema"},
	"internal/openapi/openapitest": {"internal/fault"},
	"internal/reference":           {"internal/fault"},
	"internal/observe":             {"internal/fault"},
	"internal/auth":                {"internal/fault"},
	"internal/metrics":             {"internal/fault", "internal/observe"},
	"internal/trace":               {"internal/fault", "internal/observe"},
	"internal/coalesce":            {},
	"internal/store":               {"internal/fault", "internal/auth", "internal/coalesce", "internal/bsonjson", "internal/schema", "internal/observe"},
	"internal/engine":              {"internal/fault", "internal/auth", "internal/nearest", "internal/coalesce", "internal/observe", "internal/bsonjson", "internal/filter", "internal/schema", "internal/query", "internal/store", "internal/update", "internal/importer"},
	"internal/api":                 {"internal/fault", "internal/auth", "internal/limit", "internal/nearest", "internal/bsonjson", "internal/schema", "internal/query", "internal/engine", "internal/openapi", "internal/reference", "internal/observe", "internal/importer"},
	"internal/migrate":             {"internal/fault", "internal/nearest", "internal/bsonjson", "internal/filter", "internal/schema", "internal/store"},
	"internal/seed":                {"internal/fault", "internal/nearest", "internal/bsonjson", "internal/schema", "internal/engine", "internal/store"},
	"internal/introspect":          {"internal/fault", "internal/nearest", "internal/geojson", "internal/bsonjson", "internal/schema", "internal/store"},
	"internal/importer":            {"internal/fault", "internal/bsonjson", "internal/schema", "internal/observe", "internal/store"},
	"internal/config":              {"internal/nearest", "internal/limit"},
	"internal/limit":               {},
	"internal/keepalive":           {},
	"internal/folder":              {},
	"internal/live":                {"internal/fault", "internal/schema", "internal/engine"},
	"internal/mongod":              {},
	"internal/testkit":             {"internal/mongod", "internal/store", "internal/openapi/openapitest"},
	"internal/bench":               {},
	"internal/supply":              {},
	"internal/bench/handwritten":   {},
	"cmd/sheaf": {
		"internal/api", "internal/auth", "internal/bench", "internal/bsonjson", "internal/config",
		"internal/engine", "internal/fault", "internal/folder", "internal/importer", "internal/introspect", "internal/keepalive", "internal/limit",
		"internal/live", "internal/metrics", "internal/migrate", "internal/mongod",
		"internal/observe", "internal/query", "internal/schema", "internal/seed", "internal/store", "internal/trace",
	},
}

// keepers lists what only some packages may use: the reason is in
// docs/architecture.md.
var keepers = map[string][]string{
	"go.mongodb.org/mongo-driver/v2/mongo":         {"internal/store", "internal/bench/handwritten"},
	"go.mongodb.org/mongo-driver/v2/mongo/options": {"internal/store", "internal/bench/handwritten"},
	"github.com/labstack/echo/v4":                  {"internal/api/echo.go", "internal/bench/handwritten"},
	"os/exec":                                      {"internal/mongod", "internal/bench", "internal/supply"},
}

func TestImportsPointOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != root && entry.Name() != ".." {
			return orSkip(err)
		}
		if !entry.IsDir() && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			check(t, root, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func orSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

func check(t *testing.T, root, file string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(root, file)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.ToSlash(name)
	from := path.Dir(name)
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if own, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed[from], own) {
			t.Errorf("%s imports %s, which %s may not: lower layers know nothing of higher ones", name, own, from)
		}
		if users, kept := keepers[imported]; kept && !slices.Contains(users, from) && !slices.Contains(users, name) {
			t.Errorf("%s imports %s, which only %s may: everything else stays free of it", name, imported, strings.Join(users, " and "))
		}
	}
}
