package migrate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
)

func numbered(id int64, fields ...bson.E) bson.D {
	return append(bson.D{{Key: "_id", Value: id}}, fields...)
}

// parsed reads the steps of a file.
func parsed(t *testing.T, text string) []Step {
	t.Helper()
	migrations, err := Load(fstest.MapFS{"0001_test.yaml": {Data: []byte("up:\n" + text)}})
	if err != nil {
		t.Fatal(err)
	}
	return migrations[0].Up
}

func findingTexts(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		line := fmt.Sprintf("%d %s %d %s%s", f.Step, f.Collection, f.Count, f.Problem, f.Unknown)
		for _, offender := range f.First {
			line += "; " + offender.Text()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestWhatIsInTheWay has documents, steps, and what is found against these.
func TestWhatIsInTheWay(t *testing.T) {
	const asks = `  - {set_validator: c, validator: {$jsonSchema: {required: [a], properties: {a: {bsonType: [int, long], minimum: 1}}}}}` + "\n"
	s := planned(t)
	for name, test := range map[string]struct {
		documents []bson.D
		steps     string
		found     string
	}{
		"nothing": {[]bson.D{numbered(1, bson.E{Key: "a", Value: 1})}, asks, ""},
		"rules": {[]bson.D{numbered(1), numbered(2, bson.E{Key: "a", Value: "x"}), numbered(3, bson.E{Key: "a", Value: 0}), numbered(4, bson.E{Key: "a", Value: 4})}, asks,
			`0 c 3 break the validator; id 1: /a is required; id 2: /a must be of type int or long, not string; id 3: /a must be at least 1`},
		"what a default mends": {[]bson.D{numbered(1), numbered(2, bson.E{Key: "a", Value: 0})}, "  - {update: c, set_default: {field: a, value: 1}}\n" + asks,
			`1 c 1 breaks the validator; id 2: /a must be at least 1`},
		"what a filter leaves out": {[]bson.D{numbered(1), numbered(2, bson.E{Key: "b", Value: 1})}, "  - {update: c, filter: {b: 1}, set_default: {field: a, value: 1}}\n" + asks,
			`1 c 1 breaks the validator; id 1: /a is required`},
		"what a conversion mends": {[]bson.D{numbered(1, bson.E{Key: "a", Value: "7"}), numbered(2)}, "  - {update: c, convert: {field: a, to: int}}\n" + asks,
			`1 c 1 breaks the validator; id 2: /a is required`},
		"what a rename mends":    {[]bson.D{numbered(1, bson.E{Key: "b", Value: 7})}, "  - {update: c, rename: {from: b, to: a}}\n" + asks, ""},
		"what a pipeline may do": {[]bson.D{numbered(1)}, "  - {update: c, pipeline: [{$set: {a: 1}}]}\n" + asks, `1 c 0 it depends on what earlier steps make of the documents`},
		"a collection of another name": {[]bson.D{numbered(1)}, "  - {rename_collection: c, to: d}\n" + strings.ReplaceAll(asks, "validator: c", "validator: d"),
			`1 d 1 breaks the validator; id 1: /a is required`},
		"a collection that is gone by then": {[]bson.D{numbered(1)}, "  - {drop_collection: c}\n  - {create_collection: c}\n" + asks, ""},
		"what was told already": {[]bson.D{numbered(1), numbered(2, bson.E{Key: "a", Value: 1}, bson.E{Key: "b", Value: 1})}, asks +
			"  - {set_validator: c, validator: {$jsonSchema: {required: [a], properties: {_id: {}, a: {}}, additionalProperties: false}}}\n",
			"0 c 1 breaks the validator; id 1: /a is required\n1 c 1 breaks the validator; id 2: /b is not a field of the schema; did you mean \"a\"?"},
		"a validator that is not understood": {[]bson.D{numbered(1)}, "  - {set_validator: c, validator: {a: {$gt: 1}}}\n", `0 c 1 breaks the validator; id 1: breaks the validator`},
		"a value that is shared": {[]bson.D{numbered(1, bson.E{Key: "a", Value: 1}), numbered(2, bson.E{Key: "a", Value: 1.0}), numbered(3, bson.E{Key: "a", Value: int64(1)}), numbered(4, bson.E{Key: "a", Value: 2}), numbered(5), numbered(6)},
			"  - {create_index: c, keys: [a], unique: true}\n",
			`0 c 5 share 2 values of a; id 1: /a is the same as that of id 3 and 1 more; id 5: /a is the same as that of id 6`},
		"values that a partial index leaves out": {[]bson.D{numbered(1), numbered(2)}, "  - {create_index: c, keys: [a], name: x, unique: true, where: {a: {$exists: true}}}\n", ""},
		"values that a sparse index leaves out":  {[]bson.D{numbered(1), numbered(2)}, "  - {create_index: c, keys: [a], unique: true, options: {sparse: true}}\n", ""},
		"elements": {[]bson.D{numbered(1, bson.E{Key: "a", Value: bson.A{1, 1, 2}}), numbered(2, bson.E{Key: "a", Value: bson.A{3, 2}})}, "  - {create_index: c, keys: [a], unique: true}\n",
			`0 c 2 share 1 value of a; id 1: /a is the same as that of id 2`},
		"values of two fields": {[]bson.D{numbered(1, bson.E{Key: "a", Value: bson.D{{Key: "b", Value: 1}}}, bson.E{Key: "d", Value: 1}), numbered(2, bson.E{Key: "a", Value: bson.D{{Key: "b", Value: 1}}}, bson.E{Key: "d", Value: 2}),
			numbered(3, bson.E{Key: "a", Value: bson.A{bson.D{{Key: "b", Value: 1}}}}, bson.E{Key: "d", Value: 2})}, "  - {create_index: c, keys: [a.b, -d], unique: true}\n",
			`0 c 2 share 1 value of a.b, d; id 2: /a/b is the same as that of id 3`},
	} {
		t.Run(name, func(t *testing.T) {
			structural(t, s, []Step{{Kind: DropCollection, Collection: "c"}, {Kind: DropCollection, Collection: "d"}})
			mustInsert(t, s, "c", test.documents...)
			steps := parsed(t, test.steps)
			findings, err := Find(t.Context(), s, steps)
			if err != nil {
				t.Fatal(err)
			}
			if got := findingTexts(findings); got != test.found {
				t.Errorf("found\n%s\nwant\n%s", got, test.found)
			}
			if last := steps[len(steps)-1]; last.Kind == CreateIndex { // MongoDB is the judge
				if err := last.apply(t.Context(), s); (err != nil) != (test.found != "") {
					t.Errorf("the index: %v", err)
				}
			}
		})
	}
}

// TestASearchThatTakesTooLong holds that it is told, and no failure.
func TestASearchThatTakesTooLong(t *testing.T) {
	s := planned(t)
	mustInsert(t, s, "c", numbered(1))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	findings, err := Find(ctx, s, parsed(t, "  - {create_index: c, keys: [a], unique: true}\n  - {set_validator: c, validator: {a: 1}}\n"))
	if err != nil || len(findings) != 2 || findings[0].Unknown == "" || findings[1].Unknown == "" {
		t.Errorf("%v, %v", findings, err)
	}
}

// TestTheStateOfManyCollections holds that the state is whole whatever is read
// side by side, and that what a model declared is remembered.
func TestTheStateOfManyCollections(t *testing.T) {
	const count = 20
	var files []string
	for i := range count {
		files = append(files, fmt.Sprintf("collection: c%d\nfields: {a: {type: int}, b: {type: string, unique: true}}\nindexes: [{keys: [a]}]\n", i))
	}
	model := modelOf(t, files...)
	s := planned(t)
	steps := Diff(model, inspected(t, s))
	if err := Apply(t.Context(), Options{Store: s, Who: "test"}, steps); err != nil {
		t.Fatal(err)
	}
	db := inspected(t, s)
	if left := Diff(model, db); len(db.Collections) != count || len(left) > 0 {
		t.Errorf("%d collections, and left to do: %v", len(db.Collections), titles(left))
	}
	if err := s.RecordModel(t.Context(), model); err != nil {
		t.Fatal(err)
	}
	db = inspected(t, s)
	if db.RecordedHash != model.Hash || len(db.Declared) != 3*count || !db.Declared.Has("c7", store.IndexSpec(model.Collections[0].Indexes[0])) {
		t.Errorf("recorded are %q and %d declarations", db.RecordedHash, len(db.Declared))
	}
}
