package observe

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestShapesHoldNoValues(t *testing.T) {
	for filter, want := range map[string]string{
		`{}`: `{}`,
		`{"status": "secret", "age": {"$gte": 18, "$lt": 30}}`:                              `{status, age: {$gte, $lt}}`,
		`{"_id": {"$in": ["secret", "secret2"]}}`:                                           `{_id: {$in}}`,
		`{"$or": [{"a": "secret"}, {"a": "other"}, {"b": {"$not": {"$regex": "secret"}}}]}`: `{$or: [{a}, {b: {$not: {$regex}}}]}`,
		`{"items": {"$elemMatch": {"sku": "secret", "n": {"$gt": 1}}}}`:                     `{items: {$elemMatch: {sku, n: {$gt}}}}`,
		`{"address": {"street": "secret"}}`:                                                 `{address}`,
		`{"$expr": {"$gt": ["$a", "secret"]}, "$text": {"$search": "secret"}}`:              `{$expr, $text}`,
		`{"place": {"$near": {"$geometry": {"type": "Point", "coordinates": [1.5, 2.5]}}}}`: `{place: {$near}}`,
		`{"tags": {"$all": ["secret"]}, "$and": "secret", "x": {"$elemMatch": "secret"}}`:   `{tags: {$all}, $and: [], x: {$elemMatch}}`,
	} {
		var doc bson.Raw
		if err := bson.UnmarshalExtJSON([]byte(filter), false, &doc); err != nil {
			t.Fatal(err)
		}
		if got := ShapeOf(doc).String(); got != want {
			t.Errorf("the shape of %s is %s, want %s", filter, got, want)
		}
	}
	if got := (Shape{}).String(); got != "" {
		t.Errorf("the shape of nothing is %q", got)
	}
}

func TestShapesAreBounded(t *testing.T) {
	doc := bson.D{{Key: strings.Repeat("ü", 400), Value: 1}}
	for range 20 {
		doc = bson.D{{Key: "$and", Value: bson.A{doc}}}
	}
	for _, filter := range []bson.D{doc, {{Key: strings.Repeat("ü", 400), Value: 1}}} {
		raw, err := bson.Marshal(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := ShapeOf(raw).String(); len(got) > maxShape+len("…") {
			t.Errorf("%d bytes: %s", len(got), got)
		}
	}
}

func TestSlowLinesTellTheShape(t *testing.T) {
	filter, err := bson.Marshal(bson.D{{Key: "email", Value: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	command := Command{Name: "find", Collection: "users", Duration: slow, Filter: ShapeOf(filter)}
	line := logged(t, "info", func(ctx context.Context, o *Observer) { o.Command(ctx, command) })
	if line["filter"] != "{email}" || line["level"] != "WARN" {
		t.Errorf("the line of a slow command is %v", line)
	}
	command.Duration = slow / 2
	if line := logged(t, "debug", func(ctx context.Context, o *Observer) { o.Command(ctx, command) }); line["filter"] != nil {
		t.Errorf("the line of a quick command is %v", line)
	}
	line = logged(t, "info", func(ctx context.Context, o *Observer) {
		o.Plan(ctx, Plan{Collection: "users", Filter: ShapeOf(filter), Duration: slow, Indexes: []string{"email_1"}})
	})
	if line["filter"] != "{email}" || line["request_id"] != "r1" || line["msg"] != "slow read explained" {
		t.Errorf("the line of a plan is %v", line)
	}
}
