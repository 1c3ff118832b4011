package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// fields are of every way in which a path can lead on.
var fields = bsonjson.NewFields([]bsonjson.Field{
	{Name: "id", Shape: &bsonjson.Shape{Kind: bsonjson.ObjectID}, System: bsonjson.ID},
	{Name: "status", Shape: &bsonjson.Shape{Kind: bsonjson.String}},
	{Name: "email", Shape: &bsonjson.Shape{Kind: bsonjson.String, Transform: bsonjson.Lowercase}},
	{Name: "age", Shape: &bsonjson.Shape{Kind: bsonjson.Int}},
	{Name: "score", Shape: &bsonjson.Shape{Kind: bsonjson.Double}},
	{Name: "born", Shape: &bsonjson.Shape{Kind: bsonjson.Date}},
	{Name: "tags", Shape: &bsonjson.Shape{Kind: bsonjson.Array, Items: &bsonjson.Shape{Kind: bsonjson.String}}},
	{Name: "lines", Shape: &bsonjson.Shape{Kind: bsonjson.Array, Items: &bsonjson.Shape{Kind: bsonjson.Object,
		Fields: bsonjson.NewFields([]bsonjson.Field{{Name: "sku", Shape: &bsonjson.Shape{Kind: bsonjson.String}}}, false)}}},
	{Name: "address", Shape: &bsonjson.Shape{Kind: bsonjson.Object,
		Fields: bsonjson.NewFields([]bsonjson.Field{{Name: "city", Shape: &bsonjson.Shape{Kind: bsonjson.String}}}, true)}},
	{Name: "meta", Shape: &bsonjson.Shape{Kind: bsonjson.Any}},
	{Name: "version", Shape: &bsonjson.Shape{Kind: bsonjson.Int}, System: bsonjson.Version},
}, false)

// compile returns the MongoDB filter as Extended JSON, or the faults as lines
// of pointer, code and detail.
func compile(src string) (string, []string) {
	var faults fault.List
	tree := filter.Parse([]byte(src), "", &faults)
	var bound *filter.Bound
	if tree != nil {
		bound = tree.Bind(filter.Fields(fields), &faults)
	}
	var lines []string
	for _, item := range faults.Items {
		lines = append(lines, item.Pointer+" "+item.Code+": "+item.Detail)
	}
	if bound == nil {
		return "", lines
	}
	text, err := bson.MarshalExtJSON(bound.BSON(), true, false)
	if err != nil {
		return err.Error(), lines
	}
	return string(text), lines
}

