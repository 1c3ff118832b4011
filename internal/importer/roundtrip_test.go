package importer_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/importer"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// TestExportsAreImportedAsTheyWere generates schemas and stored documents of all
// types, and holds that what an export gives of them is stored by an import into an
// empty database byte for byte. Extended JSON has that of any value; NDJSON of all
// but those of fields of type any that no JSON of its own.
func TestExportsAreImportedAsTheyWere(t *testing.T) {
	for name, form := range map[string]struct {
		encode func([]byte, bson.Raw) []byte
		any    func(*generator, int) any
	}{"ndjson": {bsonjson.AppendDocument, (*generator).jsonValue}, "ejson": {bsonjson.AppendExtended, (*generator).anyValue}} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), any: form.any}
				text := g.schema()
				folder := fstest.MapFS{"things.yaml": {Data: []byte("collection: things\n" + text)}}
				from, to := newTarget(t, folder), newTargetIn(t, folder)
				var docs []bson.Raw
				for i := range 60 {
					docs = append(docs, g.document(i))
				}
				if failures, err := from.store.InsertMany(t.Context(), "things", docs); err != nil || len(failures) > 0 {
					t.Fatalf("%v %v in\n%s", failures, err, text)
				}
				exported := from.export(form.encode)
				to.mode = importer.Mode(seed % 2)
				to.expect(exported, int64(len(docs)), 0, 0)
				before, after := from.documents(), to.documents()
				for i := range before {
					if !bytes.Equal(before[i], after[i]) {
						t.Fatalf("stored  %s\nwas     %s\nin\n%s", after[i], before[i], text)
					}
				}
				to.expect(exported, 0, int64(len(docs)), 0)
			})
		}
	}
}

