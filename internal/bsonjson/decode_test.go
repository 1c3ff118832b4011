package bsonjson_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

func shape(kind bsonjson.Kind) *bsonjson.Shape { return &bsonjson.Shape{Kind: kind} }

// person has a field of every kind.
var person = bsonjson.NewFields([]bsonjson.Field{
	{Name: "id", Shape: shape(bsonjson.ObjectID), System: bsonjson.ID},
	{Name: "name", Shape: &bsonjson.Shape{Kind: bsonjson.String, Transform: bsonjson.Trim}},
	{Name: "email", Shape: &bsonjson.Shape{Kind: bsonjson.String, Transform: bsonjson.Trim | bsonjson.Lowercase}},
	{Name: "age", Shape: shape(bsonjson.Int)},
	{Name: "score", Shape: shape(bsonjson.Double)},
	{Name: "price", Shape: shape(bsonjson.Decimal)},
	{Name: "active", Shape: shape(bsonjson.Bool)},
	{Name: "born", Shape: shape(bsonjson.Date)},
	{Name: "oid", Shape: shape(bsonjson.ObjectID)},
	{Name: "uuid", Shape: shape(bsonjson.UUID)},
	{Name: "data", Shape: shape(bsonjson.Binary)},
	{Name: "place", Shape: shape(bsonjson.Geo)},
	{Name: "extra", Shape: shape(bsonjson.Any)},
	{Name: "nick", Shape: &bsonjson.Shape{Kind: bsonjson.String, Nullable: true}},
	{Name: "tags", Shape: &bsonjson.Shape{Kind: bsonjson.Array, Items: shape(bsonjson.String)}},
	{Name: "address", Shape: &bsonjson.Shape{Kind: bsonjson.Object, Fields: bsonjson.NewFields([]bsonjson.Field{
		{Name: "city", Shape: shape(bsonjson.String)},
		{Name: "zip", Shape: shape(bsonjson.String), Default: &bsonjson.Default{Value: bsonjson.StringValue("00000")}},
	}, false)}},
	{Name: "version", Shape: shape(bsonjson.Int), System: bsonjson.Version},
}, false)

func decode(t *testing.T, src string, opts bsonjson.Options) (bsonjson.Decoded, []fault.Item) {
	t.Helper()
	var faults fault.List
	got, err := bsonjson.Decode([]byte(src), person, opts, &faults)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	if err := got.Body.Validate(); err != nil {
		t.Fatalf("%s: the BSON is not valid: %v", src, err)
	}
	return got, faults.Items
}

