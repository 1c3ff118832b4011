package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/schema/schematest"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// TestWhatValidatorsAdmit makes pairs of schemas, of which one is often a change
// of the other, and documents for both; MongoDB judges them by the validators
// and by what is made of these.
func TestWhatValidatorsAdmit(t *testing.T) {
	uri, name := testkit.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	pairs, implied := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPair(t)
		if pairs++; admitsAll(p.new, p.old) {
			implied++
		}
		p.hold(t, client.Database(name))
	})
	if implied*20 < pairs || implied == pairs {
		t.Errorf("of %d pairs %d are ones of which the new validator admits all that the old does: the test shows little", pairs, implied)
	}
}

// pair are the validators of two schemas, and documents.
type pair struct {
	old, new  bson.Raw
	documents []bson.Raw
}

func drawPair(t *rapid.T) pair {
	before := schematest.Fields(t, 2)
	after := changed(t, before)
	open := rapid.Bool().Draw(t, "open")
	p := pair{old: validatorOf(t, before, open), new: validatorOf(t, after, open || rapid.IntRange(0, 4).Draw(t, "opened") == 0)}
	for range 6 {
		p.documents = append(p.documents, drawDocument(t, rapid.SampledFrom([]map[string]any{before, after}).Draw(t, "schema")))
	}
	return p
}

// changed returns a changed copy of the fields of an object: looser or tighter,
// or both.
func changed(t *rapid.T, fields map[string]any) map[string]any {
	fields = maps.Clone(fields)
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		names := slices.Sorted(maps.Keys(fields))
		if len(names) == 0 {
			break
		}
		name := rapid.SampledFrom(names).Draw(t, "changed")
		field := maps.Clone(fields[name].(map[string]any))
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			delete(fields, name)
			continue
		case 1:
			for added, value := range schematest.Fields(t, 1) {
				fields[added] = value
			}
			continue
		case 2:
			field["required"] = field["required"] != true
		case 3:
			for _, rule := range []string{"enum", "min", "max_length", "min_items", "pattern", "unique_items"} {
				delete(field, rule)
			}
		case 4:
			if field["type"] != "any" {
				field["nullable"] = field["nullable"] != true
			}
		case 5:
			if inner, ok := field["fields"].(map[string]any); ok {
				field["fields"] = changed(t, inner)
			}
		}
		fields[name] = field
	}
	if len(fields) == 0 {
		return schematest.Fields(t, 1)
	}
	return fields
}

func collectionOf(t *rapid.T, fields map[string]any, open bool) *schema.Collection {
	file := map[string]any{"collection": "c", "id": "int", "fields": fields}
	if open {
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
	return model.Collections[0]
}

func validatorOf(t *rapid.T, fields map[string]any, open bool) bson.Raw {
	return encoded(collectionOf(t, fields, open).Validator())
}

func drawDocument(t *rapid.T, fields map[string]any) bson.Raw {
	body := schematest.Object(t, fields)
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var faults fault.List
	decoded, err := bsonjson.Decode(text, collectionOf(t, fields, true).Fields, bsonjson.Options{}, &faults)
	if err != nil {
		t.Fatal(err)
	}
	now := bson.DateTime(1_700_000_000_000)
	doc := append(bson.D{{Key: "_id", Value: int64(1)}}, decode(decoded.Body)...)
	doc = append(doc, bson.E{Key: "version", Value: int64(1)}, bson.E{Key: "createdAt", Value: now}, bson.E{Key: "updatedAt", Value: now})
	whole := encoded(doc)
	if rapid.Bool().Draw(t, "mutate") {
		whole = schematest.Mutate(t, whole)
	}
	return whole
}

// hold asks MongoDB about every document.
func (p pair) hold(t *rapid.T, db *mongo.Database) {
	either, kept := eitherOf(p.new, p.old), keeping(p.new, p.old)
	admitted := askMongo(t, db, p.documents, []bson.Raw{p.old, p.new, either, kept})
	if !admitsAll(either, p.old) || !admitsAll(either, p.new) || !admitsAll(kept, p.new) {
		t.Errorf("what is made of two validators is not seen to admit what they do\n%s\n%s\n%s\n%s", p.old, p.new, either, kept)
	}
	for i, doc := range p.documents {
		old, new := admitted[i][0], admitted[i][1]
		switch {
		case admitsAll(p.new, p.old) && old && !new:
			t.Errorf("the new validator was said to admit what the old does, and refuses %s\nold %s\nnew %s", doc, p.old, p.new)
		case (old || new) && !admitted[i][2]:
			t.Errorf("%s is admitted by one, and not by either\nold %s\nnew %s\neither %s", doc, p.old, p.new, either)
		case new && !admitted[i][3]:
			t.Errorf("%s is admitted by the new validator, and not with the fields that are gone\nold %s\nnew %s\nkept %s", doc, p.old, p.new, kept)
		}
		if found := broken(p.new, doc); (len(found) == 0) != new {
			t.Errorf("%s: MongoDB admits it: %v; found: %v\n%s", doc, new, found, p.new)
		}
	}
}

// askMongo returns for every document which of the validators admit it.
func askMongo(t *rapid.T, db *mongo.Database, documents, validators []bson.Raw) [][]bool {
	rows, facets := bson.A{}, bson.D{}
	for i, doc := range documents {
		rows = append(rows, bson.D{{Key: "n", Value: i}, {Key: "doc", Value: bson.D{{Key: "$literal", Value: doc}}}})
		for k, validator := range validators {
			if validator == nil {
				validator = encoded(bson.D{})
			}
			facets = append(facets, bson.E{Key: fmt.Sprintf("n%d_%d", i, k), Value: bson.A{
				bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: i}}}},
				bson.D{{Key: "$replaceWith", Value: "$doc"}},
				bson.D{{Key: "$match", Value: validator}},
			}})
		}
	}
	cursor, err := db.Aggregate(context.Background(), bson.A{bson.D{{Key: "$documents", Value: rows}}, bson.D{{Key: "$facet", Value: facets}}})
	if err != nil {
		t.Fatal(err)
	}
	var answers []map[string]bson.A
	if err := cursor.All(context.Background(), &answers); err != nil {
		t.Fatal(err)
	}
	admitted := make([][]bool, len(documents))
	for i := range documents {
		for k := range validators {
			admitted[i] = append(admitted[i], len(answers[0][fmt.Sprintf("n%d_%d", i, k)]) == 1)
		}
	}
	return admitted
}
