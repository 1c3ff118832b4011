package filter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// TestMatchAgreesWithMongoDB makes documents and filters, and holds that Match
// and a find select the same documents. The documents keep no schema: any value
// may stand in any field, as another program could have stored it.
func TestMatchAgreesWithMongoDB(t *testing.T) {
	const batches, documents, filters = 4, 150, 350
	collection := database(t).Collection("matched")
	for seed := range uint64(batches) {
		g := generator{rand.New(rand.NewPCG(seed, 2026))}
		docs := make([]bson.Raw, documents)
		for i := range docs {
			docs[i] = g.document(i)
		}
		if err := collection.Drop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := collection.InsertMany(context.Background(), docs); err != nil {
			t.Fatal(err)
		}
		selected := 0
		for range filters {
			selected += agree(t, collection, docs, g.filter())
		}
		t.Logf("seed %d: %d of %d pairs match", seed, selected, documents*filters)
	}
}

// agree compares both selections of a filter, and returns how many documents it
// selects.
func agree(t *testing.T, collection *mongo.Collection, docs []bson.Raw, src string) int {
	t.Helper()
	bound := mustBind(t, src)
	found := find(t, collection, bound)
	for i, doc := range docs {
		if want, got := slices.Contains(found, i), bound.Match(doc); got != want {
			t.Fatalf("Match says %v, MongoDB %v\nfilter   %s\ndocument %s", got, want, src, doc)
		}
	}
	return len(found)
}

func mustBind(t *testing.T, src string) *filter.Bound {
	t.Helper()
	var faults fault.List
	tree := filter.Parse([]byte(src), "", &faults)
	if tree == nil {
		t.Fatalf("%s: %v", src, faults.Items)
	}
	bound := tree.Bind(filter.Fields(varied), &faults)
	if bound == nil {
		t.Fatalf("%s: %v", src, faults.Items)
	}
	return bound
}

var (
	intShape = &bsonjson.Shape{Kind: bsonjson.Int, Nullable: true}
	intArray = &bsonjson.Shape{Kind: bsonjson.Array, Items: intShape}
	part     = &bsonjson.Shape{Kind: bsonjson.Object, Fields: bsonjson.NewFields([]bsonjson.Field{
		{Name: "x", Shape: intShape},
		{Name: "y", Shape: intArray},
		{Name: "w", Shape: &bsonjson.Shape{Kind: bsonjson.Object, Fields: bsonjson.NewFields([]bsonjson.Field{{Name: "x", Shape: intShape}}, false)}},
	}, false)}
	// varied are fields of the kinds that differ in how they compare.
	varied = bsonjson.NewFields([]bsonjson.Field{
		{Name: "id", Shape: &bsonjson.Shape{Kind: bsonjson.Int}, System: bsonjson.ID},
		{Name: "i", Shape: intShape},
		{Name: "f", Shape: &bsonjson.Shape{Kind: bsonjson.Double, Nullable: true}},
		{Name: "m", Shape: &bsonjson.Shape{Kind: bsonjson.Decimal, Nullable: true}},
		{Name: "s", Shape: &bsonjson.Shape{Kind: bsonjson.String, Nullable: true}},
		{Name: "t", Shape: &bsonjson.Shape{Kind: bsonjson.Bool}},
		{Name: "d", Shape: &bsonjson.Shape{Kind: bsonjson.Date}},
		{Name: "b", Shape: &bsonjson.Shape{Kind: bsonjson.Binary}},
		{Name: "o", Shape: part},
		{Name: "ai", Shape: intArray},
		{Name: "aa", Shape: &bsonjson.Shape{Kind: bsonjson.Array, Items: intArray}},
		{Name: "ao", Shape: &bsonjson.Shape{Kind: bsonjson.Array, Items: part}},
		{Name: "any", Shape: &bsonjson.Shape{Kind: bsonjson.Any}},
	}, false)
)

// generator draws documents and filters.
type generator struct{ *rand.Rand }

func pick[T any](g generator, among ...T) T { return among[g.IntN(len(among))] }