// TestDecodeEncode holds that a document comes back as it is kept.
func TestDecodeEncode(t *testing.T) {
	for src, want := range map[string]string{
		`{}`:                           `{}`,
		` { "name" : " Ada " } `:       `{"name":"Ada"}`,
		`{"email":" ADA@Example.COM"}`: `{"email":"ada@example.com"}`,
		`{"name":"\u0000\ud83d\ude00\n\"\\\/é"}`:                   `{"name":"\u0000😀\n\"\\/é"}`,
		`{"n\u0061me":"x"}`:                                        `{"name":"x"}`,
		`{"age":9223372036854775807}`:                              `{"age":9223372036854775807}`,
		`{"age":-9223372036854775808}`:                             `{"age":-9223372036854775808}`,
		`{"age":1.0}`:                                              `{"age":1}`,
		`{"age":1.50e1}`:                                           `{"age":15}`,
		`{"age":12e3}`:                                             `{"age":12000}`,
		`{"age":0e999999999999999999999}`:                          `{"age":0}`,
		`{"age":-0}`:                                               `{"age":0}`,
		`{"score":5}`:                                              `{"score":5.0}`,
		`{"score":1e-7}`:                                           `{"score":1e-07}`,
		`{"score":1e300}`:                                          `{"score":1e+300}`,
		`{"score":0.1}`:                                            `{"score":0.1}`,
		`{"price":"12.50"}`:                                        `{"price":"12.50"}`,
		`{"active":true}`:                                          `{"active":true}`,
		`{"born":"2026-01-31T12:00:00+02:00"}`:                     `{"born":"2026-01-31T10:00:00.000Z"}`,
		`{"born":"2024-02-29t23:59:59.98765z"}`:                    `{"born":"2024-02-29T23:59:59.987Z"}`,
		`{"born":"0000-01-01T00:00:00Z"}`:                          `{"born":"0000-01-01T00:00:00.000Z"}`,
		`{"oid":"507F1F77BCF86CD799439011"}`:                       `{"oid":"507f1f77bcf86cd799439011"}`,
		`{"uuid":"0190B6F4-8f5c-7a3e-9c1d-2b4e6f8a0c1e"}`:          `{"uuid":"0190b6f4-8f5c-7a3e-9c1d-2b4e6f8a0c1e"}`,
		`{"data":"aGk="}`:                                          `{"data":"aGk="}`,
		`{"place":{"type":"Point","coordinates":[1,2.5]}}`:         `{"place":{"type":"Point","coordinates":[1.0,2.5]}}`,
		`{"extra":{"a":[1,2.0,"x",null,true,{"b":{}}],"$":[]}}`:    "",
		`{"extra":{"a":[1,2.0,"x",null,true,{"b":{}}],"a.b":[]}}`:  `{"extra":{"a":[1,2.0,"x",null,true,{"b":{}}],"a.b":[]}}`,
		`{"nick":null}`:                                            `{"nick":null}`,
		`{"tags":["a","b"],"address":{"city":"Oslo"}}`:             `{"tags":["a","b"],"address":{"city":"Oslo"}}`,
		`{"id":"507f1f77bcf86cd799439011","version":3,"name":"x"}`: `{"name":"x"}`,
		`{"name":"` + strings.Repeat("a", 70) + `\t` + `","active":true}`: `{"name":"` + strings.Repeat("a", 70) + `","active":true}`,
	} {
		if want == "" {
			continue
		}
		got, faults := decode(t, src, bsonjson.Options{})
		if len(faults) > 0 {
			t.Errorf("%s: %v", src, faults)
		}
		if text := string(bsonjson.AppendDocument(nil, got.Body)); text != want {
			t.Errorf("%s\n got %s\nwant %s", src, text, want)
		}
	}
}

// TestFaults holds that every value that does not fit is told, with its place.
func TestFaults(t *testing.T) {
	for src, want := range map[string]string{
		`{"age":"x","name":1,"active":"no"}`:                       "/age type, /name type, /active type",
		`{"age":1.5}`:                                              "/age type",
		`{"age":9223372036854775808}`:                              "/age range",
		`{"age":-9223372036854775809}`:                             "/age range",
		`{"age":1e19}`:                                             "/age range",
		`{"age":1e999999999999999999}`:                             "/age range",
		`{"age":1e-999999999999999999}`:                            "/age type",
		`{"age":null}`:                                             "/age null",
		`{"score":1e999}`:                                          "/score range",
		`{"price":12.5}`:                                           "/price type",
		`{"price":"NaN"}`:                                          "/price format",
		`{"price":"1e99999"}`:                                      "/price format",
		`{"price":"12345678901234567890123456789012345"}`:          "/price format",
		`{"born":"2023-02-29T00:00:00Z"}`:                          "/born format",
		`{"born":"2023-01-01"}`:                                    "/born format",
		`{"born":"2023-01-01T00:00:60Z"}`:                          "/born format",
		`{"born":"2023-01-01T00:00:00.Z"}`:                         "/born format",
		`{"born":"2023-01-01T00:00:00+2400"}`:                      "/born format",
		`{"oid":"xyz"}`:                                            "/oid format",
		`{"uuid":"0190b6f48f5c7a3e9c1d2b4e6f8a0c1e"}`:              "/uuid format",
		`{"data":"aGk"}`:                                           "/data format",
		`{"data":"aG\nk="}`:                                        "/data format",
		`{"place":{"type":"Point","coordinates":["x"],"bbox":[]}}`: "/place/coordinates/0 type, /place/bbox unknown-field",
		`{"tags":["a",1,"b",{}]}`:                                  "/tags/1 type, /tags/3 type",
		`{"address":{"city":1,"street":"x"}}`:                      "/address/city type, /address/street unknown-field",
		`{"extra":{"$where":1,"a":{"b\u0000":1}}}`:                 "/extra/$where name, /extra/a/b\x00 name",
		`{"a/b~c":1}`:                                              "/a~1b~0c unknown-field",
		`{"nmae":"x"}`:                                             "/nmae unknown-field",
		`{"extra":18446744073709551616}`:                           "/extra range",
	} {
		_, faults := decode(t, src, bsonjson.Options{})
		var got []string
		for _, item := range faults {
			got = append(got, item.Pointer+" "+item.Code)
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s\n got %s\nwant %s", src, text, want)
		}
	}
}

