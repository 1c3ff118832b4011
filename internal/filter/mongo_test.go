package filter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// TestPatternsMeanTheSameToMongoDB makes patterns of all that RE2 has, with
// every option, and holds that Go's engine and MongoDB's select the same texts.
func TestPatternsMeanTheSameToMongoDB(t *testing.T) {
	atoms := []string{`a`, `b`, `Z`, `\d`, `\s`, `\W`, `.`, `[a-c]`, `[^b\-]`, `[^\d\s]`, `\b`, `^`, `$`, `(?i:k)`, `(?s:.)`, `(?m:^a$)`,
		`\x{1F600}`, `é`, `\pL`, `(a|bc)`, `(?:x*)`, `a+?`, `b{1,2}`, `\.`, `-`, `[[:punct:]]`, `\n`, `/`, `\x00`, `(\d{1,3}\.){2}`, `\A`, `\z`, `$\n`}
	letters := []string{"", "a", "b", "c", "Z", "k", "K", "\u212a", "x", " ", "1", ".", "-", "\n", "\t", "é", "É", "\U0001F600", "/", "\x00", "12.3.", "ab\n"}
	g := generator{rand.New(rand.NewPCG(1, 2026))}
	docs := make([]bson.Raw, 300)
	for i := range docs {
		text := pick(g, letters...) + pick(g, letters...) + pick(g, letters...) + pick(g, letters...)
		docs[i] = marshal(t, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: text}})
	}
	collection := database(t).Collection("patterns")
	if _, err := collection.InsertMany(context.Background(), docs); err != nil {
		t.Fatal(err)
	}
	for range 400 {
		pattern := strings.Join([]string{pick(g, atoms...), pick(g, atoms...), pick(g, atoms...)}, pick(g, "", "", "|"))
		agree(t, collection, docs, fmt.Sprintf(`{"s": {"$regex": %s, "$options": %q}}`, quoted(t, pattern), pick(g, "", "i", "m", "s", "im", "ims")))
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	out, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func marshal(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestAnchoredPatternsAreServedByAnIndex counts the keys that MongoDB looks at.
func TestAnchoredPatternsAreServedByAnIndex(t *testing.T) {
	const documents = 1000
	db := database(t)
	collection := db.Collection("anchored")
	docs := make([]bson.Raw, documents)
	for i := range docs {
		docs[i] = marshal(t, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: fmt.Sprintf("a/b-%03d", i)}})
	}
	if _, err := collection.InsertMany(context.Background(), docs); err != nil {
		t.Fatal(err)
	}
	if _, err := collection.Indexes().CreateOne(context.Background(), mongo.IndexModel{Keys: bson.D{{Key: "s", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		pattern, options string
		most             int64
	}{
		{`^a/b-00`, ``, 11}, {`\Aa/b-00\d`, ``, 11}, {`^a/b-00\d$`, ``, 11}, {`^(a/b-00)`, ``, 11}, {`^a/b-00[5-7]`, ``, 11}, {`^a\/b\-00`, `s`, 11},
		{`^a/b-00`, `i`, documents}, {`a/b-00`, ``, documents},
	}
	for _, test := range tests {
		bound := mustBind(t, fmt.Sprintf(`{"s": {"$regex": %s, "$options": %q}}`, quoted(t, test.pattern), test.options))
		var plan struct {
			ExecutionStats struct {
				TotalKeysExamined int64 `bson:"totalKeysExamined"`
				NReturned         int64 `bson:"nReturned"`
			} `bson:"executionStats"`
		}
		command := bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: "anchored"}, {Key: "filter", Value: bound.BSON()}}}, {Key: "verbosity", Value: "executionStats"}}
		if err := db.RunCommand(context.Background(), command).Decode(&plan); err != nil {
			t.Fatal(err)
		}
		if stats := plan.ExecutionStats; stats.TotalKeysExamined > test.most || stats.NReturned == 0 {
			t.Errorf("%s (%s): %d keys for %d documents; want at most %d keys", test.pattern, test.options, stats.TotalKeysExamined, stats.NReturned, test.most)
		}
	}
}

var placed = bsonjson.NewFields([]bsonjson.Field{
	{Name: "id", Shape: &bsonjson.Shape{Kind: bsonjson.Int}, System: bsonjson.ID},
	{Name: "name", Shape: &bsonjson.Shape{Kind: bsonjson.String}},
	{Name: "at", Shape: &bsonjson.Shape{Kind: bsonjson.Geo}},
}, false)

// indexed is a resolver with a text index, and with a geo index on at.
func indexed(path string) (filter.Target, error) {
	if path == filter.TextIndex {
		return filter.Target{}, nil
	}
	target, err := filter.Fields(placed)(path)
	target.Near = path == "at"
	return target, err
}