func TestFiltersAreTypedBySchema(t *testing.T) {
	tests := []struct{ filter, want string }{
		{`{}`, `{}`},
		{`{"status": "active"}`, `{"status":{"$eq":"active"}}`},
		{`{"status": {"$eq": "a"}, "age": {"$gte": 18, "$lt": 2e1}}`,
			`{"status":{"$eq":"a"},"age":{"$gte":{"$numberLong":"18"},"$lt":{"$numberLong":"20"}}}`},
		{`{"id": "0123456789abcdef01234567"}`, `{"_id":{"$eq":{"$oid":"0123456789abcdef01234567"}}}`},
		{`{"born": {"$lt": "2000-01-01T00:00:00+01:00"}}`, `{"born":{"$lt":{"$date":{"$numberLong":"946681200000"}}}}`},
		{`{"score": {"$gt": 5}}`, `{"score":{"$gt":{"$numberDouble":"5.0"}}}`},
		{`{"email": "Ada@Example.com"}`, `{"email":{"$eq":"ada@example.com"}}`},
		{`{"status": null, "age": {"$in": [1, null]}}`, `{"status":{"$eq":null},"age":{"$in":[{"$numberLong":"1"},null]}}`},
		{`{"status": {"$nin": []}}`, `{"status":{"$nin":[]}}`},
		{`{"tags": "a"}`, `{"tags":{"$eq":"a"}}`},
		{`{"tags": ["a", "b"]}`, `{"tags":{"$eq":["a","b"]}}`},
		{`{"tags": {"$in": ["a", ["b"]]}}`, `{"tags":{"$in":["a",["b"]]}}`},
		{`{"tags.0": "a", "lines.sku": "x", "lines.12.sku": {"$ne": "y"}}`,
			`{"tags.0":{"$eq":"a"},"lines.sku":{"$eq":"x"},"lines.12.sku":{"$ne":"y"}}`},
		{`{"address": {"city": "Rome"}, "address.city": "Rome", "address.other": 1}`,
			`{"address":{"$eq":{"city":"Rome"}},"address.city":{"$eq":"Rome"},"address.other":{"$eq":{"$numberLong":"1"}}}`},
		{`{"meta.a.b": {"$gt": 1.5}, "meta": {"x": [1]}}`, `{"meta.a.b":{"$gt":{"$numberDouble":"1.5"}},"meta":{"$eq":{"x":[{"$numberLong":"1"}]}}}`},
		{`{"age": {"$exists": false}}`, `{"age":{"$exists":false}}`},
		{`{"age": {"$not": {"$gt": 5, "$lt": 9}}}`, `{"age":{"$not":{"$gt":{"$numberLong":"5"},"$lt":{"$numberLong":"9"}}}}`},
		{`{"$or": [{"age": 1}, {"age": 2, "status": "a"}]}`,
			`{"$or":[{"age":{"$eq":{"$numberLong":"1"}}},{"age":{"$eq":{"$numberLong":"2"}},"status":{"$eq":"a"}}]}`},
		{`{"$and": [{"age": {"$gt": 1}}, {"age": {"$lt": 5}}, {"age": {"$gt": 2}}]}`,
			`{"age":{"$gt":{"$numberLong":"1"},"$lt":{"$numberLong":"5"}},"$and":[{"age":{"$gt":{"$numberLong":"2"}}}]}`},
		{`{"$nor": [{"$and": [{"$or": [{"age": 1}]}, {"$or": [{"age": 2}]}]}]}`,
			`{"$nor":[{"$or":[{"age":{"$eq":{"$numberLong":"1"}}}],"$and":[{"$or":[{"age":{"$eq":{"$numberLong":"2"}}}]}]}]}`},
	}
	for _, test := range tests {
		got, faults := compile(test.filter)
		if got != test.want || len(faults) > 0 {
			t.Errorf("%s\n got %s %v\nwant %s", test.filter, got, faults, test.want)
		}
	}
}

func TestFaultyFiltersAreRefusedWithEveryFault(t *testing.T) {
	tests := []struct {
		filter string
		want   []string
	}{
		{`{"age": `, []string{` syntax: is not valid JSON: unexpected EOF at offset 8`}},
		{``, []string{` syntax: is not valid JSON: it is empty`}},
		{`{} {}`, []string{` syntax: is not valid JSON: it goes on after the object`}},
		{`{"age": 1, "age": 2}`, []string{` syntax: is not valid JSON: duplicate object member name at offset 11`}},
		{`[]`, []string{` type: must be an object of conditions`}},
		{`{"agee": 1, "statu": {"$gt": "a", "$lt": "b"}}`, []string{
			`/agee unknown-field: "agee" is not a field of the schema; did you mean "age"?`,
			`/statu/$gt unknown-field: "statu" is not a field of the schema; did you mean "status"?`,
			`/statu/$lt unknown-field: "statu" is not a field of the schema; did you mean "status"?`}},
		{`{"_id": 1}`, []string{`/_id unknown-field: "_id" is not a field of the schema; did you mean "id"?`}},
		{`{"": 1}`, []string{`/ unknown-field: "" is not a field of the schema`}},
		{`{"status.x": 1, "lines.x": 1, "lines.": 1, "a/b": 1}`, []string{
			`/status.x unknown-field: "status.x" leads into "status", which has no fields`,
			`/lines.x unknown-field: "lines.x" is not a field of the schema`,
			`/lines. unknown-field: "lines." is not a field of the schema`,
			`/a~1b unknown-field: "a/b" is not a field of the schema`}},
		{`{"age": "x", "born": 5, "id": "1", "status": {"$in": ["a", 1]}}`, []string{
			`/age type: must be an int: got the string "x"`,
			`/born type: must be a string that holds an RFC 3339 date-time: got the number 5`,
			`/id format: must be an objectId, which is 24 hexadecimal digits: got "1"`,
			`/status/$in/1 type: must be a string: got the number 1`}},
		{`{"age": {"$gt": null}}`, []string{`/age/$gt null: is null; leave it out, or declare the field nullable`}},
		{`{"age": {"$gtt": 1, "$where": 1, "$and": []}}`, []string{
			`/age/$gtt unknown-operator: $gtt is not an operator; did you mean "$gt"?`,
			`/age/$where unknown-operator: $where is not an operator`,
			`/age/$and unknown-operator: $and does not stand here; those that do are $not, $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $all, $size, $elemMatch, $regex, $geoWithin, $near, $some, $every, $none, $is, $isNot`}},
		{`{"$where": "1", "$expr": {}, "$gt": 1}`, []string{
			`/$where unknown-operator: $where is not an operator`,
			`/$expr unknown-operator: $expr is not an operator`,
			`/$gt unknown-operator: $gt does not stand here; those that do are $and, $or, $nor, $text`}},
		{`{"$or": {}, "$nor": [], "$and": [1]}`, []string{
			`/$or type: must be a list of conditions`,
			`/$nor type: must hold at least one condition`,
			`/$and/0 type: must be an object of conditions`}},
		{`{"age": {"$in": 1, "$exists": 1, "$not": 5}}`, []string{
			`/age/$in type: must be a list of values`,
			`/age/$exists type: must be true or false`,
			`/age/$not type: must be an object of operators, such as {"$gt": 5}`}},
		{`{"age": {"$gtt": 1}, "agee": 1, "born": 5, "status": {"$regex": "("}}`, []string{
			`/age/$gtt unknown-operator: $gtt is not an operator; did you mean "$gt"?`,
			`/status/$regex pattern: is not a regular expression: missing closing ): (`,
			`/agee unknown-field: "agee" is not a field of the schema; did you mean "age"?`,
			`/born type: must be a string that holds an RFC 3339 date-time: got the number 5`}},
		{`{"age": {"$gt": 1, "x": 2}}`, []string{`/age/x unknown-operator: x is not an operator`}},
	}
	for _, test := range tests {
		_, faults := compile(test.filter)
		if diff := cmp.Diff(test.want, faults); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.filter, diff)
		}
	}
}

