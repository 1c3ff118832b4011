package migrate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func value(v any) bson.RawValue {
	return encoded(bson.D{{Key: "v", Value: v}}).Lookup("v")
}

// shell is a document as it is read, without the id and what a change stamps.
func shell(t *testing.T, doc bson.Raw) string {
	t.Helper()
	var d, kept bson.D
	if err := bson.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	for _, e := range d {
		if e.Key != "_id" && e.Key != "version" && e.Key != "updatedAt" {
			kept = append(kept, e)
		}
	}
	text, err := bson.MarshalExtJSON(kept, true, false)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `"`, "")
}

// changedBy returns what a change makes of a document, and its version then.
func changedBy(t *testing.T, change Change, doc bson.D) (string, int64, error) {
	t.Helper()
	s := open(t)
	mustInsert(t, s, "people", append(bson.D{{Key: "_id", Value: 1}, {Key: "version", Value: int64(1)}}, doc...))
	all := []*Migration{{Name: "0001_a", Up: []Step{{Kind: Update, Collection: "people", Change: &change}}}}
	_, err := Up(t.Context(), quick(s), all, "")
	after := contents(t, s, "people")[0]
	return shell(t, after), after.Lookup("version").Int64(), err
}

func TestChanges(t *testing.T) {
	field := func(v any) bson.D { return bson.D{{Key: "a", Value: v}} }
	convert := func(to string) Change { return Change{Convert: &Convert{Field: "a", To: to}} }
	split := Change{Split: &Split{Field: "a", By: " ", Into: []string{"first", "last"}}}
	date := time.UnixMilli(1_700_000_000_000).UTC()
	id := bson.ObjectID{1, 2}
	for i, test := range []struct {
		change Change
		doc    bson.D
		want   string // the same document where it is empty
	}{
		{Change{Rename: &Rename{"a", "b"}}, field("x"), `{b:x}`},
		{Change{Rename: &Rename{"a", "b"}}, field(nil), `{b:null}`},
		{Change{Rename: &Rename{"a", "b"}}, bson.D{{Key: "c", Value: 1}}, ``},
		{Change{Rename: &Rename{"a", "b"}}, bson.D{{Key: "a", Value: "x"}, {Key: "b", Value: "y"}}, ``},
		{Change{Rename: &Rename{"o.a", "o.b"}}, bson.D{{Key: "o", Value: field("x")}}, `{o:{b:x}}`},
		{Change{Filter: encoded(field("y")), Rename: &Rename{"a", "b"}}, field("x"), ``},
		{Change{SetDefault: &SetDefault{Field: "b", Value: value("$a")}}, field("x"), `{a:x,b:$a}`},
		{Change{SetDefault: &SetDefault{Field: "a", Value: value("y")}}, field("x"), ``},
		{Change{SetDefault: &SetDefault{Field: "a", Value: value("y")}}, field(nil), ``},
		{Change{SetDefault: &SetDefault{Field: "o.a", Value: value("y")}}, bson.D{{Key: "o", Value: bson.D{}}}, `{o:{a:y}}`},
		{Change{SetDefault: &SetDefault{Field: "o.a", Value: value("y")}}, field("x"), ``},
		{convert("int"), field("12"), `{a:{$numberLong:12}}`},
		{convert("int"), field(int32(12)), `{a:{$numberLong:12}}`},
		{convert("int"), field(12.0), `{a:{$numberLong:12}}`},
		{convert("int"), field(int64(12)), ``},
		{convert("int"), field(nil), ``},
		{convert("double"), field("1.5"), `{a:{$numberDouble:1.5}}`},
		{convert("decimal"), field("1.50"), `{a:{$numberDecimal:1.50}}`},
		{convert("string"), field(12), `{a:12}`},
		{convert("string"), field(id), `{a:` + id.Hex() + `}`},
		{convert("string"), field(date), `{a:2023-11-14T22:13:20.000Z}`},
		{convert("date"), field("2023-11-14T22:13:20Z"), `{a:{$date:{$numberLong:1700000000000}}}`},
		{convert("objectId"), field(id.Hex()), `{a:{$oid:` + id.Hex() + `}}`},
		{convert("bool"), field("false"), `{a:false}`},
		{convert("bool"), field("True"), `{a:true}`},
		{convert("bool"), field("0"), `{a:false}`},
		{convert("bool"), field(1), `{a:true}`},
		{split, field("Ada Lovelace"), `{a:Ada Lovelace,first:Ada,last:Lovelace}`},
		{split, field("Ada King Lovelace"), `{a:Ada King Lovelace,first:Ada,last:King Lovelace}`},
		{split, field("Ada"), `{a:Ada,first:Ada}`},
		{split, field(12), ``},
		{Change{Split: &Split{Field: "a", By: " ", Into: []string{"a", "last"}}}, field("Ada Lovelace"), `{a:Ada,last:Lovelace}`},
		{Change{Unset: []string{"a", "o.b"}}, bson.D{{Key: "a", Value: 1}, {Key: "c", Value: "x"}}, `{c:x}`},
		{Change{Unset: []string{"a"}}, bson.D{{Key: "c", Value: "x"}}, ``},
		{Change{Pipeline: []bson.Raw{set("b", "$a")}}, field("x"), `{a:x,b:x}`},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			want, version := test.want, int64(2)
			if want == "" {
				want, version = shell(t, encoded(test.doc)), 1
			}
			got, gotVersion, err := changedBy(t, test.change, test.doc)
			if err != nil || got != want || gotVersion != version {
				t.Errorf("%+v becomes %s in version %d, want %s in %d (%v)", test.doc, got, gotVersion, want, version, err)
			}
		})
	}
}

// A value that does not convert, or not without a loss, stops the run.
func TestConversionsThatFail(t *testing.T) {
	for to, values := range map[string][]any{
		"int":      {"1.5", "x", 1.5, true, bson.D{}, "99999999999999999999"},
		"double":   {"x", ""},
		"bool":     {"yes", "perhaps"},
		"date":     {"soon"},
		"objectId": {"x", 12},
	} {
		for _, v := range values {
			got, version, err := changedBy(t, Change{Convert: &Convert{Field: "a", To: to}}, bson.D{{Key: "a", Value: v}})
			if to == "int" && v == true {
				continue // MongoDB takes it for 1
			}
			if err == nil || version != 1 || !strings.Contains(err.Error(), "the document of people with id 1 cannot be changed: ") {
				t.Errorf("%v becomes the %s %s (%v)", v, to, got, err)
			}
		}
	}
}