func TestFaultTexts(t *testing.T) {
	for src, want := range map[string]string{
		`{"nmae":"x"}`:   `is not a field of the schema; did you mean "name"?`,
		`{"price":12.5}`: `must be a decimal, which is a string in JSON: write "12.5"`,
		`{"age":"abc"}`:  `must be an int: got the string "abc"`,
		`{"age":null}`:   `is null; leave it out, or declare the field nullable`,
	} {
		_, faults := decode(t, src, bsonjson.Options{})
		if len(faults) != 1 || faults[0].Detail != want {
			t.Errorf("%s: got %v, want %s", src, faults, want)
		}
	}
}

// malformed are texts that are no JSON, or no JSON that Sheaf takes.
var malformed = []string{
	``, ` `, `{`, `}`, `{]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{a:1}`, `{'a':1}`, `{"a":1}x`, `{"a":1}{}`,
	`{"a":01}`, `{"a":+1}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":--1}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":tru}`, `{"a":nulL}`,
	`{"a":[1,]}`, `{"a":[1`, `{"a":"x`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\ud800"}`, `{"a":"\ud800\u0041"}`, `{"a":"\udc00\ud800"}`,
	"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"\xff\":1}", "{\"a\":\"\t\"}", "{\"a\":\"\\n\xff\"}",
	"\xef\xbb\xbf{}", `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"name":"x","name":"y"}`, `{"extra":{"b":1,"b":2}}`,
	`{"extra":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`,
	strings.Repeat("[", 1_000_000), strings.Repeat(`{"a":`, 1_000_000), `{/**/}`, `//`,
}

func TestMalformed(t *testing.T) {
	for _, src := range malformed {
		var faults fault.List
		_, err := bsonjson.Decode([]byte(src), person, bsonjson.Options{}, &faults)
		if !fault.Is(err, fault.MalformedJSON) {
			t.Errorf("%.40q: got %v, want malformed-json", src, err)
		}
	}
	for _, src := range []string{`[]`, `1`, `"x"`, `null`} {
		var faults fault.List
		if _, err := bsonjson.Decode([]byte(src), person, bsonjson.Options{}, &faults); !fault.Is(err, fault.ValidationFailed) {
			t.Errorf("%s: got %v, want validation-failed", src, err)
		}
	}
}

func TestMalformedPlace(t *testing.T) {
	var faults fault.List
	_, err := bsonjson.Decode([]byte("{\n  \"name\": 01}"), person, bsonjson.Options{}, &faults)
	if want := `there is no "," or "}" here (offset 13, line 2, column 12)`; fault.From(err).Detail != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestManyUndeclaredNames(t *testing.T) {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `"k%d":%d,`, i, i)
	}
	body := `{"extra":{` + b.String() + `"z":1}}`
	got, faults := decode(t, body, bsonjson.Options{})
	if len(faults) > 0 || got.Body.Lookup("extra", "k99999").AsInt64() != 99999 {
		t.Fatal("the members were not kept", faults)
	}
	var list fault.List
	_, err := bsonjson.Decode([]byte(`{"extra":{`+b.String()+`"k7":1}}`), person, bsonjson.Options{}, &list)
	if !fault.Is(err, fault.MalformedJSON) {
		t.Error("a duplicate among many names was not noticed", err)
	}
}

