package schema

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mustLoad compiles schema files, the text of each being its whole content.
func mustLoad(t testing.TB, texts ...string) *Model {
	t.Helper()
	model, err := Load(folder(texts...))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return model
}

func folder(texts ...string) fs.FS {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("%02d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// golden compares got with the file that closes an archive.
func golden(t *testing.T, path, section, got string) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for i, file := range archive.Files {
		if file.Name == section {
			at = i
		}
	}
	if *update {
		if at < 0 {
			archive.Files = append(archive.Files, txtar.File{Name: section})
			at = len(archive.Files) - 1
		}
		archive.Files[at].Data = []byte(got)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if at < 0 {
		t.Fatalf("%s has no section %s; run with -update", path, section)
	}
	if diff := cmp.Diff(string(archive.Files[at].Data), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", section, diff)
	}
}

func archiveFS(t *testing.T, path string) fs.FS {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, file := range archive.Files {
		files[file.Name] = &fstest.MapFile{Data: file.Data}
	}
	return files
}

func TestFaultyFilesAreRefusedWithEveryProblem(t *testing.T) {
	paths, err := filepath.Glob("testdata/faulty/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			model, err := Load(archiveFS(t, path))
			problems, ok := errors.AsType[*Problems](err)
			if !ok || model != nil {
				t.Fatalf("Load = %v, %v; want problems", model, err)
			}
			golden(t, path, "problems", problems.Error()+"\n")
		})
	}
}

func TestCompiledModelIsShown(t *testing.T) {
	paths, err := filepath.Glob("testdata/show/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			model, err := Load(archiveFS(t, path))
			if err != nil {
				t.Fatal(err)
			}
			var shown strings.Builder
			if err := model.Show(&shown, ""); err != nil {
				t.Fatal(err)
			}
			golden(t, path, "shown", shown.String())
		})
	}
}

func TestPublishedSchemas(t *testing.T) {
	const path = "testdata/show/all.txtar"
	model, err := Load(archiveFS(t, path))
	if err != nil {
		t.Fatal(err)
	}
	for variant, section := range []string{Create: "create", Replace: "replace", Patch: "patch", Stored: "stored"} {
		text, err := json.MarshalIndent(model.Collections[0].JSONSchema(Variant(variant)), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, path, section, string(text)+"\n")
	}
}

func TestShowWritesOneCollection(t *testing.T) {
	model := mustLoad(t, "collection: a\nfields: {x: {type: int}}", "collection: b\nfields: {y: {type: int}}")
	var shown strings.Builder
	if err := model.Show(&shown, "b"); err != nil {
		t.Fatal(err)
	}
	if text := shown.String(); !strings.HasPrefix(text, "collection b\n") || strings.Contains(text, "collection a") {
		t.Errorf("Show wrote:\n%s", text)
	}
}

func TestLoadLimits(t *testing.T) {
	valid := "collection: a\nfields: {x: {type: int}}\n"
	tests := []struct {
		name, file, content, want string
	}{
		{"too large", "a.yaml", valid + strings.Repeat("#", maxFileBytes), "over the limit of 256 KiB"},
		{"not UTF-8", "a.yaml", "collection: \xff", "not UTF-8"},
		{"flow nesting", "a.yaml", strings.Repeat("[", 100_000), "more than 250 levels"},
		{"list nesting", "a.yaml", strings.Repeat("- ", 100_000), "more than 250 levels"},
		{"key nesting", "a.yaml", strings.Repeat("? ", 100_000), "more than 250 levels"},
		{"block nesting", "a.yaml", blockNesting(300), "more than 250 levels"},
		{"field nesting", "a.yaml", "collection: a\nfields: {" + strings.Repeat("a: {type: object, fields: {", 100) +
			"a: {type: int}" + strings.Repeat("}}", 100) + "}", "100 levels deep"},
		{"many indexes", "a.yaml", manyIndexes(64), "64 indexes, and MongoDB holds 63"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{test.file: {Data: []byte(test.content)}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Load: %.300v; want %q", err, test.want)
			}
		})
	}
}

