package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const root = "../.."

func read(t tester, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings are the names in the environment of what can be set, by the page that is
// made from them. Those of secrets have a second one, for a file.
func settings(t tester) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `--[a-z0-9-]+` \\| `([A-Z0-9_]+)` \\| (secret)?").FindAllStringSubmatch(read(t, "docs/configuration.md"), -1) {
		names[row[1]] = true
		if row[2] != "" {
			names[row[1]+"_FILE"] = true
		}
	}
	if len(names) < 20 {
		t.Fatalf("docs/configuration.md has only the settings %v", names)
	}
	return names
}

// holdSetting fails for a name of the environment that is no setting.
func holdSetting(t tester, where, name string) {
	t.Helper()
	if !settings(t)[name] {
		t.Errorf("%s: %s is not a setting of Sheaf", where, name)
	}
}

// routes are the paths of the table of routes.
var routes = sync.OnceValues(func() (map[string]bool, error) {
	paths := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, "internal", "api", "*.go"))
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if path, ok := routePath(n); ok {
				paths[path] = true
			}
			return true
		})
	}
	return paths, err
})

// routePath returns the text of `Path: "/…"`.
func routePath(n ast.Node) (string, bool) {
	pair, ok := n.(*ast.KeyValueExpr)
	if !ok {
		return "", false
	}
	key, isName := pair.Key.(*ast.Ident)
	value, isText := pair.Value.(*ast.BasicLit)
	if !isName || key.Name != "Path" || !isText || value.Kind != token.STRING {
		return "", false
	}
	path, err := strconv.Unquote(value.Value)
	return path, err == nil && strings.HasPrefix(path, "/")
}

// holdRoute fails for a path that the service does not answer.
func holdRoute(t tester, where, path string) {
	t.Helper()
	paths, err := routes()
	if err != nil {
		t.Fatal(err)
	}
	if !paths[path] {
		t.Errorf("%s: %s is no route of Sheaf", where, path)
	}
}

// holdGrace fails where a platform kills an instance before it has ended.
func holdGrace(t tester, where string, grace time.Duration, settings map[string]string) {
	t.Helper()
	const margin = 5 * time.Second
	need := margin
	for name, standard := range map[string]time.Duration{"SHEAF_DRAIN_DELAY": 5 * time.Second, "SHEAF_SHUTDOWN_TIMEOUT": 20 * time.Second} {
		if text := settings[name]; text != "" {
			value, err := time.ParseDuration(text)
			if err != nil {
				t.Errorf("%s: %s: %v", where, name, err)
			}
			standard = value
		}
		need += standard
	}
	if grace < need {
		t.Errorf("%s: killed after %v; it takes up to %v to end", where, grace, need)
	}
}
