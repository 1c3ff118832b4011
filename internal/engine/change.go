package engine

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// change reads the document, computes what it becomes and stores that if the
// document is still the one that was read; else it begins anew, for as long as the
// store's RetryTime.
func (e *Engine) change(ctx context.Context, op *operation) (Result, error) {
	for until := time.Now().Add(e.store.RetryTime()); ; {
		current, err := e.current(ctx, op)
		if err != nil {
			return Result{}, err
		}
		version := Version(current)
		next, err := op.next(current)
		if err != nil {
			return Result{}, err
		}
		done, err := e.swap(ctx, op, version, current, next)
		if err != nil || done {
			return op.result(next), err
		}
		if time.Now().After(until) {
			return Result{}, fault.New(fault.WriteConflict, "other writes to the same document were in the way")
		}
	}
}

// current returns the stored document, which is as the operation demands.
func (e *Engine) current(ctx context.Context, op *operation) (bson.Raw, error) {
	doc, err := e.store.Get(ctx, op.collection.Name, op.id, op.shard)
	if err != nil {
		return nil, err
	}
	return doc, op.admits(doc)
}

// result is what became of a document.
func (op *operation) result(next bson.Raw) Result {
	if op.verb == Delete {
		next = nil // though it is kept
	}
	return Result{ID: op.id, Document: next}
}

// admits holds what the operation demands against the stored document. One that
// was deleted is not there for it.
func (op *operation) admits(doc bson.Raw) error {
	if op.collection.Deleted(doc) {
		return notFound(op.collection)
	}
	return op.demands(doc)
}

// demands is admits for what can also be done to a deleted document.
func (op *operation) demands(doc bson.Raw) error {
	if err := op.reaches(doc); err != nil {
		return err
	}
	if err := op.precondition.admits(Version(doc)); err != nil {
		return err
	}
	if op.require != nil && !op.require.filter.Match(doc) {
		return fault.New(fault.RequirementFailed, "the stored document does not match what is required of it")
	}
	return nil
}

// swap stores what the document becomes, and reports whether it had the version.
func (e *Engine) swap(ctx context.Context, op *operation, version int64, current, next bson.Raw) (done bool, err error) {
	c, shard := op.collection, op.collection.ShardKey.Of(current)
	var refs []wanted
	if op.verb != Delete {
		refs = op.added(current, next, "")
	}
	err = e.keep(ctx, op, refs, func(ctx context.Context) (bool, error) {
		if next == nil {
			done, err = e.store.Delete(ctx, c.Name, op.id, &version, shard)
		} else {
			done, err = e.store.Replace(ctx, c.Name, op.id, version, shard, next)
		}
		if err != nil || !done {
			return done, err
		}
		return done, e.record(ctx, c, op.becomes(current, next))
	})
	return done, err
}

// next computes what the stored document becomes; nil where it is removed.
func (op *operation) next(current bson.Raw) (bson.Raw, error) {
	var body bson.Raw
	switch op.verb {
	case Replace:
		body = bsonjson.Retain(withoutSystem(current), op.replaced(current), op.collection.Fields)
	case Merge:
		body = bsonjson.Merge(withoutSystem(current), op.body, op.collection.Fields, op.now)
	case Update, JSONPatch:
		patched, err := op.patch.Apply(op.reads.common(current), op.now)
		if err != nil {
			return nil, err
		}
		body = withoutSystem(patched)
		if op.reads != nil {
			body = beside(body, withoutSystem(op.hidden(current)))
		}
		if op.verb == JSONPatch { // which can replace the whole
			body = bsonjson.Retain(withoutSystem(current), body, op.collection.Fields)
		}
	default:
		return op.deleted(current), nil
	}
	next, err := op.permitted(current, op.successor(current, body))
	if err != nil {
		return nil, err
	}
	var faults fault.List
	if op.verb != Replace || op.limited() { // else it was checked as it came
		checkChange(op.collection, current, next, "", &faults) // located adds where
	}
	op.checkShard(current, next, &faults)
	return next, faults.Err(fault.ValidationFailed, "the document would break the schema of the collection")
}

// beside returns a body with the fields of another, which has none of its own.
func beside(body, other bson.Raw) bson.Raw {
	return bsonjson.NewBuilder(len(body)+len(other)).AppendAll(body, nil).AppendAll(other, nil).Document()
}