func blockNesting(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func manyIndexes(n int) string {
	text := "collection: a\nfields: {x: {type: int}}\nindexes:\n"
	for i := range n {
		text += fmt.Sprintf("  - {keys: [x], where: {x: %d}}\n", i)
	}
	return text
}

func TestLoadReportsAFolderThatCannotBeRead(t *testing.T) {
	_, err := Load(os.DirFS(filepath.Join(t.TempDir(), "missing")))
	if err == nil || !strings.Contains(err.Error(), "the schema folder cannot be read: no such file") {
		t.Errorf("Load: %v", err)
	}
}

func TestJSONFilesAreSchemaFiles(t *testing.T) {
	model, err := Load(fstest.MapFS{"a.json": {Data: []byte(`{
		"collection": "notes",
		"fields": {"text": {"type": "string", "required": true, "pattern": "^\\S+ \u00e9\/\ud83d\ude00$"}, "at": {"type": "date", "default": "now"}}
	}`)}})
	if err != nil {
		t.Fatal(err)
	}
	notes, ok := model.Lookup("notes")
	if !ok {
		t.Fatal("no collection notes")
	}
	faults := check(t, notes, `{"text": "a é/😀"}`)
	if len(faults) > 0 {
		t.Errorf("faults: %v", faults)
	}
}

func TestFilesFromOtherSystemsAreRead(t *testing.T) {
	for name, src := range map[string]string{
		"byte order mark": "\ufeffcollection: a\nfields:\n  x: {type: int}\n",
		"CRLF":            "collection: a\r\nfields:\r\n  x: {type: int}\r\n",
		"no last newline": "collection: a\nfields:\n  x: {type: int}",
	} {
		model, err := Load(fstest.MapFS{"A.YAML": {Data: []byte(src)}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := model.Lookup("a"); !ok {
			t.Errorf("%s: no collection", name)
		}
	}
}

func TestHashStandsForTheMeaning(t *testing.T) {
	const text = "collection: a\nfields:\n  x: {type: int, min: 1}\n  y: {type: string}\nindexes: [{keys: [x]}]\n"
	hash := mustLoad(t, text).Hash
	same := []string{
		"# a comment\n" + text,
		"indexes:\n- keys:\n  - x\nfields:\n  x:\n    min: 0x1\n    type: int\n  y:\n    type: \"string\"\ncollection: a\nid: objectId\n",
	}
	for _, other := range same {
		if got := mustLoad(t, other).Hash; got != hash {
			t.Errorf("the hash changed with the layout:\n%s", other)
		}
	}
	different := map[string]string{
		"limit": strings.Replace(text, "min: 1", "min: 2", 1),
		"trim":  strings.Replace(text, "{type: string}", "{type: string, trim: true}", 1),
		"check": strings.Replace(text, "{type: string}", "{type: string, check: email}", 1),
		"index": strings.Replace(text, "keys: [x]", "keys: [-x]", 1),
		"id":    text + "id: uuid\n",
		"open":  text + "additional: keep\n",
		"order": "collection: a\nfields:\n  y: {type: string}\n  x: {type: int, min: 1}\nindexes: [{keys: [x]}]\n",
	}
	for name, other := range different {
		if got := mustLoad(t, other).Hash; got == hash {
			t.Errorf("the hash did not change with %s", name)
		}
	}
}

func TestModelFindsCollections(t *testing.T) {
	model := mustLoad(t, "collection: users\nfields: {x: {type: int}}", "collection: posts\nfields: {y: {type: int}}")
	if names := model.Names(); names[0] != "posts" || names[1] != "users" {
		t.Errorf("names = %v", names)
	}
	if _, ok := model.Lookup("user"); ok {
		t.Error("Lookup found a name that is not declared")
	}
	if near := model.Nearest("user"); near != "users" {
		t.Errorf("Nearest = %q", near)
	}
}

func TestParseID(t *testing.T) {
	tests := []struct{ kind, text, want string }{
		{"objectId", "0123456789abcdef01234567", ""},
		{"objectId", "1", "must be a string of 24 hexadecimal digits"},
		{"uuid", "3f0b6c1e-9d52-4a7b-8c1d-2b4e6f8a0c1e", ""},
		{"increment", "7", ""},
		{"increment", "x", "must be an int"},
		{"int", "9223372036854775808", "must be an int"},
		{"string", "a/b", ""},
	}
	for _, test := range tests {
		c := mustLoad(t, "collection: a\nid: "+test.kind+"\nfields: {x: {type: int}}").Collections[0]
		_, err := c.ParseID(test.text)
		if got := fmt.Sprint(err); test.want == "" && err != nil || test.want != "" && got != test.want {
			t.Errorf("ParseID(%s %q): %v; want %q", test.kind, test.text, err, test.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		model, err := Load(fstest.MapFS{"a.yaml": {Data: src}})
		if (model == nil) == (err == nil) {
			t.Fatalf("Load = %v, %v", model, err)
		}
		if model != nil {
			for _, c := range model.Collections {
				c.Validator()
				c.JSONSchema(Create)
				for _, a := range c.Aggregates {
					values := url.Values{}
					for _, p := range a.Parameters() {
						values.Set(p.Name, "$1")
					}
					stages, err := a.Bind(values)
					for _, stage := range stages {
						if err == nil && stage.Validate() != nil {
							t.Fatalf("%s binds to what is no BSON: %x", a.Name, []byte(stage))
						}
					}
				}
			}
		}
	})
}
