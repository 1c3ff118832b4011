package store

import (
	"strings"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
)

// No cluster is at hand in tests: these are the parts that its commands are made
// of.
func TestShardCommands(t *testing.T) {
	model, err := schema.Load(fstest.MapFS{"c.yaml": {Data: []byte(
		"collection: c\nfields: {a: {type: string, required: true}, b: {type: int, required: true}}\nshard_key: [{a: hashed}, b]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	c := model.Collections[0]
	text := func(doc bson.D) string {
		out, err := bson.MarshalExtJSON(doc, false, false)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got, want := text(shardCollection("db.c", c.ShardKey.Keys)), `{"shardCollection":"db.c","key":{"a":"hashed","b":1}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := text(shardIndex("c", c.ShardKey.Keys)), `{"createIndexes":"c","indexes":[{"key":{"a":"hashed","b":1},"name":"shard_key_a_b"}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, existing := range []struct {
		key  bson.D
		same bool
	}{
		{bson.D{{Key: "a", Value: "hashed"}, {Key: "b", Value: 1.0}}, true},
		{bson.D{{Key: "a", Value: "hashed"}, {Key: "b", Value: int32(1)}}, true},
		{bson.D{{Key: "a", Value: int32(1)}, {Key: "b", Value: int32(1)}}, false},
		{bson.D{{Key: "b", Value: int32(1)}, {Key: "a", Value: "hashed"}}, false},
		{bson.D{{Key: "a", Value: "hashed"}}, false},
	} {
		key, err := bson.Marshal(existing.key)
		if err != nil {
			t.Fatal(err)
		}
		err = sameShardKey("c", c.ShardKey.Keys, key)
		if (err == nil) != existing.same || err != nil && !strings.Contains(err.Error(), "sharded by another key") {
			t.Errorf("%v: %v", existing.key, err)
		}
	}
}
