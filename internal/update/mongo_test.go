package update_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/testkit"
	"github.com/sheafdb/sheaf/internal/update"
)

// plain has fields of every kind that operators tell apart, and no defaults: an
// object that MongoDB makes has none.
const plain = `collection: plain
id: string
fields:
  i: {type: int, min: -1000, max: 1000}
  big: {type: int}
  d: {type: double, min: -1000, max: 1000.5}
  e: {type: double}
  m: {type: decimal, min: "-1000", max: "1000"}
  q: {type: decimal}
  s: {type: string}
  t: {type: date}
  is: {type: array, items: {type: int, nullable: true}, max_items: 6}
  ss: {type: array, items: {type: string}, unique_items: true, min_items: 1}
  os: {type: array, items: {type: object, fields: {i: {type: int}, s: {type: string}}}}
  o: {type: object, fields: {i: {type: int, min: 0}, s: {type: string}, is: {type: array, items: {type: int}}, o: {type: object, fields: {d: {type: double}}}}}
  any: {type: any}
`

// operation is one operator in JSON and as MongoDB takes it.
type operation struct {
	operator, path, text string
	value                any
}

type generator struct{ *rand.Rand }

func pick[T any](g generator, among ...T) T { return among[g.IntN(len(among))] }

// paths are those of a kind.
var paths = map[string][]string{
	"int": {"i", "big", "o.i", "is.0", "is.2", "os.0.i", "os.2.i"}, "double": {"d", "e", "o.o.d"}, "decimal": {"m", "q"},
	"string": {"s", "o.s", "ss.0", "os.1.s"}, "date": {"t"}, "any": {"any", "any.a", "any.0", "any.a.b"},
	"ints": {"is", "o.is"}, "strings": {"ss"}, "objects": {"os"}, "anys": {"any", "any.a"},
}

