package filter_test

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

func bindEverything(t *testing.T, src string) *filter.Bound {
	t.Helper()
	var faults fault.List
	tree := filter.Parse([]byte(src), "", &faults)
	if tree == nil {
		t.Fatalf("%s: %v", src, faults.Items)
	}
	bound := tree.Bind(everything, &faults)
	if bound == nil {
		t.Fatalf("%s: %v", src, faults.Items)
	}
	return bound
}

func extended(t *testing.T, filter bson.D) string {
	t.Helper()
	text, err := bson.MarshalExtJSON(filter, true, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestQuantifiersKeepTheFilterOfTheOtherSide holds which operator a relation is
// asked with, and what of the related documents.
func TestQuantifiersKeepTheFilterOfTheOtherSide(t *testing.T) {
	tests := []struct {
		filter string
		op     filter.Op
		want   string
	}{
		{`{"friends": {"$some": {"age": 5}}}`, filter.Some, `{"age":{"$eq":{"$numberLong":"5"}}}`},
		{`{"friends": {"$every": {"age": 5, "id": "0123456789abcdef01234567"}}}`, filter.Every,
			`{"age":{"$eq":{"$numberLong":"5"}},"_id":{"$eq":{"$oid":"0123456789abcdef01234567"}}}`},
		{`{"friends": {"$none": {}}}`, filter.None, `{}`},
		{`{"best": {"$is": {"age": 5}}}`, filter.Is, `{"age":{"$eq":{"$numberLong":"5"}}}`},
		{`{"best": {"$isNot": {"age": 5}}}`, filter.IsNot, `{"age":{"$eq":{"$numberLong":"5"}}}`},
		{`{"best": {"$is": null}}`, filter.IsNot, `{}`},
		{`{"best": {"$isNot": null}}`, filter.Is, `{}`},
		{`{"best": {"$some": {"age": 5}}}`, filter.Is, `{"age":{"$eq":{"$numberLong":"5"}}}`},
		{`{"best": {"$none": {"age": 5}}}`, filter.IsNot, `{"age":{"$eq":{"$numberLong":"5"}}}`},
		{`{"best": {"$every": {"age": 5}}}`, filter.IsNot, `{"$nor":[{"age":{"$eq":{"$numberLong":"5"}}}]}`},
	}
	for _, test := range tests {
		bound := bindEverything(t, test.filter)
		if !bound.HasRelations() || bound.Matchable() {
			t.Errorf("%s asks about no relation", test.filter)
		}
		var asked *filter.Node
		resolved, err := bound.Resolve(func(n *filter.Node) (*filter.Node, error) {
			asked = n
			return filter.InValues(filter.Target{Stored: "friendIds"}, []bson.RawValue{bsonjson.IntValue(7)}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := extended(t, asked.Related().BSON()); asked.Op != test.op || got != test.want {
			t.Errorf("%s is %s of %s; want %s of %s", test.filter, asked.Op, got, test.op, test.want)
		}
		if got, want := extended(t, resolved.BSON()), `{"friendIds":{"$in":[{"$numberLong":"7"}]}}`; got != want {
			t.Errorf("%s resolves to %s", test.filter, got)
		}
	}
}

func TestResolveReplacesWhereverItStands(t *testing.T) {
	bound := bindEverything(t, `{"age": 1, "friends": {"$some": {"best": {"$is": {}}}}, "$or": [{"best": {"$is": {}}}, {"$nor": [{"friends": {"$none": {}}}]}]}`)
	calls := 0
	resolved, err := bound.Resolve(func(n *filter.Node) (*filter.Node, error) {
		calls++
		if n.Op == filter.None {
			return filter.Combine(filter.And), nil
		}
		return filter.Compare(filter.Target{Stored: n.Path}, filter.Gt, bsonjson.IntValue(0)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"age":{"$eq":{"$numberLong":"1"}},"friends":{"$gt":{"$numberLong":"0"}},"$or":[{"best":{"$gt":{"$numberLong":"0"}}},{"$nor":[{}]}]}`
	if got := extended(t, resolved.BSON()); got != want || calls != 3 {
		t.Errorf("%d calls\n got %s\nwant %s", calls, got, want)
	}
	if !bound.HasRelations() || resolved.HasRelations() {
		t.Error("Resolve changed the filter, or not the copy")
	}
}

func TestResolveStopsAtAnError(t *testing.T) {
	failure := errors.New("no database")
	bound := bindEverything(t, `{"friends": {"$some": {}}, "best": {"$is": {}}}`)
	if _, err := bound.Resolve(func(*filter.Node) (*filter.Node, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if _, err := bound.Resolve(func(n *filter.Node) (*filter.Node, error) { return n, nil }); err == nil {
		t.Error("a condition about related documents was left")
	}
	plain := bindEverything(t, `{"age": 1}`)
	if resolved, err := plain.Resolve(nil); err != nil || resolved != plain {
		t.Errorf("a filter without relations: %v, %v", resolved, err)
	}
}

func TestConditionsMadeInCode(t *testing.T) {
	age, status := filter.Target{Stored: "age"}, filter.Target{Stored: "status"}
	five, active := bsonjson.IntValue(5), bsonjson.StringValue("active")
	either := filter.Combine(filter.Or, filter.Compare(age, filter.Gt, five), filter.Combine(filter.And, filter.Compare(age, filter.Eq, five), filter.Compare(status, filter.Gt, active)))
	bound := filter.Where(filter.InValues(status, []bson.RawValue{active}), either)
	want := `{"status":{"$in":["active"]},"$or":[{"age":{"$gt":{"$numberLong":"5"}}},{"age":{"$eq":{"$numberLong":"5"}},"status":{"$gt":"active"}}]}`
	if got := extended(t, bound.BSON()); got != want {
		t.Errorf("got %s", got)
	}
	var none *filter.Bound
	if none.And(bound) != bound || bound.And(nil) != bound || none.And(nil) != nil {
		t.Error("nil does not admit everything")
	}
	both := bound.And(filter.Where(filter.Combine(filter.Or)))
	if got := extended(t, both.BSON()); got != want[:len(want)-1]+`,"_id":{"$in":[]}}` {
		t.Errorf("got %s", got)
	}
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: 1}, {Key: "age", Value: 6}, {Key: "status", Value: "active"}})
	if err != nil {
		t.Fatal(err)
	}
	if !bound.Match(doc) || both.Match(doc) || !filter.Where().Match(doc) || !filter.Where(filter.Combine(filter.Nor)).Match(doc) {
		t.Error("what is made in code does not match")
	}
}
