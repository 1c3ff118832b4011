package update_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/testkit"
	"github.com/sheafdb/sheaf/internal/update"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const things = `collection: things
id: string
fields:
  name: {type: string, trim: true, lowercase: true, max_length: 8}
  must: {type: string, required: true}
  n: {type: int, min: -100, max: 100}
  big: {type: int}
  d: {type: double}
  money: {type: decimal, min: "0"}
  when: {type: date}
  key: {type: objectId}
  status: {type: string, enum: [open, closed], default: open}
  tags: {type: array, items: {type: string, lowercase: true, max_length: 5}, max_items: 4, unique_items: true}
  list: {type: array, items: {type: int, nullable: true}}
  lines:
    type: array
    items: {type: object, fields: {sku: {type: string, required: true}, qty: {type: int, min: 0, default: 1}}}
  address:
    type: object
    fields: {city: {type: string}, zip: {type: string}, country: {type: string, default: xx}}
  free: {type: any}
  "a/b": {type: int}
  "m~n": {type: int}
  gone: {type: string, nullable: true}
`

func collection(t testing.TB, text string) *schema.Collection {
	t.Helper()
	model, err := schema.Load(fstest.MapFS{"things.yaml": &fstest.MapFile{Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return model.Collections[0]
}

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// stored makes a stored document out of JSON, with its system fields.
func stored(t testing.TB, c *schema.Collection, text string) bson.Raw {
	t.Helper()
	var faults fault.List
	decoded, err := bsonjson.Decode([]byte(text), c.Fields, bsonjson.Options{Now: now}, &faults)
	if err != nil || len(faults.Items) > 0 {
		t.Fatalf("%s: %v %v", text, err, faults.Items)
	}
	return bsonjson.NewBuilder(len(text)).Append("_id", bsonjson.StringValue("x")).AppendAll(decoded.Body, nil).
		Append("version", bsonjson.IntValue(3)).Append("createdAt", bsonjson.DateValue(now)).Append("updatedAt", bsonjson.DateValue(now)).Document()
}

// changed applies operators; the text is the document as JSON without system
// fields, or the faults as "pointer code", those of the input or of what came out.
func changed(t testing.TB, c *schema.Collection, document, change string) string {
	t.Helper()
	var faults fault.List
	u, err := update.CompileOperators([]byte(change), c, update.Options{Now: now}, &faults)
	if err != nil {
		return string(fault.From(err).Code)
	}
	if len(faults.Items) > 0 {
		return told(faults.Items)
	}
	next, err := u.Apply(stored(t, c, document), now)
	return outcome(c, next, err)
}

func outcome(c *schema.Collection, next bson.Raw, err error) string {
	if err != nil {
		return string(fault.From(err).Code) + " " + told(fault.From(err).Items)
	}
	var faults fault.List
	if c.Check(next, "", &faults); len(faults.Items) > 0 {
		return "result " + told(faults.Items)
	}
	const system = `,"version":3,"createdAt":"2026-01-31T12:00:00.000Z","updatedAt":"2026-01-31T12:00:00.000Z"`
	text := strings.Replace(string(bsonjson.AppendDocument(nil, next)), system, "", 1)
	return strings.TrimSuffix(strings.TrimPrefix(text, `{"id":"x",`), "}")
}

func told(items []fault.Item) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.Pointer + " " + item.Code
	}
	return strings.Join(texts, ", ")
}

func TestOperators(t *testing.T) {
	t.Parallel()
	c := collection(t, things)
	for _, test := range []struct{ document, change, want string }{
		{`{"must":"m"}`, `{"$set":{"name":"  ADA ","tags":["A","b"]}}`, `"must":"m","name":"ada","tags":["a","b"]`},
		{`{"must":"m"}`, `{"$set":{"address.city":"Rome"}}`, `"must":"m","address":{"country":"xx","city":"Rome"}`},
		{`{"must":"m"}`, `{"$set":{"address":{"city":"Rome"}}}`, `"must":"m","address":{"city":"Rome","country":"xx"}`},
		{`{"must":"m","lines":[{"sku":"a","qty":2}]}`, `{"$inc":{"lines.0.qty":3},"$set":{"lines.1":{"sku":"b"}}}`, `"must":"m","lines":[{"sku":"a","qty":5},{"sku":"b","qty":1}]`},
		{`{"must":"m","lines":[{"sku":"a","qty":2}]}`, `{"$unset":{"lines.0.qty":true}}`, `"must":"m","lines":[{"sku":"a"}]`},
		{`{"must":"m","list":[1]}`, `{"$set":{"list.3":4}}`, `"must":"m","list":[1,null,null,4]`},
		{`{"must":"m","list":[1,2]}`, `{"$unset":{"list.0":1}}`, `"must":"m","list":[null,2]`},
		{`{"must":"m","n":5}`, `{"$inc":{"n":-3}}`, `"must":"m","n":2`},
		{`{"must":"m"}`, `{"$inc":{"n":7,"d":1.5,"money":"0.10"}}`, `"must":"m","d":1.5,"money":"0.10","n":7`},
		{`{"must":"m"}`, `{"$mul":{"n":7,"d":1.5,"money":"0.10"}}`, `"must":"m","d":0.0,"money":"0.00","n":0`},
		{`{"must":"m","money":"0.10"}`, `{"$inc":{"money":"0.20"}}`, `"must":"m","money":"0.30"`},
		{`{"must":"m","money":"1.10"}`, `{"$mul":{"money":"3"}}`, `"must":"m","money":"3.30"`},
		{`{"must":"m","money":"9999999999999999999999999999999999"}`, `{"$inc":{"money":"0.5"}}`, `"must":"m","money":"1.000000000000000000000000000000000E+34"`},
		{`{"must":"m","big":9007199254740993}`, `{"$inc":{"big":2}}`, `"must":"m","big":9007199254740995`},
		{`{"must":"m","n":5,"when":"2026-01-01T00:00:00Z"}`, `{"$max":{"n":9,"when":"2027-01-01T00:00:00Z"},"$min":{"name":"b"}}`, `"must":"m","n":9,"when":"2027-01-01T00:00:00.000Z","name":"b"`},
		{`{"must":"m","n":5}`, `{"$max":{"n":4}}`, `"must":"m","n":5`},
		{`{"must":"m","tags":["a"]}`, `{"$push":{"tags":"B"}}`, `"must":"m","tags":["a","b"]`},
		{`{"must":"m","list":[1,2,3]}`, `{"$push":{"list":{"$each":[8,9],"$position":1,"$slice":-4}}}`, `"must":"m","list":[8,9,2,3]`},
		{`{"must":"m","list":[1,2,3]}`, `{"$push":{"list":{"$each":[8],"$position":-1,"$slice":3}}}`, `"must":"m","list":[1,2,8]`},
		{`{"must":"m"}`, `{"$push":{"lines":{"sku":"a"}}}`, `"must":"m","lines":[{"sku":"a","qty":1}]`},
		{`{"must":"m","tags":["a"]}`, `{"$addToSet":{"tags":{"$each":["A","b","b"]}}}`, `"must":"m","tags":["a","b"]`},
		{`{"must":"m","list":[1,2,1,null]}`, `{"$pull":{"list":1}}`, `"must":"m","list":[2,null]`},
		{`{"must":"m","list":[1,5,9,null]}`, `{"$pull":{"list":{"$gte":5}}}`, `"must":"m","list":[1,null]`},
		{`{"must":"m","list":[1,5,9]}`, `{"$pull":{"list":{"$in":[1,9]}}}`, `"must":"m","list":[5]`},
		{`{"must":"m","lines":[{"sku":"a","qty":1},{"sku":"b","qty":5}]}`, `{"$pull":{"lines":{"sku":"a","qty":{"$lt":3}}}}`, `"must":"m","lines":[{"sku":"b","qty":5}]`},
		{`{"must":"m","free":[1,{"a":1},"x"]}`, `{"$pull":{"free":{"a":{"$gt":0}}}}`, `"must":"m","free":[1,"x"]`},
		{`{}`, `{"$pull":{"lines":{"skuu":"a","qty":{"$lt":"x"}},"list":{"$gt":"a","$gtt":1}}}`,
			`/$pull/lines/skuu unknown-field, /$pull/lines/qty/$lt type, /$pull/list/$gtt unknown-operator, /$pull/list/$gt type`},
		{`{"must":"m"}`, `{"$pull":{"list":1},"$pop":{"lines":1}}`, `"must":"m"`},
		{`{"must":"m","list":[1,2,3]}`, `{"$pop":{"list":-1}}`, `"must":"m","list":[2,3]`},
		{`{"must":"m","free":{"a":[1]}}`, `{"$push":{"free.a":{"x":1}},"$inc":{"free.n":2},"$set":{"free.b.c":true}}`, `"must":"m","free":{"a":[1,{"x":1}],"b":{"c":true},"n":2}`},
		{`{"must":"m","gone":null}`, `{"$min":{"gone":"x"}}`, `"must":"m","gone":null`},
		{`{"must":"m","gone":null}`, `{"$max":{"gone":"x"}}`, `"must":"m","gone":"x"`},

		{`{}`, `[]`, `validation-failed`},
		{`{}`, `{"$set":`, `malformed-json`},
		{`{}`, `{"$set":{"name":"a","name":"b"}}`, `malformed-json`},
		{`{}`, `{}`, ` type`},
		{`{}`, `{"$sett":{"name":"a"},"name":"b","$set":5}`, `/$sett unknown-operator, /name unknown-operator, /$set type`},
		{`{}`, `{"$set":{"nmae":"a","n":"5","tags":["A","toolong"],"status":"x"}}`, `/$set/nmae unknown-field, /$set/n type, /$set/tags/1 max-length, /$set/status enum`},
		{`{}`, `{"$inc":{"name":1,"n":1.5,"money":1,"d":"1","free":"1"}}`, `/$inc/name type, /$inc/n type, /$inc/money type, /$inc/d type, /$inc/free type`},
		{`{}`, `{"$set":{"id":"y","version":1,"createdAt":null,"updatedAt":1,"_id":1,"id.x":1}}`,
			`/$set/id read-only, /$set/version read-only, /$set/createdAt read-only, /$set/updatedAt read-only, /$set/_id unknown-field, /$set/id.x read-only`},
		{`{}`, `{"$set":{"address.city":"a","n":1},"$unset":{"address":1},"$inc":{"n":1}}`, `/$set/address.city conflict, /$inc/n conflict`},
		{`{}`, `{"$unset":{"must":1,"lines.0.sku":1,"name":0}}`, `/$unset/must required, /$unset/lines.0.sku required, /$unset/name type`},
		{`{}`, `{"$push":{"name":"a","tags":{"$each":["a"],"$sort":1},"list":{"$position":1}}}`, `/$push/name type, /$push/tags/$sort unknown-operator, /$push/list required`},
		{`{}`, `{"$set":{"tags.x":"a","name.x":1,"$[]":1,"free.$":1,"lines.0.nope":1}}`, `/$set/tags.x unknown-field, /$set/name.x unknown-field, /$set/$[] unknown-field, /$set/free.$ unknown-field, /$set/lines.0.nope unknown-field`},
		{`{}`, `{"$pop":{"list":2},"$set":{"free":{"$x":1}}}`, `/$pop/list type, /$set/free/$x name`},

		{`{"must":"m","n":5}`, `{"$inc":{"n":-200}}`, `result /n min`},
		{`{"must":"m","money":"1"}`, `{"$inc":{"money":"-2"}}`, `result /money min`},
		{`{"must":"m","tags":["a"]}`, `{"$push":{"tags":"a"}}`, `result /tags unique-items`},
		{`{"must":"m","tags":["a","b","c"]}`, `{"$push":{"tags":{"$each":["x","y"]}}}`, `result /tags max-items`},
		{`{"must":"m","big":9223372036854775807}`, `{"$inc":{"big":1}}`, `validation-failed /big update`},
		{`{"must":"m","big":9223372036854775807}`, `{"$mul":{"big":2}}`, `validation-failed /big update`},
		{`{"must":"m","d":1e308}`, `{"$mul":{"d":10}}`, `result /d range`},
		{`{"must":"m","free":"text"}`, `{"$inc":{"free":1}}`, `validation-failed /free update`},
		{`{"must":"m","free":"text"}`, `{"$set":{"free.a":1}}`, `validation-failed /free/a update`},
		{`{"must":"m","free":"text"}`, `{"$push":{"free":1}}`, `validation-failed /free update`},
		{`{"must":"m","free":"text"}`, `{"$unset":{"free.a":1},"$pull":{"list":1}}`, `"must":"m","free":"text"`},
		{`{"must":"m","tags":["a"]}`, `{"$set":{"tags.2":"c"}}`, `result /tags/1 null`},
		{`{"must":"m"}`, `{"$set":{"list.5000":1,"tags.0":"a"}}`, `result /list type, /tags type`},
		{`{"must":"m","list":[]}`, `{"$set":{"list.5000":1}}`, `validation-failed /list/5000 update`},
	} {
		if got := changed(t, c, test.document, test.change); got != test.want {
			t.Errorf("%s\n  on %s\n  got  %s\n  want %s", test.change, test.document, got, test.want)
		}
	}
}