func (g generator) document(id int) bson.Raw {
	doc := bson.D{{Key: "_id", Value: id}}
	for _, name := range []string{"i", "f", "m", "s", "t", "d", "b", "o", "ai", "aa", "ao", "any"} {
		if g.IntN(4) > 0 {
			doc = append(doc, bson.E{Key: name, Value: g.stored(name)})
		}
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return raw
}

// stored draws a value that mostly is of the field's kind.
func (g generator) stored(name string) any {
	if g.IntN(4) == 0 {
		return g.anything(2)
	}
	switch name {
	case "s":
		return g.text()
	case "t":
		return g.IntN(2) == 0
	case "d":
		return g.date()
	case "b":
		return g.binary()
	case "o":
		return g.part(2)
	case "ai":
		return g.list(func() any { return g.number() })
	case "aa":
		return g.list(func() any { return g.anything(2) })
	case "ao":
		return g.list(func() any {
			if g.IntN(5) == 0 {
				return g.anything(2)
			}
			return g.part(2)
		})
	case "any":
		return g.anything(3)
	}
	return g.number()
}

func (g generator) list(item func() any) bson.A {
	items := bson.A{}
	for range g.IntN(4) {
		items = append(items, item())
	}
	return items
}

func (g generator) part(depth int) any {
	doc := bson.D{}
	for _, name := range []string{"x", "y", "w", "0"} {
		if g.IntN(5) > 1 && (name != "0" || g.IntN(5) == 0) {
			doc = append(doc, bson.E{Key: name, Value: g.anything(depth - 1)})
		}
	}
	return doc
}

// number draws numbers of every type that are equal to, or near, each other.
func (g generator) number() any {
	return pick[any](g, int32(0), int64(1), int32(1), 1.0, 1.5, int64(2), 2.0, -1.0, int64(-1), math.Copysign(0, -1), 0.1,
		math.NaN(), math.Inf(1), math.Inf(-1), int64(math.MaxInt64), int64(math.MaxInt64-1), 9223372036854775807.0, int64(math.MinInt64),
		-9223372036854775808.0, int64(1<<53+1), 9007199254740992.0, 5e-324, 1e300,
		parseDecimal("1"), parseDecimal("1.50"), parseDecimal("0.1"), parseDecimal("NaN"), parseDecimal("Infinity"), parseDecimal("-0"),
		parseDecimal("1E+6000"), parseDecimal("1E-6000"), parseDecimal("9007199254740993"), parseDecimal("0.1000000000000000055511151231257827"),
		parseDecimal("0.1000000000000000055511151231257828"), parseDecimal("9223372036854775807"), parseDecimal("2"))
}

func parseDecimal(text string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		panic(err)
	}
	return d
}

func (g generator) text() string {
	return pick(g, "", "a", "ab", "b", "A", "é", "a\nb", "a\x00b", "ab\n", "0")
}

func (g generator) date() bson.DateTime {
	return pick(g, bson.DateTime(0), bson.DateTime(-1), bson.DateTime(1_700_000_000_000), bson.DateTime(1))
}

func (g generator) binary() bson.Binary {
	return pick(g, bson.Binary{}, bson.Binary{Data: []byte{0}}, bson.Binary{Data: []byte{1, 2}}, bson.Binary{Subtype: 5, Data: []byte{1, 2}})
}

func (g generator) anything(depth int) any {
	most := 8
	if depth > 0 {
		most = 12
	}
	switch g.IntN(most) {
	case 0:
		return nil
	case 1:
		return g.text()
	case 2:
		return g.date()
	case 3:
		return pick[any](g, true, false, g.binary(), bson.MinKey{}, bson.MaxKey{}, bson.Timestamp{T: 1}, bson.ObjectID{1})
	case 8, 9:
		return g.part(depth)
	case 10, 11:
		return g.list(func() any { return g.anything(depth - 1) })
	}
	return g.number()
}

// paths are the ways into the fields, with the name of the kind at their end.
var paths = [][2]string{
	{"id", "int"}, {"i", "int"}, {"f", "double"}, {"m", "decimal"}, {"s", "string"}, {"t", "bool"}, {"d", "date"}, {"b", "binary"},
	{"o", "object"}, {"o.x", "int"}, {"o.y", "ints"}, {"o.y.0", "int"}, {"o.w", "inner"}, {"o.w.x", "int"},
	{"ai", "ints"}, {"ai.0", "int"}, {"ai.1", "int"}, {"aa", "lists"}, {"aa.0", "ints"}, {"aa.0.0", "int"}, {"aa.1.0", "int"},
	{"ao", "objects"}, {"ao.x", "int"}, {"ao.0", "object"}, {"ao.0.x", "int"}, {"ao.y", "ints"}, {"ao.y.0", "int"}, {"ao.0.y.1", "int"},
	{"ao.w.x", "int"}, {"any", "any"}, {"any.x", "any"}, {"any.0", "any"}, {"any.0.x", "any"}, {"any.x.0", "any"}, {"any.y.x", "any"},
	{"any.0.0", "any"}, {"any.w.x.y", "any"}, {"any.00", "any"},
}

func (g generator) filter() string {
	if g.IntN(3) == 0 {
		op := pick(g, "$and", "$or", "$nor")
		return fmt.Sprintf(`{%q: [%s, %s]}`, op, g.condition(2), g.condition(2))
	}
	return g.condition(2)
}

func (g generator) condition(depth int) string {
	path := paths[g.IntN(len(paths))]
	return fmt.Sprintf(`{%q: %s}`, path[0], g.operators(path[1], depth))
}

