package store

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
)

// ShardCollection makes a cluster distribute a collection by a key. It does
// nothing where that is so already; another key is an error, as MongoDB can
// change one only by moving all documents.
func (s *Store) ShardCollection(ctx context.Context, collection string, key bson.D) error {
	namespace := s.database.Name() + "." + collection
	existing, err := s.shardKeyOf(ctx, namespace)
	if err != nil {
		return mapError(ctx, err)
	}
	if existing != nil {
		return sameShardKey(collection, key, existing)
	}
	// MongoDB makes the index itself where there are no documents; one of the
	// schema's with the same keys does as well.
	if err := s.restructure(ctx, shardIndex(collection, key)); err != nil && !hasCode(err, codeIndexOptions, codeIndexKeySpecs) {
		return mapError(ctx, err)
	}
	err = s.restructureOn(ctx, s.client.Database("admin"), shardCollection(namespace, key))
	const alreadyInitialized = 23 // by another instance, with another key
	if hasCode(err, alreadyInitialized) {
		return fault.Wrap(err, fault.Internal, "collection %s: %s", collection, otherShardKey)
	}
	return mapError(ctx, err)
}

const otherShardKey = "it is sharded by another key than the schema's shard_key; change the schema, or reshard the collection in MongoDB (reshardCollection)"

// shardKeyOf returns the key by which a collection is sharded, nil for one that
// is not.
func (s *Store) shardKeyOf(ctx context.Context, namespace string) (bson.Raw, error) {
	found, err := s.client.Database("config").Collection("collections").FindOne(ctx, bson.D{{Key: "_id", Value: namespace}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, _ := found.Lookup("key").DocumentOK()
	return key, nil
}

// SameShardKey reports whether the key of a sharded collection is a wanted one.
func SameShardKey(wanted bson.D, existing bson.Raw) bool {
	elements, err := existing.Elements()
	same := err == nil && len(elements) == len(wanted)
	for i := 0; same && i < len(elements); i++ {
		same = elements[i].Key() == wanted[i].Key && (text(elements[i].Value()) == "hashed") == (wanted[i].Value == "hashed")
	}
	return same
}

func sameShardKey(collection string, wanted bson.D, existing bson.Raw) error {
	if !SameShardKey(wanted, existing) {
		return fault.New(fault.Internal, "collection %s: %s", collection, otherShardKey)
	}
	return nil
}

func shardCollection(namespace string, key bson.D) bson.D {
	return bson.D{{Key: "shardCollection", Value: namespace}, {Key: "key", Value: key}}
}

// shardIndex is the command that makes the index which documents are moved by.
func shardIndex(collection string, key bson.D) bson.D {
	name := "shard_key"
	for _, e := range key {
		name += "_" + e.Key
	}
	index := bson.D{{Key: "key", Value: key}, {Key: "name", Value: name}}
	return bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{index}}}
}
