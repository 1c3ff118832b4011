package schema

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// check decodes a document as a body of POST and checks it.
func check(t testing.TB, c *Collection, doc string) []fault.Item {
	t.Helper()
	var faults fault.List
	decoded, err := bsonjson.Decode([]byte(doc), c.Fields, bsonjson.Options{Defaults: true, Now: time.Unix(0, 0)}, &faults)
	if err != nil {
		t.Fatalf("Decode(%s): %v", doc, err)
	}
	c.Check(decoded.Body, "", &faults)
	return faults.Items
}

// everything has each rule once.
const everything = `
collection: everything
fields:
  text: {type: string, min_length: 2, max_length: 4, pattern: "^[^z]*$"}
  choice: {type: string, enum: [a, b]}
  must: {type: string, required: true, default: x}
  orNull: {type: int, nullable: true, enum: [1, 2]}
  int: {type: int, min: 0, max: 10}
  double: {type: double, min: 0.5, max: 1.5}
  decimal: {type: decimal, min: "1.10", max: 2e2}
  bool: {type: bool}
  date: {type: date, min: 2000-01-01T00:00:00Z, max: 2001-01-01T00:00:00Z}
  oid: {type: objectId}
  uuid: {type: uuid}
  bin: {type: binary}
  object: {type: object, fields: {need: {type: string, required: true}, "a/b~c": {type: int, max: 1}}}
  open: {type: object, additional: keep, fields: {n: {type: int}}}
  list: {type: array, items: {type: int, max: 5}, min_items: 1, max_items: 3}
  set: {type: array, items: {type: any}, unique_items: true}
  ints: {type: array, items: {type: int}, unique_items: true}
  geo: {type: geo}
  any: {type: any}
`

func TestCheckOfDecodedDocuments(t *testing.T) {
	c := mustLoad(t, everything).Collections[0]
	tests := []struct {
		doc  string
		want string // pointer code, comma-separated
	}{
		{`{}`, ``},
		{`{"text": "äöü€", "choice": "a", "orNull": null, "int": 10, "double": 0.5, "decimal": "1.1", "bool": false}`, ``},
		{`{"text": "a"}`, `/text min-length`},
		{`{"text": "äöü€x"}`, `/text max-length`},
		{`{"text": "z"}`, `/text min-length, /text pattern`},
		{`{"choice": "c"}`, `/choice enum`},
		{`{"choice": null}`, `/choice null`},
		{`{"must": 5}`, `/must type`},
		{`{"orNull": 3}`, `/orNull enum`},
		{`{"orNull": 1.0, "int": 1e1}`, ``},
		{`{"int": -1, "double": 1.6}`, `/int min, /double max`},
		{`{"decimal": "1.09"}`, `/decimal min`},
		{`{"decimal": "200.1"}`, `/decimal max`},
		{`{"decimal": "0.2E3"}`, ``},
		{`{"date": "1999-12-31T23:59:59.999Z"}`, `/date min`},
		{`{"date": "2001-01-01T00:00:00.001Z"}`, `/date max`},
		{`{"object": {}}`, `/object/need required`},
		{`{"object": {"need": 5}}`, `/object/need type`},
		{`{"object": {"need": "x", "a/b~c": 2, "more": 1}}`, `/object/more unknown-field, /object/a~1b~0c max`},
		{`{"open": {"n": 1, "more": {"deep": [1, {"x": null}]}}}`, ``},
		{`{"open": {"n": "x", "more": 1}}`, `/open/n type`},
		{`{"open": {"$set": 1, "a": {"$inc": 1}}}`, `/open/$set name, /open/a/$inc name`},
		{`{"list": []}`, `/list min-items`},
		{`{"list": [1, 2, 3, 4, 6]}`, `/list/4 max, /list max-items`},
		{`{"list": [1, "x", 7]}`, `/list/1 type, /list/2 max`},
		{`{"set": [1, "1", true, null, [1], {"a": 1, "b": 2}]}`, ``},
		{`{"set": [1, 2, 1.0]}`, `/set unique-items`},
		{`{"set": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}`, `/set unique-items`},
		{`{"set": [[1, 2], [2, 1], [1, 2]]}`, `/set unique-items`},
		{`{"set": [["a", "b"], ["ab"], [], {}]}`, ``},
		{`{"set": [null, null]}`, `/set unique-items`},
		{`{"ints": ["a", "b"]}`, `/ints/0 type, /ints/1 type`},
		{`{"any": {"$x": 1}}`, `/any/$x name`},
		{`{"unknown": 1}`, `/unknown unknown-field`},
		{`{"_id": 1}`, `/_id unknown-field`},
		{`{"geo": {"type": "Point", "coordinates": [10, 20]}}`, ``},
		{`{"geo": {"type": "Point", "coordinates": [10, 20, 300]}}`, ``},
		{`{"geo": {"type": "Point", "coordinates": [10, 91]}}`, `/geo/coordinates/1 geo`},
		{`{"geo": {"type": "Point", "coordinates": [-181, 0]}}`, `/geo/coordinates/0 geo`},
		{`{"geo": {"type": "Point", "coordinates": [1]}}`, `/geo/coordinates geo`},
		{`{"geo": {"type": "Point", "coordinates": ["a", 1]}}`, `/geo/coordinates/0 type`},
		{`{"geo": {"type": "Point", "coordinates": [[1, 2]]}}`, `/geo/coordinates/0 geo, /geo/coordinates geo`},
		{`{"geo": {"type": "Point"}}`, `/geo/coordinates geo`},
		{`{"geo": {"type": "Pointt", "coordinates": [1, 2]}}`, `/geo/type geo`},
		{`{"geo": {"coordinates": [1, 2]}}`, `/geo/type geo`},
		{`{"geo": {"type": "LineString", "coordinates": [[1, 2]]}}`, `/geo/coordinates geo`},
		{`{"geo": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}}`, ``},
		{`{"geo": {"type": "LineString", "coordinates": [1, 2]}}`, `/geo/coordinates/0 geo, /geo/coordinates/1 geo`},
		{`{"geo": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}`, ``},
		{`{"geo": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}}`, `/geo/coordinates/0 geo`},
		{`{"geo": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}}`, `/geo/coordinates/0 geo`},
		{`{"geo": {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]}}`, ``},
		{`{"geo": {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]}}`, ``},
		{`{"geo": {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 200]}]}}`, `/geo/geometries/0/coordinates/1 geo`},
		{`{"geo": {"type": "GeometryCollection"}}`, `/geo/geometries geo`},
	}
	for _, test := range tests {
		if got := codes(check(t, c, test.doc)); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.doc, got, test.want)
		}
	}
}

