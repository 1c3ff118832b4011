package schema

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rewritten is the folder that the declarations of a model make.
func rewritten(model *Model, notes Notes) fstest.MapFS {
	files := fstest.MapFS{}
	for _, c := range model.Collections {
		files[c.Name+".yaml"] = &fstest.MapFile{Data: AppendYAML(nil, c.Declaration(), notes)}
	}
	return files
}

// holdRoundTrip loads what is written of a model, and holds that it means the
// same.
func holdRoundTrip(t testing.TB, model *Model, notes Notes) {
	t.Helper()
	files := rewritten(model, notes)
	again, err := Load(files)
	if err != nil {
		for name, file := range files {
			t.Logf("%s:\n%s", name, file.Data)
		}
		t.Fatalf("what is written does not load: %v", err)
	}
	if again.Hash == model.Hash {
		return
	}
	for i, c := range model.Collections {
		want, got := inline(c.declared()), inline(again.Collections[i].declared())
		if want != got {
			t.Errorf("%s:\n%s\n%s", c.Name, files[c.Name+".yaml"].Data, cmp.Diff(want, got))
		}
	}
}

func TestWhatIsWrittenLoadsAsTheSameModel(t *testing.T) {
	folders, err := filepath.Glob("../../examples/*/schema")
	if err != nil || len(folders) < 5 {
		t.Fatal(folders, err)
	}
	models := map[string]*Model{}
	for _, dir := range folders {
		if models[dir], err = Load(os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	archives, err := filepath.Glob("testdata/show/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range archives {
		if models[path], err = Load(archiveFS(t, path)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range yamlBlock.FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(match[1]))
	}
	models["docs"] = mustLoad(t, blocks...)
	for name, model := range models {
		t.Run(filepath.Base(filepath.Dir(name))+filepath.Base(name), func(t *testing.T) { holdRoundTrip(t, model, nil) })
	}
}

// TestAnyTextIsWrittenSoThatItIsReadBack holds names, words and notes of any
// text.
func TestAnyTextIsWrittenSoThatItIsReadBack(t *testing.T) {
	bad := regexp.MustCompile(`^$|^\$|\x00|\.`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-:#'"{}\[\],&*!|>%@ \n\t\\~?a-c01.]{1,8}`),
			rapid.SampledFrom([]string{"true", "No", "null", "~", "1e3", "0x10", ".5", "-1", "a: b", "a #b", " a", "a ", "-", "---", "...", "<<", "=", "\ufeff", "\u2028", "\U0001f600", "\r", "\r\n", "é"}))
		word, note := text.Draw(t, "word"), text.Draw(t, "note")
		name := rapid.OneOf(text).Filter(func(s string) bool {
			return !bad.MatchString(s) && systemNames[s] == 0 && s != "_id"
		}).Draw(t, "name")
		notes := Notes{"": {note}, "/fields": {note, note}}
		notes.Add("/fields/a/fields", "%s", note)
		declared := JSON{{"collection", "c"}, {"description", word}, {"fields", JSON{
			{"a", JSON{{"type", "object"}, {"fields", JSON{{name, JSON{{"type", "string"}, {"enum", []any{word}}}}}}}},
			{"b", JSON{{"type", "any"}, {"default", word}}},
		}}}
		file := AppendYAML(nil, declared, notes)
		model, err := Load(fstest.MapFS{"c.yaml": {Data: file}})
		if err != nil {
			t.Fatalf("%v in\n%s", err, file)
		}
		c := model.Collections[0]
		inner := c.rules.members[1].members[0]
		if c.Description != word || inner.name != name || inner.enum[0].StringValue() != word {
			t.Fatalf("%q became %q, %q became %q and %q in\n%s", word, c.Description, name, inner.name, inner.enum[0].StringValue(), file)
		}
		if got := c.rules.members[2].initial.Value; got.StringValue() != word {
			t.Fatalf("%q became %s in\n%s", word, got, file)
		}
	})
}