// scalar is a value of a kind, in JSON and in BSON.
func (g generator) scalar(kind string) (string, any) {
	switch kind {
	case "int", "ints":
		n := pick(g, 0, 1, 2, -3, 7, 500, -999, 9223372036854775807, -9223372036854775808, 4611686018427387904)
		return fmt.Sprint(n), int64(n)
	case "double":
		f := pick(g, 0, 0.1, 0.2, -1.5, 999.9, 1e300, -1e308)
		return string(bsonjson.AppendValue(nil, raw(f))), f
	case "decimal":
		text := pick(g, "0", "0.10", "-0.2", "1E+3", "999.99", "1E-6176", "9.999999999999999999999999999999999E+6144", "1234567890123456789012345678901234", "-0", "3E+40", "0.5", "5E-34")
		d, _ := bson.ParseDecimal128(text)
		return `"` + text + `"`, d
	case "date":
		text := pick(g, "2026-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "2027-05-05T05:05:05.005Z")
		value, _ := bsonjson.ParseText(text, &bsonjson.Shape{Kind: bsonjson.Date})
		return `"` + text + `"`, value
	case "objects":
		n := g.IntN(3)
		if g.IntN(2) == 0 {
			return fmt.Sprintf(`{"i":%d,"s":"a"}`, n), bson.D{{Key: "i", Value: int64(n)}, {Key: "s", Value: "a"}}
		}
		return fmt.Sprintf(`{"i":%d}`, n), bson.D{{Key: "i", Value: int64(n)}}
	case "any", "anys":
		return g.anything()
	}
	text := pick(g, "", "a", "b", "ü", "zz")
	return `"` + text + `"`, text
}

func (g generator) anything() (string, any) {
	if g.IntN(5) == 0 {
		text, value := g.scalar(pick(g, "int", "string"))
		return `{"a":` + text + `}`, bson.D{{Key: "a", Value: value}}
	}
	if g.IntN(4) == 0 {
		text, value := g.scalar("int")
		return `[` + text + `,null,true]`, bson.A{value, nil, true}
	}
	return g.scalar(pick(g, "int", "double", "string"))
}

func raw(value any) bson.RawValue {
	kind, data, err := bson.MarshalValue(value)
	if err != nil {
		panic(err)
	}
	return bson.RawValue{Type: kind, Value: data}
}

func (g generator) operation() operation {
	op := operation{operator: pick(g, "$set", "$unset", "$inc", "$inc", "$mul", "$min", "$max", "$push", "$push", "$addToSet", "$pull", "$pop")}
	kind := ""
	switch op.operator {
	case "$set", "$unset", "$min", "$max":
		kind = pick(g, "int", "double", "decimal", "string", "date", "any")
	case "$inc", "$mul":
		kind = pick(g, "int", "double", "decimal", "any")
	default:
		kind = pick(g, "ints", "strings", "objects", "anys")
	}
	op.path = pick(g, paths[kind]...)
	op.text, op.value = g.scalar(kind)
	switch op.operator {
	case "$unset":
		op.text, op.value = "true", true
	case "$pop":
		last := pick(g, 1, -1)
		op.text, op.value = fmt.Sprint(last), last
	case "$push", "$addToSet":
		g.each(&op, kind)
	case "$pull":
		if kind == "objects" || strings.HasPrefix(op.text, "{") {
			n := g.IntN(3)
			op.text, op.value = fmt.Sprintf(`{"i":{"$gte":%d}}`, n), bson.D{{Key: "i", Value: bson.D{{Key: "$gte", Value: int64(n)}}}}
		} else if kind == "ints" && g.IntN(2) == 0 {
			op.text, op.value = `{"$lt":`+op.text+`}`, bson.D{{Key: "$lt", Value: op.value}}
		}
	}
	return op
}

// each makes the operand of $push or $addToSet one with modifiers, mostly.
func (g generator) each(op *operation, kind string) {
	if g.IntN(3) == 0 && !strings.HasPrefix(op.text, "{") {
		return
	}
	texts, values := []string{}, bson.A{}
	for range g.IntN(4) {
		text, value := g.scalar(kind)
		texts, values = append(texts, text), append(values, value)
	}
	op.text = `{"$each":[` + strings.Join(texts, ",") + `]`
	modifiers := bson.D{{Key: "$each", Value: values}}
	if op.operator == "$push" {
		for _, name := range []string{"$position", "$slice"} {
			if g.IntN(3) == 0 {
				n := g.IntN(9) - 4
				op.text += fmt.Sprintf(`,%q:%d`, name, n)
				modifiers = append(modifiers, bson.E{Key: name, Value: int64(n)})
			}
		}
	}
	op.text += "}"
	op.value = modifiers
}

// document is a stored one; now and then it holds what the schema does not.
func (g generator) document() bson.D {
	doc := bson.D{{Key: "_id", Value: "x"}}
	put := func(doc *bson.D, name, kind string) {
		_, value := g.scalar(kind)
		switch g.IntN(12) {
		case 0:
			value = nil
		case 1:
			_, value = g.scalar(pick(g, "int", "double", "decimal", "string"))
		case 2:
			value = int32(g.IntN(5))
		case 3, 4, 5:
			return
		}
		*doc = append(*doc, bson.E{Key: name, Value: value})
	}
	list := func(kind string) bson.A {
		items := bson.A{}
		for range g.IntN(5) {
			_, value := g.scalar(kind)
			items = append(items, value)
		}
		return items
	}
	for _, f := range []struct{ name, kind string }{{"i", "int"}, {"big", "int"}, {"d", "double"}, {"e", "double"}, {"m", "decimal"}, {"q", "decimal"}, {"s", "string"}, {"t", "date"}, {"any", "any"}, {"is", "int"}} {
		if f.name != "is" {
			put(&doc, f.name, f.kind)
		}
	}
	for _, f := range []struct{ name, kind string }{{"is", "int"}, {"ss", "string"}, {"os", "objects"}} {
		if g.IntN(3) > 0 {
			doc = append(doc, bson.E{Key: f.name, Value: list(f.kind)})
		}
	}
	if g.IntN(3) > 0 {
		inner := bson.D{}
		put(&inner, "i", "int")
		put(&inner, "s", "string")
		if g.IntN(2) == 0 {
			inner = append(inner, bson.E{Key: "o", Value: bson.D{{Key: "d", Value: 1.5}}})
		}
		doc = append(doc, bson.E{Key: "o", Value: inner})
	}
	return append(doc, bson.E{Key: "version", Value: int64(3)}, bson.E{Key: "createdAt", Value: bson.NewDateTimeFromTime(now)}, bson.E{Key: "updatedAt", Value: bson.NewDateTimeFromTime(now)})
}

// texts writes operations as JSON and as MongoDB's update.
func texts(operations []operation) (string, bson.D) {
	doc, text := bson.D{}, ""
	for _, op := range operations {
		joined := false
		for k, e := range doc {
			if e.Key == op.operator {
				doc[k].Value = append(e.Value.(bson.D), bson.E{Key: op.path, Value: op.value})
				joined = true
			}
		}
		if !joined {
			doc = append(doc, bson.E{Key: op.operator, Value: bson.D{{Key: op.path, Value: op.value}}})
		}
	}
	for i, e := range doc {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf("%q:{", e.Key)
		first := true
		for _, op := range operations {
			if op.operator == e.Key {
				if !first {
					text += ","
				}
				text += fmt.Sprintf("%q:%s", op.path, op.text)
				first = false
			}
		}
		text += "}"
	}
	return "{" + text + "}", doc
}

// Apply does what MongoDB does, and a direct update what Apply does, by the rules.
func TestUpdatesAgreeWithMongoDB(t *testing.T) {
	t.Parallel()
	c := collection(t, plain)
	uri, db := testkit.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	docs := client.Database(db).Collection("plain")
	const cases = 1200
	g := generator{rand.New(rand.NewPCG(1, 2))}
	applied, direct, guarded := 0, 0, 0
	for range cases {
		document := g.document()
		var operations []operation
		for range 1 + g.IntN(3) {
			operations = append(operations, g.operation())
		}
		text, change := texts(operations)
		var faults fault.List
		u, err := update.CompileOperators([]byte(text), c, update.Options{Now: now}, &faults)
		if err != nil || len(faults.Items) > 0 {
			continue
		}
		current, err := bson.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		next, err := u.Apply(current, now)
		theirs, refused := run(t, docs, current, bson.D{{Key: "_id", Value: "x"}}, change)
		if (err != nil) != refused || err == nil && !bytes.Equal(next, theirs) {
			t.Errorf("%s\n  on      %s\n  Apply   %s %v\n  MongoDB %s refused %t", text, bson.Raw(current), next, err, theirs, refused)
			continue
		}
		if err == nil {
			applied++
		}
		if d, ok := u.Direct(now); ok {
			direct++
			if guarded += agrees(t, docs, c, text, current, d, next, err); t.Failed() {
				return
			}
		}
	}
	t.Logf("of %d updates %d were applied, %d could go directly, and %d did", cases, applied, direct, guarded)
	if applied < cases/4 || guarded < cases/20 {
		t.Error("too few updates say anything")
	}
}

// run updates one document in MongoDB; refused is set where it does not fit.
func run(t *testing.T, docs *mongo.Collection, current bson.Raw, filter any, change any) (after bson.Raw, refused bool) {
	t.Helper()
	if _, err := docs.ReplaceOne(t.Context(), bson.D{{Key: "_id", Value: "x"}}, current, options.Replace().SetUpsert(true)); err != nil {
		t.Fatal(err)
	}
	after, err := docs.FindOneAndUpdate(t.Context(), filter, change, options.FindOneAndUpdate().SetReturnDocument(options.After)).Raw()
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		if _, ok := errors.AsType[mongo.CommandError](err); !ok {
			t.Fatal(err)
		}
	}
	return after, err != nil
}

