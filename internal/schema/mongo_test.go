package schema_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func database(t *testing.T) *mongo.Database {
	t.Helper()
	uri, name := testkit.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client.Database(name)
}

// install makes the collections of a model, their validators and indexes.
func install(t *testing.T, db *mongo.Database, model *schema.Model) {
	t.Helper()
	ctx := context.Background()
	for _, c := range model.Collections {
		if err := db.CreateCollection(ctx, c.Name, options.CreateCollection().SetValidator(c.Validator())); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for _, index := range c.Indexes {
			o := options.Index().SetName(index.Name)
			if index.Unique {
				o.SetUnique(true)
			}
			if index.Partial != nil {
				o.SetPartialFilterExpression(index.Partial)
			}
			if index.ExpireAfter != nil {
				o.SetExpireAfterSeconds(int32(index.ExpireAfter.Seconds()))
			}
			if _, err := db.Collection(c.Name).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: index.Keys, Options: o}); err != nil {
				t.Errorf("%s, index %s: %v", c.Name, index.Name, err)
			}
		}
	}
}

func TestMongoTakesWhatIsCompiled(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/show/all.txtar")
	if err != nil {
		t.Fatal(err)
	}
	model, err := schema.Load(fstest.MapFS{"all.yaml": {Data: archive.Files[0].Data}})
	if err != nil {
		t.Fatal(err)
	}
	db := database(t)
	install(t, db, model)
	for _, example := range []string{"blog", "bank"} {
		model, err := schema.Load(os.DirFS("../../examples/" + example + "/schema"))
		if err != nil {
			t.Fatal(err)
		}
		install(t, db, model)
	}
}

// TestUniqueFieldsWithoutValueDoNotCollide does so for every type that unique
// fits, since each has its own partial index.
func TestUniqueFieldsWithoutValueDoNotCollide(t *testing.T) {
	values := map[string]any{
		"string": "", "int": int64(-5), "double": -1.5, "bool": false, "date": bson.DateTime(-62135596800000),
		"decimal": bson.NewDecimal128(0xB040000000000000, 1), "objectId": bson.ObjectID{}, "binary": bson.Binary{},
		"uuid": bson.Binary{Subtype: 4, Data: make([]byte, 16)},
	}
	text := "collection: uniques\nid: int\nfields:\n"
	for typ := range values {
		text += fmt.Sprintf("  %s: {type: %s, unique: true}\n  %s or null: {type: %s, unique: true, nullable: true}\n", typ, typ, typ, typ)
	}
	model, err := schema.Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	db := database(t)
	install(t, db, model)
	id := int64(0)
	insert := func(name string, value any) error {
		id++
		doc := bson.D{{Key: "_id", Value: id}, {Key: "version", Value: int64(1)},
			{Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}}
		if name != "" {
			doc = append(doc, bson.E{Key: name, Value: value})
		}
		_, err := db.Collection("uniques").InsertOne(context.Background(), doc)
		return err
	}
	for range 2 {
		if err := insert("", nil); err != nil {
			t.Errorf("without any field: %v", err)
		}
	}
	for typ, value := range values {
		for range 2 {
			if err := insert(typ+" or null", nil); err != nil {
				t.Errorf("%s, null: %v", typ, err)
			}
		}
		for _, name := range []string{typ, typ + " or null"} {
			if err := insert(name, value); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := insert(name, value); !mongo.IsDuplicateKeyError(err) {
				t.Errorf("%s, the second time: %v; want a duplicate key", name, err)
			}
		}
	}
}

// TestNamesThatMongoCouldMisread compares the validator with the check for
// field names that MongoDB might take for something else.
func TestNamesThatMongoCouldMisread(t *testing.T) {
	model, err := schema.Load(fstest.MapFS{"a.yaml": {Data: []byte(`
collection: odd
id: int
fields:
  "a.b": {type: string, max_length: 2}
  ".": {type: string}
  "0": {type: string}
  "x$y": {type: string}
  "_internal": {type: string}
  "^a(": {type: string}
  inner: {type: object, fields: {"c.d": {type: int}}}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	db := database(t)
	install(t, db, model)
	documents := []bson.D{
		{}, {{Key: "a.b", Value: "xy"}}, {{Key: "a.b", Value: "xyz"}}, {{Key: "a.bc", Value: "x"}}, {{Key: "axb", Value: "x"}},
		{{Key: "a", Value: bson.D{{Key: "b", Value: "x"}}}},
		{{Key: ".", Value: "x"}}, {{Key: ".", Value: 1}}, {{Key: "0", Value: "x"}}, {{Key: "0", Value: 1}},
		{{Key: "x$y", Value: "x"}}, {{Key: "x$y", Value: 1}}, {{Key: "_internal", Value: "x"}}, {{Key: "_internal", Value: 1}},
		{{Key: "^a(", Value: "x"}}, {{Key: "^a(", Value: 1}},
		{{Key: "inner", Value: bson.D{{Key: "c.d", Value: int64(1)}}}}, {{Key: "inner", Value: bson.D{{Key: "c.d", Value: "x"}}}},
		{{Key: "", Value: 1}}, {{Key: "inner", Value: bson.D{{Key: "", Value: 1}}}},
	}
	for i, doc := range documents {
		whole := append(bson.D{{Key: "_id", Value: int64(i)}, {Key: "version", Value: int64(1)},
			{Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}}, doc...)
		raw, err := bson.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		var faults fault.List
		model.Collections[0].Check(raw, "", &faults)
		_, err = db.Collection("odd").InsertOne(context.Background(), raw)
		if err != nil && !strings.Contains(err.Error(), "failed validation") {
			t.Fatalf("%v: %v", doc, err)
		}
		if (err == nil) != (len(faults.Items) == 0) {
			t.Errorf("%v: MongoDB says %v, the check %v", doc, err, faults.Items)
		}
	}
}

// What refers to some ids is found by an index, whatever the kind of the ids
// and however the field is unique.
func TestAnIndexServesEveryReference(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	samples := map[string]bson.A{
		"objectId": {bson.NewObjectID(), bson.NewObjectID()}, "uuid": {bson.Binary{Subtype: 4, Data: make([]byte, 16)}},
		"int": {int64(1), int64(2)}, "string": {"a", "b"},
	}
	for kind := range samples {
		files[kind+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, `
collection: to_%[1]s
id: %[1]s
fields:
  plain: {type: ref, to: to_%[1]s}
  one: {type: ref, to: to_%[1]s, unique: true}
  null: {type: ref, to: to_%[1]s, unique: true, nullable: true}
  many: {type: array, items: {type: ref, to: to_%[1]s}}
  deep: {type: array, items: {type: object, fields: {ref: {type: ref, to: to_%[1]s}}}}
indexes:
  - {keys: [plain], where: {plain: {$exists: true}}}
`, kind)}
	}
	model, err := schema.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	db := database(t)
	install(t, db, model)
	for kind, ids := range samples {
		for _, path := range []string{"plain", "one", "null", "many", "deep.ref"} {
			find := bson.D{{Key: "find", Value: "to_" + kind}, {Key: "filter", Value: bson.D{{Key: path, Value: bson.D{{Key: "$in", Value: ids}}}}}}
			plan, err := db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
			if err != nil {
				t.Fatal(err)
			}
			if winning := plan.Lookup("queryPlanner", "winningPlan").String(); !strings.Contains(winning, "IXSCAN") {
				t.Errorf("%s of %s: %s", path, kind, winning)
			}
		}
	}
}
