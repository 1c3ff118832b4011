package store_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestAChangeThatWasMadeIsMadeAgain holds that each change of the structure does
// nothing where it was made before, and tells what is in its way.
func TestAChangeThatWasMadeIsMadeAgain(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	raw := func(doc bson.D) bson.Raw {
		encoded, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	rule := func(least any) bson.Raw {
		return raw(bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "properties", Value: bson.D{{Key: "a", Value: bson.D{{Key: "enum", Value: bson.A{least}}}}}}}}})
	}
	index := func(unique bool) bson.Raw {
		doc := bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: int32(1)}}}, {Key: "name", Value: "by_a"}}
		if unique {
			doc = append(doc, bson.E{Key: "unique", Value: true})
		}
		return raw(doc)
	}
	for i, change := range []struct {
		make func() error
		ok   bool
	}{
		{func() error { return s.CreateCollection(ctx, "c", rule(int64(1))) }, true},
		{func() error { return s.CreateCollection(ctx, "c", rule(1.0)) }, true},
		{func() error { return s.CreateCollection(ctx, "c", rule(int64(2))) }, false},
		{func() error { return s.CreateCollection(ctx, "c", nil) }, false},
		{func() error { return s.CreateIndex(ctx, "c", index(false)) }, true},
		{func() error { return s.CreateIndex(ctx, "c", index(true)) }, false},
		{func() error { return s.DropIndex(ctx, "c", "by_a") }, true},
		{func() error { return s.CreateIndex(ctx, "c", index(true)) }, true},
		{func() error { return s.SetValidator(ctx, "c", nil) }, true},
		{func() error { return s.CreateCollection(ctx, "c", nil) }, true},
		{func() error { return s.SetValidator(ctx, "none", rule(1)) }, false},
		{func() error { return s.RenameCollection(ctx, "c", "d") }, true},
		{func() error { return s.RenameCollection(ctx, "none", "nothing") }, false},
		{func() error { return s.CreateCollection(ctx, "c", nil) }, true},
		{func() error { return s.RenameCollection(ctx, "c", "d") }, false},
		{func() error { return s.DropCollection(ctx, "c") }, true},
	} {
		if err := change.make(); (err == nil) != change.ok {
			t.Errorf("change %d: %v", i, err)
		}
		if !change.ok {
			continue
		}
		if err := change.make(); err != nil {
			t.Errorf("change %d, made again: %v", i, err)
		}
	}
	found, err := s.Inspect(ctx)
	if err != nil || len(found) != 1 || found[0].Name != "d" || len(found[0].Indexes) != 1 {
		t.Errorf("there is %v, %v", found, err)
	}
}
