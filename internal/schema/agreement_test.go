package schema_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"pgregory.net/rapid"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/schema/schematest"
)

// TestTheThreeRuleSetsAgree makes schemas and documents, good ones and ones
// with faults, and asks three judges about each: Sheaf's check, a JSON Schema
// validator with the published schema, and MongoDB with $jsonSchema. The
// generator leaves out what one of them cannot express: transforms, checks,
// limits of dates and decimals, the insides of GeoJSON.
func TestTheThreeRuleSetsAgree(t *testing.T) {
	db := database(t)
	rapid.Check(t, func(t *rapid.T) {
		j := newJudges(t, db)
		var trials []trial
		for range 12 {
			trials = append(trials, j.trial(t))
		}
		j.askMongo(t, trials)
	})
}

// judges hold one generated schema in the form of each judge.
type judges struct {
	declared map[string]any
	c        *schema.Collection
	create   *jsonschema.Schema
	stored   *jsonschema.Schema
	db       *mongo.Database
}

// trial is one document, and what Sheaf says of it.
type trial struct {
	doc      bson.Raw
	accepted bool
	faults   []fault.Item
}

func newJudges(t *rapid.T, db *mongo.Database) *judges {
	fields := schematest.Fields(t, 2)
	file := map[string]any{"collection": "c", "id": "int", "fields": fields}
	if rapid.Bool().Draw(t, "open") {
		file["additional"] = "keep"
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("schema: %s", text)
	model, err := schema.Load(fstest.MapFS{"c.json": {Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	j := &judges{declared: fields, c: model.Collections[0], db: db}
	j.create = compileSchema(t, j.c.JSONSchema(schema.Create))
	j.stored = compileSchema(t, j.c.JSONSchema(schema.Stored))
	return j
}

func compileSchema(t *rapid.T, published schema.JSON) *jsonschema.Schema {
	text, err := json.Marshal(published)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("c.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("c.json")
	if err != nil {
		t.Fatalf("the published schema does not compile: %v\n%s", err, text)
	}
	return compiled
}

// trial draws a document, compares Sheaf with the JSON Schemas, and returns
// what is left for MongoDB to judge.
func (j *judges) trial(t *rapid.T) trial {
	body := schematest.Object(t, j.declared)
	body["id"] = json.Number("1")
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var faults fault.List
	decoded, err := bsonjson.Decode(text, j.c.Fields, bsonjson.Options{}, &faults)
	if err != nil {
		t.Fatal(err)
	}
	decodes := len(faults.Items) == 0
	j.c.Check(decoded.Body, "", &faults)
	accepted := len(faults.Items) == 0
	if verdict := validate(t, j.create, text); (verdict == nil) != accepted {
		t.Fatalf("document %s\nSheaf: %v\nJSON Schema of Create: %v", text, faults.Items, verdict)
	}
	whole := j.whole(decoded.Body)
	if decodes {
		answer := bsonjson.AppendDocument(nil, whole)
		if verdict := validate(t, j.stored, answer); (verdict == nil) != accepted {
			t.Fatalf("document %s\nSheaf: %v\nJSON Schema of Stored: %v", answer, faults.Items, verdict)
		}
	}
	if rapid.Bool().Draw(t, "mutate") {
		whole = schematest.Mutate(t, whole)
	}
	return j.judge(whole)
}

func validate(t *rapid.T, s *jsonschema.Schema, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s.Validate(value)
}

// whole adds the system fields to a body.
func (j *judges) whole(body bson.Raw) bson.Raw {
	now := bson.NewDateTimeFromTime(time.Unix(1_700_000_000, 0))
	doc := bson.D{{Key: "_id", Value: int64(1)}}
	var rest bson.D
	if err := bson.Unmarshal(body, &rest); err != nil {
		panic(err)
	}
	doc = append(append(doc, rest...), bson.E{Key: "version", Value: int64(1)},
		bson.E{Key: "createdAt", Value: now}, bson.E{Key: "updatedAt", Value: now})
	return marshal(doc)
}

func marshal(doc bson.D) bson.Raw {
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return raw
}

func (j *judges) judge(doc bson.Raw) trial {
	var faults fault.List
	j.c.Check(doc, "", &faults)
	return trial{doc: doc, accepted: len(faults.Items) == 0, faults: faults.Items}
}

// askMongo sends all documents through {$match: {$jsonSchema: …}} at once. Their
// numbers stand beside them, so that no document has to be told by its contents.
func (j *judges) askMongo(t *rapid.T, trials []trial) {
	documents, facets := bson.A{}, bson.D{}
	for i, trial := range trials {
		documents = append(documents, bson.D{{Key: "n", Value: i}, {Key: "doc", Value: bson.D{{Key: "$literal", Value: trial.doc}}}})
		facets = append(facets, bson.E{Key: fmt.Sprint("n", i), Value: bson.A{
			bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: i}}}},
			bson.D{{Key: "$replaceWith", Value: "$doc"}},
			bson.D{{Key: "$match", Value: j.c.Validator()}},
		}})
	}
	cursor, err := j.db.Aggregate(context.Background(), bson.A{
		bson.D{{Key: "$documents", Value: documents}}, bson.D{{Key: "$facet", Value: facets}}})
	if err != nil {
		t.Fatal(err)
	}
	var answers []map[string]bson.A
	if err := cursor.All(context.Background(), &answers); err != nil {
		t.Fatal(err)
	}
	for i, trial := range trials {
		if accepted := len(answers[0][fmt.Sprint("n", i)]) == 1; accepted != trial.accepted {
			t.Fatalf("document %s\nSheaf accepts: %v %v\nMongoDB accepts: %v\n%s", trial.doc, trial.accepted, trial.faults, accepted, j.c.Validator())
		}
	}
}