func codes(items []fault.Item) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.Pointer + " " + item.Code
	}
	return strings.Join(texts, ", ")
}

// TestCheckOfStoredValues has values that no JSON body makes, and that an
// update or another program may.
func TestCheckOfStoredValues(t *testing.T) {
	c := mustLoad(t, everything).Collections[0]
	infinite, err := bson.ParseDecimal128("Infinity")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		doc  bson.D
		want string
	}{
		{bson.D{{Key: "must", Value: "x"}, {Key: "_id", Value: bson.NewObjectID()}, {Key: "version", Value: int64(1)}, {Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}}, ``},
		{bson.D{{Key: "must", Value: "x"}, {Key: "_id", Value: "text"}, {Key: "version", Value: "1"}, {Key: "createdAt", Value: nil}}, `/_id type, /version type, /createdAt null`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "id", Value: 1}}, `/id unknown-field`},
		{bson.D{}, `/must required`},
		{bson.D{{Key: "must", Value: nil}}, `/must null`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "int", Value: int32(11)}}, `/int max`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "int", Value: 1.0}}, `/int type`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "double", Value: int64(1)}}, ``},
		{bson.D{{Key: "must", Value: "x"}, {Key: "double", Value: int32(1)}}, ``},
		{bson.D{{Key: "must", Value: "x"}, {Key: "double", Value: bson.Decimal128{}}}, `/double type`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "double", Value: math.NaN()}}, `/double range`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "double", Value: math.Inf(1)}}, `/double range`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "decimal", Value: infinite}}, `/decimal range`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "bool", Value: 1}, {Key: "date", Value: "2000"}, {Key: "oid", Value: "x"}, {Key: "list", Value: bson.D{}}, {Key: "object", Value: bson.A{}}},
			`/bool type, /date type, /oid type, /list type, /object type`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "uuid", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}, {Key: "bin", Value: bson.Binary{Data: []byte{1}}}}, ``},
		{bson.D{{Key: "must", Value: "x"}, {Key: "uuid", Value: bson.Binary{Subtype: 0, Data: make([]byte, 16)}}}, `/uuid type`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "uuid", Value: bson.Binary{Subtype: 4, Data: make([]byte, 15)}}}, `/uuid type`},
		{bson.D{{Key: "must", Value: "x"}, {Key: "any", Value: nested(98)}}, ``},
		{bson.D{{Key: "must", Value: "x"}, {Key: "any", Value: nested(150)}}, strings.Repeat("/any", 1) + strings.Repeat("/x", 100) + ` depth`},
	}
	for _, test := range tests {
		raw, err := bson.Marshal(test.doc)
		if err != nil {
			t.Fatal(err)
		}
		var faults fault.List
		c.Check(raw, "", &faults)
		if got := codes(faults.Items); got != test.want {
			t.Errorf("%v:\n got %s\nwant %s", test.doc, got, test.want)
		}
	}
}