// export returns what an export gives, by a model of the one collection.
func (g *target) export(encode func([]byte, bson.Raw) []byte) string {
	g.t.Helper()
	plan, err := query.ParseExport(nil, query.Limits{MaxLimit: 1}).Plan(g.collection)
	if err != nil {
		g.t.Fatal(err)
	}
	var text []byte
	err = engine.New(g.store, &schema.Model{Collections: []*schema.Collection{g.collection}}).Export(g.t.Context(), &engine.Export{Plan: plan}, func(docs []bson.Raw) error {
		for _, doc := range docs {
			text = append(encode(text, doc), '\n')
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// generator makes a schema and documents that it admits.
type generator struct {
	*rand.Rand
	any    func(*generator, int) any
	id     string
	fields map[string]any // name -> type, or a map for an object, or an array of the type of its items
}

var fieldTypes = []any{"string", "int", "double", "decimal", "bool", "date", "objectId", "uuid", "binary", "any"}

func (g *generator) schema() string {
	g.id = []string{"objectId", "uuid", "increment", "string", "int"}[g.IntN(5)]
	g.fields = g.drawFields(2)
	text := "id: " + g.id + "\nadditional: keep\nfields:\n"
	return text + declare(g.fields, "  ")
}

func (g *generator) drawFields(depth int) map[string]any {
	fields := map[string]any{}
	for i := range 3 + g.IntN(8) {
		typ := fieldTypes[g.IntN(len(fieldTypes))]
		switch {
		case depth > 0 && g.IntN(4) == 0:
			typ = g.drawFields(depth - 1)
		case g.IntN(4) == 0:
			typ = []any{typ}
		}
		fields[fmt.Sprintf("f%d %c", i, 'ä'+rune(i))] = typ
	}
	return fields
}

func declare(fields map[string]any, indent string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&text, "%s%q: {type: ", indent, name)
		switch typ := fields[name].(type) {
		case string:
			text.WriteString(typ)
			if typ != "any" {
				text.WriteString(", nullable: true, " + map[bool]string{true: "default: now", false: "description: x"}[typ == "date"])
			}
		case []any:
			fmt.Fprintf(&text, "array, items: {type: %s}", typ[0])
		case map[string]any:
			text.WriteString("object, fields: {\n" + strings.ReplaceAll(declare(typ, indent+"  "), "}\n", "},\n") + indent + "}")
		}
		text.WriteString("}\n")
	}
	return text.String()
}

// document has its fields in any order, the system fields among them.
func (g *generator) document(i int) bson.Raw {
	doc := g.object(g.fields)
	if g.IntN(3) == 0 {
		doc = append(doc, bson.E{Key: "kept", Value: g.any(g, 2)})
	}
	doc = append(doc, bson.E{Key: "version", Value: 1 + g.Int64N(1<<40)}, bson.E{Key: "createdAt", Value: g.value("date")}, bson.E{Key: "updatedAt", Value: g.value("date")})
	if g.IntN(2) == 0 {
		g.Shuffle(len(doc), func(i, j int) { doc[i], doc[j] = doc[j], doc[i] })
	}
	id := map[string]any{
		"objectId": bson.NewObjectID(), "uuid": g.value("uuid"), "increment": int64(i + 1), "string": fmt.Sprintf("id %d \"ä\n", i), "int": int64(i)<<53 + 1,
	}[g.id]
	raw, err := bson.Marshal(append(bson.D{{Key: "_id", Value: id}}, doc...))
	if err != nil {
		panic(err)
	}
	return raw
}

func (g *generator) object(fields map[string]any) bson.D {
	doc := bson.D{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if g.IntN(4) == 0 {
			continue
		}
		switch typ := fields[name].(type) {
		case map[string]any:
			doc = append(doc, bson.E{Key: name, Value: g.object(typ)})
		case []any:
			list := bson.A{}
			for range g.IntN(4) {
				list = append(list, g.value(typ[0].(string)))
			}
			doc = append(doc, bson.E{Key: name, Value: list})
		case string:
			var value any
			if typ == "any" || g.IntN(6) > 0 {
				value = g.value(typ)
			}
			doc = append(doc, bson.E{Key: name, Value: value})
		}
	}
	return doc
}

func (g *generator) value(typ string) any {
	pick := func(values ...any) any { return values[g.IntN(len(values))] }
	switch typ {
	case "string":
		return pick("", "plain", "ä \"\\/\n\t\x00\u2028 \U0001f600", strings.Repeat("long ", 100))
	case "int":
		return pick(int64(0), int64(-1), int64(1)<<53+1, int64(-1)<<53-1, int64(math.MinInt64), int64(math.MaxInt64))
	case "double":
		return pick(0.0, 3.0, -2.5, 1e300, 5e-324, 0.1, float64(1<<53), -1e21, g.NormFloat64())
	case "decimal":
		text := pick("0", "1.10", "-0.5E-3", "1E+3", "12345678901234567890.1234567890", "9.999999999999999999999999999999999E+6144").(string)
		d, err := bson.ParseDecimal128(text)
		if err != nil {
			panic(err)
		}
		return d
	case "bool":
		return g.IntN(2) == 0
	case "date":
		return pick(bson.DateTime(0), bson.DateTime(-1), bson.DateTime(1_700_000_000_123), bson.DateTime(-62135596800000), bson.DateTime(253402300799999))
	case "objectId":
		return bson.NewObjectID()
	case "uuid":
		id := make([]byte, 16)
		for i := range id {
			id[i] = byte(g.IntN(256))
		}
		return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}
	case "binary":
		return pick(bson.Binary{}, bson.Binary{Data: []byte{0, 255, 10}}, bson.Binary{Data: []byte("abcd")})
	}
	return g.any(g, 2)
}

// jsonValue is one that JSON has a form of.
func (g *generator) jsonValue(depth int) any {
	switch n := g.IntN(8); {
	case n == 0 && depth > 0:
		return bson.D{{Key: "a", Value: g.any(g, depth-1)}, {Key: "b.c", Value: g.any(g, depth-1)}}
	case n == 1 && depth > 0:
		return bson.A{g.any(g, depth-1), g.any(g, depth-1)}
	case n == 2:
		return nil
	}
	return g.value([]string{"string", "int", "double", "bool"}[g.IntN(4)])
}

// anyValue is one of any type.
func (g *generator) anyValue(depth int) any {
	switch g.IntN(12) {
	case 0:
		return int32(g.IntN(1000))
	case 1:
		return bson.Regex{Pattern: "^a.*b$", Options: "i"}
	case 2:
		return bson.Timestamp{T: 5, I: 6}
	case 3:
		return bson.MinKey{}
	case 4:
		return bson.Binary{Subtype: 0x80, Data: []byte{1, 2}}
	case 5, 6:
		return g.value([]string{"decimal", "date", "objectId", "uuid", "binary"}[g.IntN(5)])
	}
	return g.jsonValue(depth)
}
