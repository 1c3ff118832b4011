package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/schema"
)

// TestFilesAreReadAsTheyWereWritten writes the steps of all examples and reads them
// back.
func TestFilesAreReadAsTheyWereWritten(t *testing.T) {
	folders, _ := filepath.Glob("../../examples/*/schema")
	for _, folder := range folders {
		model, err := schema.Load(os.DirFS(folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, draft := range Draft(Diff(model, &Database{}), &Database{}, 1, "example") {
			holdFile(t, draft.Migration, string(draft.Text()))
		}
	}
}

func holdFile(t *testing.T, m *Migration, text string) {
	t.Helper()
	read, err := Load(fstest.MapFS{m.File: {Data: []byte(text)}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if want, got := declarationsText(m), declarationsText(read[0]); want != got || checksum(m) != read[0].Checksum {
		t.Errorf("%s is read otherwise (-want +got):\n%s", m.File, cmp.Diff(want, got))
	}
	for i, step := range read[0].Up {
		if step.Risk != m.Up[i].Risk || string(step.Validator) != string(m.Up[i].Validator) || step.Kind == CreateIndex && string(step.Index) != string(m.Up[i].Index) {
			t.Errorf("%s is read with other bytes\n%s", step.Title(), text)
		}
	}
}

func declarationsText(m *Migration) string {
	var lines []string
	for _, step := range append(append([]Step{}, m.Up...), m.Down...) {
		lines = append(lines, string(step.JSON()))
	}
	return strings.Join(lines, "\n")
}

const everyStep = `
description: All there are
up:
  - {create_collection: a, validator: {x: {$gt: {$numberDecimal: "1.50"}}}}
  - {create_collection: b}
  - {drop_collection: b, irreversible: gone}
  - {rename_collection: a, to: c}
  - {create_index: c, keys: [id, -y, {z: text}], options: {weights: {z: 3}}}
  - {create_index: c, keys: [y], name: n, unique: true, where: {y: {$exists: true}}, expire_after: 90s}
  - {drop_index: c, name: n, risk: tighten}
  - {set_validator: c, validator: none, risk: expand}
  - {update: c, filter: {y: {$in: [1, 2.0, "3"]}, at: {$lt: {$date: "2026-01-01T00:00:00Z"}}}, rename: {from: y, to: w.y}}
  - {update: c, set_default: {field: s, value: {a: [1, 2.5, "x", null, true, {$oid: "0123456789abcdef01234567"}]}}}
  - {update: c, set_default: {field: s, now: true}}
  - {update: c, convert: {field: s, to: decimal}}
  - {update: c, split: {field: s, by: ", ", into: [t, u]}}
  - {update: c, unset: t}
  - {update: c, pipeline: [{$set: {n: {$add: [$n, 1]}}}, {$unset: t}]}
  - {update: c, todo: think}
  - {shard_collection: c, keys: [{y: hashed}]}
down: []
`

func TestEveryStepIsReadAsItWasWritten(t *testing.T) {
	read, err := Load(fstest.MapFS{"0001_all.yaml": {Data: []byte(everyStep)}})
	if err != nil {
		t.Fatal(err)
	}
	m := read[0]
	if len(m.Up) != strings.Count(everyStep, "  - {") || m.OneWay || len(m.Irreversible()) != 1 {
		t.Errorf("%d steps, one way %v, irreversible %q", len(m.Up), m.OneWay, m.Irreversible())
	}
	holdFile(t, m, string(AppendFile(nil, m, "A comment.")))
	if same, _ := Load(fstest.MapFS{"0001_all.yaml": {Data: []byte("# other\n" + strings.Replace(everyStep, "All there are", "Otherwise", 1))}}); same[0].Checksum != m.Checksum {
		t.Error("a comment changes the checksum")
	}
	if other, _ := Load(fstest.MapFS{"0001_all.yaml": {Data: []byte(strings.Replace(everyStep, "$n, 1", "$n, 2", 1))}}); other[0].Checksum == m.Checksum {
		t.Error("another step has the same checksum")
	}
}

// TestFaultsOfFiles has a line of a file each, and what is said of it.
func TestFaultsOfFiles(t *testing.T) {
	for line, message := range map[string]string{
		"users":                                                  "a step must be a mapping",
		"{create_colection: a}":                                  `"create_colection" is not a kind of step; did you mean "create_collection"?`,
		"{create_index: a}":                                      `create_index needs the key "keys"`,
		"{create_index: a, keys: []}":                            "must have at least one key",
		"{create_index: a, keys: [{b: tekst}]}":                  `unknown kind of key "tekst"`,
		"{create_index: a, keys: [b], where: {b: 1}}":            "an index with where needs a name",
		"{create_index: a, keys: [b], expire_after: soon}":       "must be a duration of whole seconds",
		"{create_index: a, keys: [b], options: {unique: true}}":  "unique is not for the options",
		"{drop_index: a}":                                        `drop_index needs the key "name"`,
		"{drop_collection: _sheaf.models}":                       "is not one for migrations to change",
		"{drop_collection: a, risk: expand}":                     "drop_collection deletes, and so its risk is contract",
		"{set_validator: a}":                                     `set_validator needs the key "validator"`,
		"{set_validator: a, validator: 7}":                       "must be a mapping",
		"{set_validator: a, validator: {$where: x}}":             "$where is refused: it runs JavaScript",
		"{update: a}":                                            "update needs what it does",
		"{update: a, unset: b, todo: x}":                         "update does one thing, and not unset and todo",
		"{update: a, unset: _id}":                                "the id of a document cannot be changed",
		"{update: a, unset: b..c}":                               "is not the path of a field",
		"{update: a, unset: []}":                                 "must name at least one field",
		"{update: a, set_default: {field: b}}":                   "set_default needs value",
		"{update: a, set_default: {value: 1}}":                   `set_default needs the key "field"`,
		"{update: a, convert: {field: b, to: integer}}":          `unknown type "integer"`,
		"{update: a, pipeline: []}":                              "must have at least one stage",
		"{update: a, pipeline: [{$out: b}]}":                     "$out is refused: it writes to another collection",
		"{update: a, pipeline: [{$match: {a: 1}}]}":              `"$match" is not a stage of an update`,
		"{update: a, pipeline: [{$set: {b: {$function: {}}}}]}":  "$function is refused",
		"{update: a, filter: {$where: x}, unset: b}":             "$where is not an operator",
		"{update: a, filter: {b: {$gte: {$date: x}}}, unset: b}": "must be",
	} {
		_, err := Load(fstest.MapFS{"0001_a.yaml": {Data: []byte("up:\n  - " + line + "\n")}})
		if err == nil || !strings.Contains(err.Error(), message) || !strings.HasPrefix(err.Error(), "0001_a.yaml:2:") {
			t.Errorf("%s: %v; want %q", line, err, message)
		}
	}
	for name, message := range map[string]string{"1_a.yaml": "must be called", "0002_A.yaml": "must be called", "0001_b.yaml": "has the number of 0001_a.yaml"} {
		_, err := Load(fstest.MapFS{name: {Data: []byte("up: []\n")}, "0001_a.yaml": {Data: []byte("up: []\n")}})
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v; want %q", name, err, message)
		}
	}
}

// TestVerify has files, and what is wrong with them.
func TestVerify(t *testing.T) {
	model := modelOf(t, "collection: a\nfields: {b: {type: int}}\n")
	steps := Diff(model, &Database{})
	good := string(Draft(steps, &Database{}, 1, "a")[0].Text())
	for name, test := range map[string]struct {
		files   map[string]string
		problem string
	}{
		"good":       {map[string]string{"0001_a.yaml": good}, ""},
		"nothing":    {nil, "after all migrations the schema still asks for: create collection a"},
		"too much":   {map[string]string{"0001_a.yaml": good, "0002_b.yaml": "up: [{create_collection: c}]"}, "still asks for: drop collection c"},
		"no ground":  {map[string]string{"0001_b.yaml": "up: [{create_index: c, keys: [d]}]"}, "0001_b.yaml, step 1 of up: there is no collection c by then"},
		"unfinished": {map[string]string{"0001_a.yaml": good, "0002_b.yaml": "up: [{update: a, todo: think}]"}, "0002_b.yaml, step 1 of up is to be written by hand: think"},
	} {
		files := fstest.MapFS{}
		for file, text := range test.files {
			files[file] = &fstest.MapFile{Data: []byte(text)}
		}
		migrations, err := Load(files)
		if err != nil {
			t.Fatal(err)
		}
		v := Verify(migrations, model)
		if got := strings.Join(v.Problems, "\n"); (got == "") != (test.problem == "") || !strings.Contains(got, test.problem) {
			t.Errorf("%s: %q; want %q", name, got, test.problem)
		}
	}
}

// TestTheFirstFilesOfADatabase holds that they begin with what is there, and make
// an empty one the same.
func TestTheFirstFilesOfADatabase(t *testing.T) {
	before := modelOf(t, "collection: a\nfields: {b: {type: int}}\nindexes: [{keys: [b]}]\n")
	after := modelOf(t, "collection: a\nfields: {b: {type: int}, c: {type: string}}\nindexes: [{keys: [b]}]\n")
	s := planned(t)
	structural(t, s, Diff(before, inspected(t, s)))
	structural(t, s, []Step{{Kind: CreateCollection, Collection: "theirs"}})
	db := inspected(t, s)
	baseline, ok := Baseline(after, db, 1)
	if !ok {
		t.Fatal("there is no baseline")
	}
	migrations := []*Migration{baseline.Migration}
	structural(t, s, baseline.Up) // changes nothing
	for _, draft := range Draft(Diff(after, db), db, 2, "c") {
		migrations = append(migrations, draft.Migration)
		structural(t, s, draft.Up)
	}
	if left := Diff(after, inspected(t, s)); len(left) > 0 {
		t.Errorf("in the database there is left to do: %v", titles(left))
	}
	if v := Verify(migrations, after); len(v.Problems) > 0 {
		t.Errorf("%v", v.Problems)
	}
}
