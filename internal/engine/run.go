package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// attempt is one to carry out the operations of a plan in a transaction.
type attempt struct {
	*Engine
	*plan
	results []Result
}

// all carries out the operations in order. Neighbours that can share commands
// do: creates one command a collection, and so do reads.
func (r *attempt) all(ctx context.Context) error {
	for i := 0; i < len(r.ops); {
		n, err := 1, error(nil)
		switch op := r.ops[i]; {
		case op.shares(Create):
			n = r.neighbours(i, Create)
			err = r.creates(ctx, i, n)
		case op.shares(Read):
			n = r.neighbours(i, Read)
			err = r.reads(ctx, i, n)
		default:
			err = r.one(ctx, i)
		}
		if err != nil {
			return err
		}
		i += n
	}
	return nil
}

// shares reports whether an operation can share a command with others of a verb.
func (op *operation) shares(verb Verb) bool {
	return op.verb == verb && !op.late && op.tree == nil
}

// neighbours returns how many operations from i on share commands.
func (r *attempt) neighbours(i int, verb Verb) int {
	n := 1
	for i+n < len(r.ops) && r.ops[i+n].shares(verb) {
		n++
	}
	return n
}

// one carries out one operation, with what it mentions of those before it.
func (r *attempt) one(ctx context.Context, i int) error {
	op := r.ops[i]
	if op.late {
		var err error
		if op, err = r.realize(ctx, r.plan, i, func(j int) bson.Raw { return r.results[j].Document }); err != nil {
			return err
		}
	}
	result, err := r.run(ctx, op)
	result.ID = op.id
	r.results[i] = result
	return located(err, op)
}

// creates stores the documents of n operations from the i-th on.
func (r *attempt) creates(ctx context.Context, i, n int) error {
	var refs []wanted
	created := refSet{}
	for j := i; j < i+n; j++ {
		op := r.ops[j]
		r.results[j] = Result{Created: true, ID: op.id, Document: op.document}
		refs = append(refs, op.added(nil, op.document, op.pointer)...)
		created.add(op.collection.Name, op.id)
	}
	for _, group := range byCollection(r.ops[i : i+n]) {
		refused, err := r.carry(ctx, group[0].collection, creations(group))
		if refused >= 0 {
			return located(err, group[refused])
		}
		if err != nil {
			return err
		}
	}
	return r.holdReferences(ctx, refs, created, nil)
}

// creations are what operations make that create documents.
func creations(ops []*operation) []transition {
	list := make([]transition, len(ops))
	for i, op := range ops {
		list[i] = op.becomes(nil, op.document)
	}
	return list
}

// maxReadBytes bounds the documents that one batch reads, in bytes of BSON.
const maxReadBytes = 64 << 20

// reads reads the documents of n operations from the i-th on.
func (r *attempt) reads(ctx context.Context, i, n int) error {
	ops, found := r.ops[i:i+n], make(map[*schema.Collection]map[string]bson.Raw)
	for _, group := range byCollection(ops) {
		ids := make([]bson.RawValue, len(group))
		for j, op := range group {
			ids[j] = op.id
		}
		docs, err := r.store.GetMany(ctx, group[0].collection.Name, ids, maxReadBytes)
		if err != nil {
			return err
		}
		found[group[0].collection] = docs
	}
	for j, op := range ops {
		doc, ok := found[op.collection][store.IDKey(op.id)]
		if !ok {
			return located(notFound(op.collection), op)
		}
		if err := op.admits(doc); err != nil {
			return located(err, op)
		}
		r.results[i+j] = Result{ID: op.id, Document: doc}
	}
	return nil
}

// run carries out one operation.
func (e *Engine) run(ctx context.Context, op *operation) (Result, error) {
	switch {
	case op.verb == Create:
		return e.insert(ctx, op)
	case op.verb == Read:
		doc, err := e.current(ctx, op)
		return Result{Document: doc}, err
	case op.verb == Replace && op.precondition.creates():
		return e.insertAbsent(ctx, op)
	case op.verb == Restore:
		return e.restore(ctx, op)
	case op.purge:
		return Result{}, e.purge(ctx, op)
	case op.shareable() && e.store.CoalescesIn(ctx):
		return e.changeTogether(ctx, op)
	}
	return e.changeAlone(ctx, op)
}

// changeAlone changes or deletes a document by commands of its own.
func (e *Engine) changeAlone(ctx context.Context, op *operation) (Result, error) {
	switch {
	case op.direct != nil:
		return e.update(ctx, op)
	case op.verb == Delete && !op.limited() && op.precondition == (Precondition{}) && op.require == nil && op.placed() && !op.collection.Keeps():
		return Result{}, e.delete(ctx, op)
	}
	return e.change(ctx, op)
}

func (e *Engine) insert(ctx context.Context, op *operation) (Result, error) {
	if op.tree != nil {
		return e.plant(ctx, op)
	}
	refs := op.references()
	var err error
	if (len(refs) > 0 || op.collection.History != nil) && e.store.CoalescesIn(ctx) {
		err = e.createTogether(ctx, op)
	} else {
		err = e.keep(ctx, op, refs, func(ctx context.Context) (bool, error) { return true, e.insertAlone(ctx, op) })
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Created: true, Document: op.document}, nil
}

func (e *Engine) insertAlone(ctx context.Context, op *operation) error {
	if op.collection.History == nil {
		return e.store.Insert(ctx, op.collection.Name, op.document)
	}
	_, err := e.carry(ctx, op.collection, []transition{op.becomes(nil, op.document)})
	return err
}

// delete removes a document whatever it is.
func (e *Engine) delete(ctx context.Context, op *operation) error {
	deleted := false
	err := e.keep(ctx, op, nil, func(ctx context.Context) (bool, error) {
		var err error
		deleted, err = e.store.Delete(ctx, op.collection.Name, op.id, nil, op.shard)
		return deleted, err
	})
	if err == nil && !deleted {
		return notFound(op.collection)
	}
	return err
}

func notFound(c *schema.Collection) error {
	return fault.New(fault.NotFound, "%s has no document with this id", c.Name)
}

// insertAbsent creates a document whose id the client chose, which must be free.
func (e *Engine) insertAbsent(ctx context.Context, op *operation) (Result, error) {
	result, err := e.insert(ctx, op)
	if !takenID(err) {
		return result, err
	}
	if op.collection.SoftDelete != nil {
		return Result{}, fault.Wrap(err, fault.VersionConflict, "a document with this id exists already; if it was deleted it can be restored, or purged")
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