// TestMongoDBServesWhatItAloneCan runs the operators that Match leaves to
// MongoDB: near and within on the globe, and words.
func TestMongoDBServesWhatItAloneCan(t *testing.T) {
	collection := places(t)
	square := `{"type": "Polygon", "coordinates": [[[2, 48], [3, 48], [3, 49], [2, 49], [2, 48]]]}`
	tests := []struct {
		filter string
		want   []int
	}{
		{`{"at": {"$geoWithin": {"$geometry": ` + square + `}}}`, []int{1, 2}},
		{`{"at": {"$geoWithin": {"$geometry": {"type": "MultiPolygon", "coordinates": [[[[2, 48], [3, 48], [3, 49], [2, 49], [2, 48]]], [[[4, 45], [5, 45], [5, 46], [4, 46], [4, 45]]]]}}}}`, []int{1, 2, 3}},
		{`{"at": {"$geoWithin": {"$centerSphere": [[2.35, 48.86], 0.001]}}}`, []int{1, 2}},
		{`{"at": {"$geoWithin": {"$centerSphere": [[0, 0], 3.14159]}}}`, []int{1, 2, 3}},
		{`{"at": {"$geoWithin": {"$box": [[2, 45], [5, 48.85]]}}}`, []int{1, 3}},
		{`{"at": {"$not": {"$geoWithin": {"$geometry": ` + square + `}}}}`, []int{3, 4}},
		{`{"$or": [{"name": "Mimi"}, {"at": {"$geoWithin": {"$geometry": ` + square + `}}}]}`, []int{1, 2, 3}},
		{`{"at": {"$near": {"$geometry": {"type": "Point", "coordinates": [2.3358, 48.8671]}}}}`, []int{2, 1, 3}},
		{`{"at": {"$near": {"$geometry": {"type": "Point", "coordinates": [2.3358, 48.8671]}, "$minDistance": 100, "$maxDistance": 5000.5}}, "name": {"$ne": "x"}}`, []int{1}},
		{`{"$text": {"$search": "noodle soup"}}`, []int{2}},
		{`{"$and": [{"$text": {"$search": "NOODLES -counter", "$language": "EN"}}, {"name": {"$exists": true}}]}`, []int{}},
		{`{"$text": {"$search": "Noodles", "$caseSensitive": true, "$diacriticSensitive": true}}`, []int{2}},
	}
	for _, test := range tests {
		var faults fault.List
		bound := filter.Parse([]byte(test.filter), "", &faults).Bind(indexed, &faults)
		if bound == nil {
			t.Errorf("%s: %v", test.filter, faults.Items)
			continue
		}
		if bound.Matchable() || bound.Match(bson.Raw{5, 0, 0, 0, 0}) {
			t.Errorf("%s is matched in memory", test.filter)
		}
		if got := find(t, collection, bound); !slices.Equal(got, test.want) {
			t.Errorf("%s finds %v; want %v", test.filter, got, test.want)
		}
	}
}

func places(t *testing.T) *mongo.Collection {
	t.Helper()
	collection := database(t).Collection("places")
	point := func(longitude, latitude float64) bson.D {
		return bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{longitude, latitude}}}
	}
	docs := []bson.D{
		{{Key: "_id", Value: 1}, {Key: "name", Value: "Luigi"}, {Key: "at", Value: point(2.3522, 48.8443)}},
		{{Key: "_id", Value: 2}, {Key: "name", Value: "Noodles at the counter"}, {Key: "at", Value: point(2.3358, 48.8671)}},
		{{Key: "_id", Value: 3}, {Key: "name", Value: "Mimi"}, {Key: "at", Value: point(4.8357, 45.764)}},
		{{Key: "_id", Value: 4}},
	}
	if _, err := collection.InsertMany(context.Background(), docs); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []bson.D{{{Key: "at", Value: "2dsphere"}}, {{Key: "name", Value: "text"}}} {
		if _, err := collection.Indexes().CreateOne(context.Background(), mongo.IndexModel{Keys: keys}); err != nil {
			t.Fatal(err)
		}
	}
	return collection
}

// find returns the ids that a filter selects, in the order of MongoDB for near.
func find(t *testing.T, collection *mongo.Collection, bound *filter.Bound) []int {
	t.Helper()
	o := options.Find()
	if !bound.Has(filter.Near) {
		o.SetSort(bson.D{{Key: "_id", Value: 1}})
	}
	cursor, err := collection.Find(context.Background(), bound.BSON(), o)
	if err != nil {
		t.Fatalf("%v: %v", bound.BSON(), err)
	}
	var found []struct {
		ID int `bson:"_id"`
	}
	if err := cursor.All(context.Background(), &found); err != nil {
		t.Fatal(err)
	}
	ids := make([]int, len(found))
	for i, f := range found {
		ids[i] = f.ID
	}
	return ids
}

func TestMongoDBTakesEveryLanguage(t *testing.T) {
	collection := places(t)
	for _, language := range filter.Languages() {
		var faults fault.List
		src := fmt.Sprintf(`{"$text": {"$search": "x", "$language": %q}}`, language)
		find(t, collection, filter.Parse([]byte(src), "", &faults).Bind(indexed, &faults))
	}
}