func TestDefaultsAndSystem(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	fields := bsonjson.NewFields([]bsonjson.Field{
		{Name: "id", Shape: shape(bsonjson.Int), System: bsonjson.ID},
		{Name: "at", Shape: shape(bsonjson.Date), Default: &bsonjson.Default{Generate: bsonjson.Now}},
		{Name: "key", Shape: shape(bsonjson.UUID), Default: &bsonjson.Default{Generate: bsonjson.NewUUID}},
		{Name: "text", Shape: shape(bsonjson.String), Default: &bsonjson.Default{Generate: bsonjson.NewUUID}},
		{Name: "n", Shape: shape(bsonjson.Int), Default: &bsonjson.Default{Value: bsonjson.IntValue(7)}},
	}, false)
	var faults fault.List
	got, err := bsonjson.Decode([]byte(`{"id":4,"n":1}`), fields, bsonjson.Options{Defaults: true, Now: now}, &faults)
	if err != nil || len(faults.Items) > 0 {
		t.Fatal(err, faults)
	}
	if got.System[bsonjson.ID].AsInt64() != 4 || got.Body.Lookup("n").AsInt64() != 1 || !got.Body.Lookup("at").Time().Equal(now) {
		t.Errorf("got %v", got)
	}
	if text := got.Body.Lookup("text").StringValue(); len(text) != 36 {
		t.Errorf("the text uuid is %q", text)
	}
	if kind, data := got.Body.Lookup("key").Binary(); kind != 4 || len(data) != 16 {
		t.Errorf("the uuid is %v %v", kind, data)
	}
}

func TestExtended(t *testing.T) {
	for src, want := range map[string]string{
		`{"_id":{"$oid":"507f1f77bcf86cd799439011"},"name":"x"}`:             `{"name":"x"}`,
		`{"age":{"$numberInt":"5"}}`:                                         `{"age":5}`,
		`{"age":{"$numberLong":"-9223372036854775808"}}`:                     `{"age":-9223372036854775808}`,
		`{"age":{"$numberDouble":"5.0"}}`:                                    `{"age":5}`,
		`{"score":{"$numberInt":"5"}}`:                                       `{"score":5.0}`,
		`{"score":4}`:                                                        `{"score":4.0}`,
		`{"price":{"$numberDecimal":"1.10"}}`:                                `{"price":"1.10"}`,
		`{"born":{"$date":{"$numberLong":"-1000"}}}`:                         `{"born":"1969-12-31T23:59:59.000Z"}`,
		`{"born":{"$date":"2009-04-01T00:00:00.000-0700"}}`:                  `{"born":"2009-04-01T07:00:00.000Z"}`,
		`{"born":{"$date":1000}}`:                                            `{"born":"1970-01-01T00:00:01.000Z"}`,
		`{"name":{"$oid":"507f1f77bcf86cd799439011"}}`:                       `{"name":"507f1f77bcf86cd799439011"}`,
		`{"extra":[{"$oid":"507f1f77bcf86cd799439011"},{"$numberInt":"1"}]}`: `{"extra":["507f1f77bcf86cd799439011",1]}`,
		`{"data":{"$binary":{"base64":"aGk=","subType":"00"}}}`:              `{"data":"aGk="}`,
		`{"data":{"$binary":"aGk=","$type":"00"}}`:                           `{"data":"aGk="}`,
		`{"uuid":{"$uuid":"0190b6f4-8f5c-7a3e-9c1d-2b4e6f8a0c1e"}}`:          `{"uuid":"0190b6f4-8f5c-7a3e-9c1d-2b4e6f8a0c1e"}`,
	} {
		got, faults := decode(t, src, bsonjson.Options{Extended: true})
		if text := string(bsonjson.AppendDocument(nil, got.Body)); text != want || len(faults) > 0 {
			t.Errorf("%s\n got %s %v\nwant %s", src, text, faults, want)
		}
	}
	for src, want := range map[string]string{
		`{"age":{"$numberLong":"x"}}`:                 "/age format",
		`{"age":{"$oid":"507f1f77bcf86cd799439011"}}`: "/age type",
		`{"born":{"$date":"yesterday"}}`:              "/born format",
		`{"extra":{"$timestamp":{"t":1,"i":1}}}`:      "/extra/$timestamp name",
		`{"score":{"$numberDouble":"NaN"}}`:           "/score format",
	} {
		_, faults := decode(t, src, bsonjson.Options{Extended: true})
		if len(faults) != 1 || faults[0].Pointer+" "+faults[0].Code != want {
			t.Errorf("%s: got %v, want %s", src, faults, want)
		}
	}
}

