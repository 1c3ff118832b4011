package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/update"
)

// prepareDelete has MongoDB mark a document by itself, where nothing refers to
// the documents of the collection.
func (op *operation) prepareDelete() {
	if op.collection.SoftDelete == nil || op.purge || len(op.collection.Referrers) > 0 {
		return
	}
	mark := bsonjson.NewBuilder(48).Append(schema.DeletedAt, bsonjson.DateValue(op.now)).Append("updatedAt", bsonjson.DateValue(op.now)).Document()
	next := bsonjson.NewBuilder(24).Append("version", bsonjson.IntValue(1)).Document()
	object := func(doc bson.Raw) bson.RawValue { return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc} }
	op.makeDirect(update.Direct{
		Guard:  bsonjson.NewBuilder(8).Document(),
		Update: bsonjson.NewBuilder(128).Append("$set", object(mark)).Append("$inc", object(next)).Document(),
	})
}

// deleted returns what a document becomes that is deleted, nil where it is
// removed.
func (op *operation) deleted(current bson.Raw) bson.Raw {
	if op.collection.SoftDelete == nil || op.purge {
		return nil
	}
	one := *op
	one.id = current.Lookup("_id")
	next := one.successor(current, withoutSystem(current))
	return bsonjson.NewBuilder(len(next)+24).AppendAll(next, nil).Append(schema.DeletedAt, bsonjson.DateValue(op.now)).Document()
}

// toDelete is the projection of what must be known of a document to delete it.
func (op *operation) toDelete() bson.Raw {
	if op.collection.Keeps() || op.limited() {
		return nil
	}
	return store.OnlyID
}

// aside returns an operation on another collection that this one brings about.
func (op *operation) aside(verb Verb, c *schema.Collection) *operation {
	return &operation{verb: verb, collection: c, now: op.now, who: op.who, purge: op.purge}
}

// stored returns the stored document of an operation, one that was deleted and
// kept too, nil where there is none.
func (e *Engine) stored(ctx context.Context, op *operation) (bson.Raw, error) {
	doc, err := e.store.Get(ctx, op.collection.Name, op.id, op.shard)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return doc, err
}

// purge removes a document for good, be it deleted already, and its history.
func (e *Engine) purge(ctx context.Context, op *operation) error {
	return e.store.InTransaction(ctx, func(ctx context.Context) error {
		current, err := e.stored(ctx, op)
		if err != nil {
			return err
		}
		if current == nil {
			return e.purgeHistory(ctx, op)
		}
		if err := op.demands(current); err != nil {
			return err
		}
		if _, err := e.carry(ctx, op.collection, []transition{op.becomes(current, nil)}); err != nil || len(op.collection.Referrers) == 0 {
			return err
		}
		return e.settleReferrers(ctx, op, []bson.RawValue{op.id})
	})
}

// purgeHistory removes what is left of a document that is removed already.
func (e *Engine) purgeHistory(ctx context.Context, op *operation) error {
	if op.collection.History == nil || op.precondition != (Precondition{}) || op.require != nil {
		return notFound(op.collection)
	}
	n, err := e.store.DropHistory(ctx, op.collection.Name, []bson.RawValue{op.id})
	if err == nil && n == 0 {
		return notFound(op.collection)
	}
	return err
}

// restore brings back a document that was deleted, or a former version of one, as
// its next version.
func (e *Engine) restore(ctx context.Context, op *operation) (result Result, err error) {
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		current, err := e.stored(ctx, op)
		if err != nil {
			return err
		}
		if err := e.mayRestore(ctx, op, current); err != nil {
			return err
		}
		former, last, err := e.former(ctx, op, current)
		if err != nil {
			return err
		}
		next, err := op.restored(current, former, last)
		if err != nil {
			return err
		}
		if _, err := e.carry(ctx, op.collection, []transition{op.becomes(current, next)}); err != nil {
			return err
		}
		self := refSet{}
		self.add(op.collection.Name, op.id)
		result = op.result(next)
		return e.holdReferences(ctx, op.added(nil, next, ""), self, nil)
	})
	return result, err
}

// mayRestore holds the rules against what a restore begins with: the caller must
// see the document as it is, or was last.
func (e *Engine) mayRestore(ctx context.Context, op *operation, current bson.Raw) (err error) {
	if !op.limited() {
		return nil
	}
	if op.basis = current; current == nil {
		if op.basis, _, err = e.removed(ctx, op); err != nil {
			return err
		}
	}
	return op.reaches(op.basis)
}

// former returns the state to be restored, and the last version that there was.
func (e *Engine) former(ctx context.Context, op *operation, current bson.Raw) (former bson.Raw, last int64, err error) {
	c := op.collection
	if last = Version(current); current == nil {
		if former, last, err = e.removed(ctx, op); err != nil {
			return nil, 0, err
		}
	}
	switch {
	case op.revision > 0:
		entry, err := e.historyEntry(ctx, c, op.id, op.revision)
		if err == nil && !op.reads.matches(entry.Document) {
			err = noVersion(c, op.revision)
		}
		return entry.Document, last, err
	case current == nil:
		return former, last, nil
	case !c.Deleted(current):
		return nil, 0, fault.New(fault.NotFound, "%s has no deleted document with this id", c.Name)
	}
	return current, last, nil
}

// removed returns the last state of a document that is not stored any more, and
// the version of its removal.
func (e *Engine) removed(ctx context.Context, op *operation) (bson.Raw, int64, error) {
	if op.collection.History == nil {
		return nil, 0, notFound(op.collection)
	}
	entries, _, err := e.store.History(ctx, op.collection.Name, op.id, 0, 1)
	if err != nil {
		return nil, 0, err
	}
	if len(entries) == 0 {
		return nil, 0, notFound(op.collection)
	}
	return entries[0].Document, entries[0].Version, nil
}

// restored computes the next version from a former one. It must fit the schema of
// today.
func (op *operation) restored(current, former bson.Raw, last int64) (bson.Raw, error) {
	if err := op.precondition.admits(last); err != nil {
		return nil, err
	}
	body := bsonjson.NewBuilder(len(former)).AppendAll(withoutSystem(former), func(name []byte) bool {
		return op.collection.SoftDelete == nil || string(name) != schema.DeletedAt
	}).Document()
	createdAt := former.Lookup("createdAt")
	if createdAt.Type != bson.TypeDateTime {
		createdAt = bsonjson.DateValue(op.now)
	}
	next := op.stamp(body, last+1, createdAt)
	if op.limited() {
		var err error
		if next, err = op.permitted(op.basis, next); err != nil {
			return nil, err
		}
	}
	var faults fault.List
	op.collection.Check(next, "", &faults)
	if current != nil {
		op.checkShard(current, next, &faults)
	}
	return next, faults.Err(fault.ValidationFailed, "what would be restored breaks the schema of the collection")
}
