package store

import (
	"context"
	"math/rand/v2"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/fault"
)

// locks is the collection whose documents make transactions conflict that would
// break a reference together: one that refers to a document, and one that
// deletes it. Neither writes what the other reads, so that by itself MongoDB
// would let both commit.
//
// A document has lockSlots locks, {_id: {c: collection, id: its id, s: slot},
// n: how often it was taken, at: when last}. Who refers to it writes one of
// them, so that those who do seldom meet; who deletes it writes all. MongoDB
// aborts one of two transactions that write the same lock and overlap, whether
// the lock exists, is made by both, or is deleted in between; that one begins
// anew and sees what the other did. Locks that were not taken for an hour are
// deleted: nothing depends on their being there.
const locks = "_sheaf.locks"

const (
	lockSlots       = 8
	lockExpireAfter = 3600 // seconds
)

// Key names a document of a collection.
type Key struct {
	Collection string
	ID         bson.RawValue
}

// Share makes the transaction of ctx conflict with every other that Claims one
// of the documents, and hardly with others that Share them.
func (s *Store) Share(ctx context.Context, keys []Key) error {
	slot := s.slots.next()
	models := make([]mongo.WriteModel, len(keys))
	for i, key := range keys {
		models[i] = takeLock(key, slot)
	}
	return s.takeLocks(ctx, models)
}

// Claim makes the transaction of ctx conflict with every other that Shares or
// Claims one of the documents.
func (s *Store) Claim(ctx context.Context, keys []Key) error {
	models := make([]mongo.WriteModel, 0, len(keys)*lockSlots)
	for _, key := range keys {
		for slot := range int32(lockSlots) {
			models = append(models, takeLock(key, slot))
		}
	}
	return s.takeLocks(ctx, models)
}

// takeLock counts a lock up: what would change nothing would conflict with
// nothing.
func takeLock(key Key, slot int32) mongo.WriteModel {
	return mongo.NewUpdateOneModel().SetUpsert(true).
		SetFilter(bson.D{{Key: "_id", Value: bson.D{{Key: "c", Value: key.Collection}, {Key: "id", Value: key.ID}, {Key: "s", Value: slot}}}}).
		SetUpdate(bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}, {Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}}})
}

func (s *Store) takeLocks(ctx context.Context, models []mongo.WriteModel) error {
	if len(models) == 0 {
		return nil
	}
	_, err := s.collection(locks).BulkWrite(s.named(ctx, locks), models, options.BulkWrite().SetOrdered(false))
	if t := transactionOf(ctx); t != nil && mongo.IsDuplicateKeyError(err) {
		// Both made the same lock: a conflict, by whatever name.
		told := fault.Wrap(err, fault.WriteConflict, "%s", conflicted)
		t.note(err, told)
		t.conflict = true
		return told
	}
	return s.failed(ctx, err)
}

// slotCounter deals the slots out in turn, so that transactions of one instance
// that Share a document at the same time take different ones. That is for speed
// alone.
type slotCounter struct{ n atomic.Uint32 }

func newSlotCounter() *slotCounter {
	c := &slotCounter{}
	c.n.Store(rand.Uint32())
	return c
}

func (c *slotCounter) next() int32 { return int32(c.n.Add(1) % lockSlots) }