// TestAppendExtended compares with the driver's own encoder.
func TestAppendExtended(t *testing.T) {
	doc := bson.D{
		{Key: "a", Value: int32(1)}, {Key: "b", Value: int64(2)}, {Key: "c", Value: 2.5}, {Key: "d", Value: "x\n"}, {Key: "e", Value: true},
		{Key: "f", Value: nil}, {Key: "g", Value: bson.NewObjectID()}, {Key: "h", Value: bson.DateTime(1234)}, {Key: "i", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}},
		{Key: "j", Value: bson.D{{Key: "k", Value: bson.A{int32(1), "y"}}}}, {Key: "l", Value: bson.Regex{Pattern: "a", Options: "i"}},
		{Key: "m", Value: bson.Timestamp{T: 1, I: 2}}, {Key: "n", Value: math.Inf(-1)}, {Key: "o", Value: bson.MinKey{}},
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	want, err := bson.MarshalExtJSON(doc, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := bsonjson.AppendExtended(nil, raw); string(got) != string(want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestMerge runs the examples of RFC 7396, appendix A, that are objects.
func TestMerge(t *testing.T) {
	open := bsonjson.NewFields(nil, true)
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		target, patch := mustDecode(t, c[0], open, bsonjson.Options{}), mustDecode(t, c[1], open, bsonjson.Options{Patch: true})
		if got := string(bsonjson.AppendDocument(nil, bsonjson.Merge(target, patch, open, time.Time{}))); got != c[2] {
			t.Errorf("%s + %s = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestMergeFillsDefaultsOfNewObjects(t *testing.T) {
	patch := mustDecode(t, `{"address":{"city":"Oslo"}}`, person, bsonjson.Options{Patch: true})
	got := bsonjson.Merge(mustDecode(t, `{"name":"x"}`, person, bsonjson.Options{}), patch, person, time.Time{})
	if text, want := string(bsonjson.AppendDocument(nil, got)), `{"name":"x","address":{"city":"Oslo","zip":"00000"}}`; text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

func mustDecode(t *testing.T, src string, fields *bsonjson.Fields, opts bsonjson.Options) bson.Raw {
	t.Helper()
	var faults fault.List
	got, err := bsonjson.Decode([]byte(src), fields, opts, &faults)
	if err != nil || len(faults.Items) > 0 {
		t.Fatal(src, err, faults.Items)
	}
	return got.Body
}

func TestParseText(t *testing.T) {
	for _, c := range []struct {
		text string
		kind bsonjson.Kind
		ok   bool
	}{
		{"5", bsonjson.Int, true}, {"5.0", bsonjson.Int, false}, {"1e1", bsonjson.Int, false}, {"x", bsonjson.Int, false}, {"", bsonjson.Int, false}, {"5", bsonjson.String, true}, {"", bsonjson.String, true},
		{"1.5", bsonjson.Double, true}, {"true", bsonjson.Bool, true}, {"1", bsonjson.Bool, false}, {"507f1f77bcf86cd799439011", bsonjson.ObjectID, true},
		{"null", bsonjson.String, true}, {"\xff", bsonjson.String, false},
	} {
		if _, err := bsonjson.ParseText(c.text, shape(c.kind)); (err == nil) != c.ok {
			t.Errorf("%q as %v: %v", c.text, c.kind, err)
		}
	}
}

func TestAnyKeepsTheSignOfZero(t *testing.T) {
	got := mustDecode(t, `{"a":-0,"b":0,"c":-0.0}`, bsonjson.NewFields(nil, true), bsonjson.Options{})
	if text, want := string(bsonjson.AppendDocument(nil, got)), `{"a":-0.0,"b":0,"c":-0.0}`; text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

// TestRoundTrip holds that any JSON value comes back the same from an any field.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]any{"extra": anyJSON(3).Draw(t, "value")}
		src, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var faults fault.List
		got, err := bsonjson.Decode(src, person, bsonjson.Options{}, &faults)
		if err != nil || len(faults.Items) > 0 {
			t.Fatal(string(src), err, faults)
		}
		first := bsonjson.AppendDocument(nil, got.Body)
		again, err := bsonjson.Decode(first, person, bsonjson.Options{}, &faults)
		if err != nil || string(again.Body) != string(got.Body) {
			t.Fatalf("%s came back as %s: %v", src, first, err)
		}
		var back any
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(back) != fmt.Sprint(normal(t, want)) {
			t.Fatalf("%s\n%s", src, first)
		}
	})
}

func normal(t *rapid.T, v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// writtenAsDouble leaves out the numbers that encoding/json writes as whole ones
// beyond an int64: an any field refuses those rather than lose digits.
func writtenAsDouble(f float64) bool { return math.Abs(f) < 1<<62 || math.Abs(f) >= 1e21 }

func anyJSON(depth int) *rapid.Generator[any] {
	name := rapid.StringMatching(`[a-zé"\\ /.]{0,6}`)
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e300, 1e300).Filter(writtenAsDouble).AsAny(), rapid.String().AsAny(),
	}
	if depth > 0 {
		leaves = append(leaves, rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(depth - 1) }), 0, 4).AsAny(),
			rapid.MapOfN(name, rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(depth - 1) }), 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

// FuzzDecode holds that Decode never panics, takes what a strict JSON reader
// takes, and writes valid BSON that encodes to valid JSON.
func FuzzDecode(f *testing.F) {
	for _, src := range malformed {
		if len(src) < 1000 {
			f.Add([]byte(src))
		}
	}
	f.Add([]byte(`{"name":"Ada","age":36,"tags":["a"],"address":{"city":"x"},"extra":{"a":[1,2.5,null]}}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		var faults fault.List
		got, err := bsonjson.Decode(src, person, bsonjson.Options{}, &faults)
		if want := jsontext.Value(src).IsValid(); want != (!fault.Is(err, fault.MalformedJSON)) && !strings.Contains(fmt.Sprint(err), "levels") {
			t.Fatalf("%q: %v, and the strict reader says %v", src, err, want)
		}
		if err != nil {
			return
		}
		if err := got.Body.Validate(); err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		if out := bsonjson.AppendDocument(nil, got.Body); !jsontext.Value(out).IsValid() {
			t.Fatalf("%q became %q", src, out)
		}
		bsonjson.Decode(src, person, bsonjson.Options{Extended: true, Patch: true, Defaults: true}, &faults)
	})
}

// FuzzEncode holds that bytes that are no BSON do no harm.
func FuzzEncode(f *testing.F) {
	raw, _ := bson.Marshal(bson.D{{Key: "a", Value: 1}, {Key: "b", Value: bson.A{"x", bson.Regex{Pattern: "a"}}}})
	f.Add([]byte(raw))
	f.Fuzz(func(t *testing.T, raw []byte) {
		bsonjson.AppendDocument(nil, raw)
		bsonjson.AppendExtended(nil, raw)
		bsonjson.Merge(raw, raw, bsonjson.NewFields(nil, true), time.Time{})
	})
}

var sample = []byte(`{"name":"Ada Lovelace","email":"ada.lovelace@example.com","age":36,"score":98.5,"active":true,"born":"1815-12-10T00:00:00.000Z","tags":["mathematics","engines","notes","poetry"],"address":{"city":"London","zip":"W1K 7NG"},"nick":"the enchantress of numbers","oid":"507f1f77bcf86cd799439011","extra":{"source":"import","line":1234,"note":"a document of about four hundred bytes"}}`)

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(sample)))
	for b.Loop() {
		var faults fault.List
		if _, err := bsonjson.Decode(sample, person, bsonjson.Options{Defaults: true}, &faults); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeDriver(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var raw bson.Raw
		if err := bson.UnmarshalExtJSON(sample, false, &raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	var faults fault.List
	doc, err := bsonjson.Decode(sample, person, bsonjson.Options{}, &faults)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	dst := make([]byte, 0, 512) // reused, as the service does with its answers
	for b.Loop() {
		dst = bsonjson.AppendDocument(dst[:0], doc.Body)
	}
}

func BenchmarkEncodeDriver(b *testing.B) {
	var faults fault.List
	doc, err := bsonjson.Decode(sample, person, bsonjson.Options{}, &faults)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bson.MarshalExtJSON(doc.Body, false, false); err != nil {
			b.Fatal(err)
		}
	}
}