func TestFilterLimits(t *testing.T) {
	deep := func(levels int) string {
		return strings.Repeat(`{"$or":[`, levels) + `{"age":1}` + strings.Repeat(`]}`, levels)
	}
	negated := func(levels int) string {
		return `{"age":` + strings.Repeat(`{"$not":`, levels) + `{"$gt":1}` + strings.Repeat(`}`, levels) + `}`
	}
	wide := func(conditions int) string {
		return `{"$or":[` + strings.TrimSuffix(strings.Repeat(`{"age":1},`, conditions), ",") + `]}`
	}
	listed := func(values int) string {
		return `{"age":{"$in":[` + strings.TrimSuffix(strings.Repeat(`1,`, values), ",") + `]}}`
	}
	tests := []struct {
		name string
		make func(int) string
		most int
		want string
	}{
		{"depth", deep, filter.MaxDepth - 1, "more than 20 levels deep"},
		{"negations", negated, filter.MaxDepth - 1, "more than 20 levels deep"},
		{"conditions", wide, filter.MaxConditions, "one condition more than the 200"},
		{"values", listed, filter.MaxValues, "more than 1000 values"},
	}
	for _, test := range tests {
		if _, faults := compile(test.make(test.most)); len(faults) > 0 {
			t.Errorf("%s: %d are refused: %v", test.name, test.most, faults)
		}
		_, faults := compile(test.make(test.most + 1))
		if len(faults) != 1 || !strings.Contains(faults[0], test.want) {
			t.Errorf("%s: faults %v; want one with %q", test.name, faults, test.want)
		}
	}
}

func TestParseKeepsThePrefixOfPointers(t *testing.T) {
	var faults fault.List
	filter.Parse([]byte(`{"$or": 1}`), "/operations/2/require", &faults)
	if got := faults.Items[0].Pointer; got != "/operations/2/require/$or" {
		t.Errorf("pointer %q", got)
	}
}

