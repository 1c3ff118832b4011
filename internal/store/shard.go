package store

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// shard makes a cluster distribute a collection by its shard key. It does
// nothing on a replica set, and where that is so already; another key is an
// error, as MongoDB can change one only by moving all documents.
func (p *provision) shard(ctx context.Context, c *schema.Collection, created bool) error {
	if c.ShardKey == nil || !p.store.sharded {
		return nil
	}
	namespace := p.store.database.Name() + "." + c.Name
	existing, err := p.shardKeyOf(ctx, namespace)
	if err != nil {
		return mapError(ctx, err)
	}
	if existing != nil {
		return sameShardKey(c, existing)
	}
	if !created { // MongoDB makes the index itself where there are no documents
		// One of the schema's with the same keys does as well.
		if err := p.command(ctx, shardIndex(c)); err != nil && !hasCode(err, codeIndexOptions, codeIndexKeySpecs) {
			return mapError(ctx, err)
		}
	}
	err = p.commandOf(ctx, p.store.client.Database("admin"), shardCollection(namespace, c))
	const alreadyInitialized = 23 // by another instance, with another key
	if hasCode(err, alreadyInitialized) {
		return fault.Wrap(err, fault.Internal, "collection %s: %s", c.Name, otherShardKey)
	}
	return mapError(ctx, err)
}

const otherShardKey = "it is sharded by another key than the schema's shard_key; change the schema, or reshard the collection in MongoDB (reshardCollection)"

// shardKeyOf returns the key by which a collection is sharded, nil for one that
// is not.
func (p *provision) shardKeyOf(ctx context.Context, namespace string) (bson.Raw, error) {
	found, err := p.store.client.Database("config").Collection("collections").FindOne(ctx, bson.D{{Key: "_id", Value: namespace}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, _ := found.Lookup("key").DocumentOK()
	return key, nil
}

// sameShardKey holds the key of a sharded collection against the schema's.
func sameShardKey(c *schema.Collection, existing bson.Raw) error {
	elements, err := existing.Elements()
	same := err == nil && len(elements) == len(c.ShardKey.Keys)
	for i := 0; same && i < len(elements); i++ {
		wanted := c.ShardKey.Keys[i]
		same = elements[i].Key() == wanted.Key && (text(elements[i].Value()) == "hashed") == (wanted.Value == "hashed")
	}
	if !same {
		return fault.New(fault.Internal, "collection %s: %s", c.Name, otherShardKey)
	}
	return nil
}

func shardCollection(namespace string, c *schema.Collection) bson.D {
	return bson.D{{Key: "shardCollection", Value: namespace}, {Key: "key", Value: c.ShardKey.Keys}}
}

// shardIndex is the command that makes the index which documents are moved by.
func shardIndex(c *schema.Collection) bson.D {
	name := "shard_key_" + strings.Join(c.ShardKey.Fields, "_")
	index := bson.D{{Key: "key", Value: c.ShardKey.Keys}, {Key: "name", Value: name}}
	return bson.D{{Key: "createIndexes", Value: c.Name}, {Key: "indexes", Value: bson.A{index}}}
}
