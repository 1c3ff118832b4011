package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
)

// runAll carries out the operations of a transaction.
func (e *Engine) runAll(ctx context.Context, ops []*operation) ([]Result, error) {
	if createsAlone(ops) {
		return e.insertAll(ctx, ops)
	}
	results := make([]Result, len(ops))
	for i, op := range ops {
		var err error
		if results[i], err = e.run(ctx, op); err != nil {
			return nil, located(err, op)
		}
	}
	return results, nil
}

// createsAlone reports whether the operations are new documents of one
// collection, which can go out as one command.
func createsAlone(ops []*operation) bool {
	for _, op := range ops {
		if op.verb != Create || op.collection != ops[0].collection || op.tree != nil {
			return false
		}
	}
	return true
}

func (e *Engine) insertAll(ctx context.Context, ops []*operation) ([]Result, error) {
	docs, results := make([]bson.Raw, len(ops)), make([]Result, len(ops))
	var refs []wanted
	created := refSet{}
	for i, op := range ops {
		docs[i], results[i] = op.document, Result{Created: true, Document: op.document}
		refs = append(refs, added(op.collection, nil, op.document, op.pointer)...)
		created.add(op.collection.Name, op.id)
	}
	failures, err := e.store.InsertMany(ctx, ops[0].collection.Name, docs)
	if err != nil {
		return nil, err
	}
	if len(failures) > 0 {
		return nil, located(failures[0].Err, ops[failures[0].Index])
	}
	return results, e.holdReferences(ctx, refs, created, nil)
}

// run carries out one operation.
func (e *Engine) run(ctx context.Context, op *operation) (Result, error) {
	switch {
	case op.verb == Create:
		return e.insert(ctx, op)
	case op.verb == Delete && op.precondition == (Precondition{}):
		return Result{}, e.delete(ctx, op)
	case op.verb == Update:
		return e.update(ctx, op)
	case op.verb == Replace && op.precondition.creates():
		return e.insertAbsent(ctx, op)
	}
	return e.change(ctx, op)
}

func (e *Engine) insert(ctx context.Context, op *operation) (Result, error) {
	if op.tree != nil {
		return e.plant(ctx, op)
	}
	refs := op.references()
	var err error
	if len(refs) > 0 && e.store.CoalescesIn(ctx) {
		err = e.createTogether(ctx, op)
	} else {
		err = e.keep(ctx, refs, func(ctx context.Context) (bool, error) {
			return true, e.store.Insert(ctx, op.collection.Name, op.document)
		})
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Created: true, Document: op.document}, nil
}

func (e *Engine) delete(ctx context.Context, op *operation) error {
	deleted, err := e.remove(ctx, op, nil)
	if err == nil && !deleted {
		return fault.New(fault.NotFound, "%s has no document with this id", op.collection.Name)
	}
	return err
}

// insertAbsent creates a document whose id the client chose, which must be free.
func (e *Engine) insertAbsent(ctx context.Context, op *operation) (Result, error) {
	result, err := e.insert(ctx, op)
	if !takenID(err) {
		return result, err
	}
	return Result{}, fault.Wrap(err, fault.VersionConflict, "a document with this id exists already")
}

// takenID reports whether err is a duplicate of the id, rather than of another
// unique value.
func takenID(err error) bool {
	if !fault.Is(err, fault.DuplicateKey) {
		return false
	}
	items := fault.From(err).Items
	return len(items) == 1 && items[0].Pointer == "/id"
}