// agrees holds a direct update against Apply and the rules; it returns 1 where
// the guard let the document through.
func agrees(t *testing.T, docs *mongo.Collection, c *schema.Collection, text string, current bson.Raw, d update.Direct, next bson.Raw, applyErr error) int {
	t.Helper()
	guard := bsonjson.NewBuilder(len(d.Guard)).Append("_id", bsonjson.StringValue("x")).AppendAll(d.Guard, nil).Document()
	after, refused := run(t, docs, current, guard, d.Update)
	if refused {
		return 0
	}
	stamped := func(name []byte) bool { return string(name) != "version" && string(name) != "updatedAt" }
	body := func(doc bson.Raw) bson.Raw { return bsonjson.NewBuilder(len(doc)).AppendAll(doc, stamped).Document() }
	if applyErr != nil || !bytes.Equal(body(after), body(next)) || after.Lookup("version").AsInt64() != 4 {
		t.Errorf("%s\n  on     %s\n  direct %s\n  Apply  %s %v", text, current, after, next, applyErr)
	}
	// What was wrong before may be so still; nothing may become so.
	var before, faults fault.List
	c.Check(current, "", &before)
	c.Check(after, "", &faults)
	for _, item := range faults.Items {
		if !before.Has(item.Pointer) && !before.Has("/"+strings.Split(item.Pointer, "/")[1]) {
			t.Errorf("%s\n  on     %s\n  direct %s\n  guard  %s\n  breaks %s %s", text, current, after, d.Guard, item.Pointer, item.Detail)
		}
	}
	return 1
}