func (g generator) operators(kind string, depth int) string {
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf(`{"$not": {%s}}`, g.operator(kind, depth-1))
	case 1:
		if operator := g.operator(kind, depth-1); !strings.HasPrefix(operator, `"$exists"`) {
			return fmt.Sprintf(`{%s, "$exists": %v}`, operator, g.IntN(3) > 0)
		}
	}
	return fmt.Sprintf(`{%s}`, g.operator(kind, depth))
}

// operator draws one operator that fits a kind.
func (g generator) operator(kind string, depth int) string {
	all := []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$all", "$exists0"}
	list := kind == "ints" || kind == "lists" || kind == "objects" || kind == "any"
	if list {
		all = append(all, "$size", "$elemMatch", "$elemMatch", "$all elemMatch")
	}
	if kind == "string" || kind == "any" {
		all = append(all, "$regex", "$regex")
	}
	switch op := pick(g, all...); op {
	case "$in", "$nin", "$all":
		return fmt.Sprintf(`%q: [%s]`, op, strings.Join(g.literals(kind), ", "))
	case "$exists0":
		return fmt.Sprintf(`"$exists": %v`, g.IntN(2) == 0)
	case "$size":
		return fmt.Sprintf(`"$size": %d`, g.IntN(4))
	case "$elemMatch":
		return `"$elemMatch": ` + g.element(kind, depth)
	case "$all elemMatch":
		return fmt.Sprintf(`"$all": [{"$elemMatch": %s}, {"$elemMatch": %s}]`, g.element(kind, depth), g.element(kind, depth))
	case "$regex":
		return fmt.Sprintf(`"$regex": %q, "$options": %q`, pick(g, "^a", "b$", "a.b", "^$", "^b", "é", "", "[^a]", "x*"), pick(g, "", "i", "m", "s", "ims"))
	default:
		return fmt.Sprintf(`%q: %s`, op, g.literal(kind))
	}
}

// element draws what an $elemMatch asks.
func (g generator) element(kind string, depth int) string {
	inner := map[string]string{"ints": "int", "lists": "ints", "objects": "object", "any": "any"}[kind]
	if depth <= 0 {
		return fmt.Sprintf(`{%q: %s}`, pick(g, "$gt", "$eq", "$ne"), g.literal(inner))
	}
	if inner == "object" || inner == "any" && g.IntN(2) == 0 {
		if g.IntN(8) == 0 {
			return `{}`
		}
		at := pick(g, "x", "y", "w.x")
		return fmt.Sprintf(`{%q: %s}`, at, g.operators(map[string]string{"x": "int", "y": "ints", "w.x": "int"}[at], depth-1))
	}
	return g.operators(inner, depth-1)
}

func (g generator) literals(kind string) []string {
	literals := make([]string, g.IntN(3))
	for i := range literals {
		literals[i] = g.literal(kind)
		if g.IntN(6) == 0 {
			literals[i] = "null"
		}
	}
	return literals
}

// literal draws a literal of a kind as JSON.
func (g generator) literal(kind string) string {
	switch kind {
	case "int":
		return pick(g, "0", "1", "2", "-1", "9223372036854775807", "9007199254740993", "-9223372036854775808")
	case "double":
		return pick(g, "0", "1", "1.5", "0.1", "-0.0", "9007199254740992", "9223372036854775807", "1e300", "5e-324")
	case "decimal":
		return pick(g, `"1"`, `"1.5"`, `"0.1"`, `"0"`, `"9007199254740993"`, `"1E+6000"`, `"1E-6000"`, `"0.1000000000000000055511151231257827"`, `"9223372036854775807"`)
	case "string":
		text, err := json.Marshal(g.text())
		if err != nil {
			panic(err)
		}
		return string(text)
	case "bool":
		return pick(g, "true", "false")
	case "date":
		return pick(g, `"1970-01-01T00:00:00Z"`, `"1969-12-31T23:59:59.999Z"`, `"2023-11-14T22:13:20Z"`)
	case "binary":
		return pick(g, `""`, `"AA=="`, `"AQI="`)
	case "ints":
		return pick(g, `[]`, `[1]`, `[1, 2]`, `[null]`, g.literal("int"), `[0, 1]`)
	case "lists":
		return pick(g, `[]`, `[[1]]`, `[[1, 2]]`, `[[]]`, g.literal("int"))
	case "object":
		return pick(g, `{}`, `{"x": 1}`, `{"x": 1, "y": [1]}`, `{"w": {"x": 1}}`, `{"x": null}`)
	case "inner":
		return pick(g, `{}`, `{"x": 1}`, `{"x": null}`)
	case "objects":
		return pick(g, `[]`, `[{"x": 1}]`, g.literal("object"))
	}
	return pick(g, `null`, `1`, `1.5`, `"a"`, `""`, `true`, `[]`, `[1]`, `[[1]]`, `{}`, `{"x": 1}`, `{"x": 1, "y": null}`, `{"x": [1]}`, `0`, `-0.0`)
}