func TestBindLeavesTheTreeAsItIs(t *testing.T) {
	var faults fault.List
	tree := filter.Parse([]byte(`{"x": "1", "$or": [{"x": {"$in": ["2"]}}]}`), "", &faults)
	for _, kind := range []bsonjson.Kind{bsonjson.String, bsonjson.Any} {
		resolver := filter.Fields(bsonjson.NewFields([]bsonjson.Field{{Name: "x", Shape: &bsonjson.Shape{Kind: kind}}}, false))
		if bound := tree.Bind(resolver, &faults); bound == nil {
			t.Fatalf("%v", faults.Items)
		}
	}
	if tree.Bind(filter.Fields(fields), &faults) != nil {
		t.Error("Bind took a field that is not there")
	}
}

func TestWalkVisitsEveryCondition(t *testing.T) {
	var faults fault.List
	tree := filter.Parse([]byte(`{"age": {"$not": {"$gt": 5}}, "$or": [{"status": "a"}]}`), "", &faults)
	var visited []string
	tree.Bind(filter.Fields(fields), &faults).Walk(func(n *filter.Node) {
		visited = append(visited, fmt.Sprint(n.Pointer, " ", n.Op))
	})
	want := []string{" $and", "/age/$not $not", "/age/$not $and", "/age/$not/$gt $gt", "/$or $or", "/$or/0 $and", "/$or/0/status $eq"}
	if diff := cmp.Diff(want, visited); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestResolveNamesTheArraysOnTheWay(t *testing.T) {
	resolve := filter.Fields(fields)
	for path, want := range map[string][]string{
		"status": nil, "tags": {"tags"}, "lines.sku": {"lines"}, "lines.0.sku": {"lines"}, "address.city": nil,
	} {
		target, err := resolve(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(want, target.Arrays); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// FuzzParse holds that any text gives either a filter or a fault, that what a
// filter becomes is BSON, and that no filter makes Match fail.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"age": {"$not": {"$in": [1]}}}`, `{"$or": [{"tags": ["a"]}, {"meta.x": {"y": null}}]}`, `{"a": 1e999}`, `[`,
		`{"tags": {"$all": ["a"], "$size": 2, "$elemMatch": {"$gt": "a", "$not": {"$regex": "b"}}}}`,
		`{"lines": {"$all": [{"$elemMatch": {"sku": "x"}}], "$elemMatch": {"$or": [{"sku": {"$exists": true}}]}}}`,
		`{"status": {"$regex": "^a(b|c)*$", "$options": "ims"}}`, `{"$text": {"$search": "a", "$language": "en", "$caseSensitive": true}}`,
		`{"place": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 2]}, "$maxDistance": 5, "$minDistance": 1}}}`,
		`{"place": {"$geoWithin": {"$geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 0]]]}}}}`,
		`{"place": {"$geoWithin": {"$box": [[0, 0], [1, 1]]}}, "meta": {"$geoWithin": {"$centerSphere": [[0, 0], 1]}}}`,
		`{"friends": {"$every": {"best": {"$is": null}}}, "best": {"$none": {"age": 1}}}`,
	} {
		f.Add(seed)
	}
	doc, err := bson.Marshal(bson.D{{Key: "age", Value: 1}, {Key: "tags", Value: bson.A{"a", bson.A{}}}, {Key: "lines", Value: bson.A{bson.D{{Key: "sku", Value: "x"}}}},
		{Key: "meta", Value: bson.D{{Key: "x", Value: bson.A{1, nil}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		var faults fault.List
		tree := filter.Parse([]byte(src), "", &faults)
		if tree == nil && len(faults.Items) == 0 {
			t.Fatal("no tree and no fault")
		}
		if tree == nil {
			return
		}
		bound := tree.Bind(everything, &faults)
		if (bound == nil) != (len(faults.Items) > 0) {
			t.Fatalf("bound %v, faults %v", bound, faults.Items)
		}
		if bound == nil {
			return
		}
		if _, err := bson.Marshal(plain(t, bound).BSON()); err != nil {
			t.Fatal(err)
		}
		bound.Match(doc)
	})
}

// plain replaces what is asked of relations by conditions on fields.
func plain(t *testing.T, bound *filter.Bound) *filter.Bound {
	t.Helper()
	resolved, err := bound.Resolve(func(n *filter.Node) (*filter.Node, error) {
		inner := plain(t, n.Related())
		return filter.Combine(filter.Nor, filter.InValues(filter.Target{Stored: n.Path + "Id"}, nil), filter.Combine(filter.Or), inner.Root()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}