func nested(levels int) any {
	var value any = "x"
	for range levels {
		value = bson.D{{Key: "x", Value: value}}
	}
	return value
}

func TestCheckPutsThePrefixBeforeEveryPointer(t *testing.T) {
	c := mustLoad(t, everything).Collections[0]
	var faults fault.List
	c.Check(bson.Raw{5, 0, 0, 0, 0}, "/3", &faults)
	if got := codes(faults.Items); got != "/3/must required" {
		t.Errorf("got %s", got)
	}
}

func TestCheckOfBrokenDocumentsEnds(t *testing.T) {
	c := mustLoad(t, everything).Collections[0]
	whole, err := bson.Marshal(bson.D{{Key: "must", Value: "x"}, {Key: "list", Value: bson.A{int64(1)}}, {Key: "object", Value: bson.D{{Key: "need", Value: "x"}}}, {Key: "any", Value: bson.D{{Key: "x", Value: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		var faults fault.List
		c.Check(whole[:cut], "", &faults)
	}
}

func TestFieldsWithManyMembers(t *testing.T) {
	text := "collection: wide\nfields:\n"
	doc := "{"
	for i := range 300 {
		text += fmt.Sprintf("  f%d: {type: int, required: true}\n", i)
		if i != 200 {
			doc += fmt.Sprintf(`"f%d": 1,`, i)
		}
	}
	c := mustLoad(t, text).Collections[0]
	if got := codes(check(t, c, doc[:len(doc)-1]+"}")); got != "/f200 required" {
		t.Errorf("got %s", got)
	}
}

func TestCheckOfAGoodDocumentDoesNotAllocate(t *testing.T) {
	c := mustLoad(t, benchmarkSchema).Collections[0]
	doc := benchmarkDocument(t, c)
	var faults fault.List
	if n := testing.AllocsPerRun(100, func() { c.Check(doc, "", &faults) }); n > 0 || len(faults.Items) > 0 {
		t.Errorf("%v allocations, faults %v", n, faults.Items)
	}
}

const benchmarkSchema = `
collection: people
fields:
  name: {type: string, required: true, min_length: 1, max_length: 100}
  email: {type: string, required: true, pattern: "^[^@]+@[^@]+$"}
  age: {type: int, min: 0, max: 150}
  status: {type: string, enum: [active, closed]}
  score: {type: double, min: 0}
  address: {type: object, fields: {city: {type: string}, zip: {type: string, max_length: 10}}}
  tags: {type: array, items: {type: string, max_length: 20}, max_items: 10}
  place: {type: geo}
  meta: {type: any}
`

func benchmarkDocument(t testing.TB, c *Collection) bson.Raw {
	t.Helper()
	var faults fault.List
	decoded, err := bsonjson.Decode([]byte(`{"name":"Ada Lovelace","email":"ada@example.com","age":36,"status":"active","score":9.5,
		"address":{"city":"London","zip":"W1"},"tags":["math","engines","poetry"],
		"place":{"type":"Point","coordinates":[0.1,51.5]},"meta":{"source":"import","ids":[1,2,3]}}`),
		c.Fields, bsonjson.Options{}, &faults)
	if err != nil || len(faults.Items) > 0 {
		t.Fatal(err, faults.Items)
	}
	return decoded.Body
}

func BenchmarkCheck(b *testing.B) {
	c := mustLoad(b, benchmarkSchema).Collections[0]
	doc := benchmarkDocument(b, c)
	b.ReportAllocs()
	for b.Loop() {
		var faults fault.List
		c.Check(doc, "", &faults)
	}
}

// TestOpenCollectionsDoNotTakeTheStoredNameOfTheID: it would stand beside the
// id that the service writes.
func TestOpenCollectionsDoNotTakeTheStoredNameOfTheID(t *testing.T) {
	c := mustLoad(t, "collection: a\nid: int\nadditional: keep\nfields: {x: {type: int}}").Collections[0]
	if got := codes(check(t, c, `{"id": 6, "more": 1, "_id": 5}`)); got != "/_id unknown-field" {
		t.Errorf("got %s", got)
	}
	if c.JSONSchema(Create).Get("properties").(JSON).Get("_id") == nil {
		t.Error("the published schema takes _id")
	}
}
