package seed

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// memory is the collection that remembers fixtures, as {_id: collection/name,
// id, hash}. No schema can declare its name.
const memory = "_sheaf.seeds"

// maxRecalled bounds what is read of the memory at once, in bytes.
const maxRecalled = 16 << 20

// entryID is what the memory has a fixture under: the name of a collection has no
// slash.
func (f *fixture) entryID() bson.RawValue {
	return bsonjson.StringValue(f.collection.Name + "/" + f.name)
}

// recall takes over what is remembered of the fixtures.
func (s *Set) recall(ctx context.Context, db *store.Store) error {
	for some := range slices.Chunk(s.fixtures, maxTogether) {
		ids := make([]bson.RawValue, len(some))
		for i, f := range some {
			ids[i] = f.entryID()
		}
		entries, err := db.GetMany(ctx, memory, ids, maxRecalled)
		if err != nil {
			return err
		}
		for _, f := range some {
			if entry, ok := entries[store.IDKey(f.entryID())]; ok {
				f.known, f.id = true, entry.Lookup("id")
				f.hash, _ = entry.Lookup("hash").StringValueOK()
			}
		}
	}
	return nil
}

// remember notes what fixtures are stored as, within the transaction that stores
// them.
func remember(ctx context.Context, db *store.Store, some []*fixture) error {
	var former []bson.RawValue
	entries := make([]bson.Raw, len(some))
	for i, f := range some {
		entries[i] = bsonjson.NewBuilder(128).Append("_id", f.entryID()).Append("id", f.id).Append("hash", bsonjson.StringValue(f.hash)).Document()
		if f.known {
			former = append(former, f.entryID())
		}
	}
	if len(former) > 0 {
		if _, err := db.DeleteMany(ctx, memory, former); err != nil {
			return err
		}
	}
	failures, err := db.InsertMany(ctx, memory, entries)
	if err == nil && len(failures) > 0 {
		err = failures[0].Err
	}
	if fault.Is(err, fault.DuplicateKey) {
		return errElsewhere
	}
	return err
}
