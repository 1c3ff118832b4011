package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Verb is what a Write does.
type Verb uint8

// The verbs.
const (
	// Create stores a new document.
	Create Verb = iota
	// Replace puts a document in the place of another, or creates it where the
	// precondition says that there must be none.
	Replace
	// Merge applies a merge patch (RFC 7396).
	Merge
	// Update applies update operators.
	Update
	// JSONPatch applies a JSON Patch (RFC 6902).
	JSONPatch
	// Delete deletes.
	Delete
)

// changes reports whether what a verb stores depends on what is stored.
func (v Verb) changes() bool { return v == Merge || v == Update || v == JSONPatch }

// Write is one change of one document, as it was asked for.
type Write struct {
	Verb       Verb
	Collection *schema.Collection
	// ID is that of the document; not set for Create.
	ID bson.RawValue
	// Body is the JSON of the document, or of its change; none for Delete.
	Body []byte
	// Extended admits Extended JSON in Body.
	Extended     bool
	Precondition Precondition
	// Minimal says that nobody wants the document: the result may have no more of
	// it than the id and the version.
	Minimal bool
	// Pointer is where Body lies in what the client sent: it comes before the
	// pointers of faults.
	Pointer string
}

// Result is what became of a Write.
type Result struct {
	// Created is set where the document is new.
	Created bool
	// Document is as it is stored now, nil after Delete.
	Document bson.Raw
}

// Apply carries out all writes or none, and returns their results in order.
//
// Everything that can be checked without stored state is checked first, for all
// writes: a ValidationFailed lists every fault of the input at once. One write
// goes out plainly, several in one transaction.
func (e *Engine) Apply(ctx context.Context, writes ...Write) ([]Result, error) {
	prepared, err := prepare(writes, time.Now())
	if err != nil {
		return nil, err
	}
	if err := e.allocateIDs(ctx, prepared); err != nil {
		return nil, err
	}
	if len(prepared) == 1 {
		result, err := e.run(ctx, prepared[0])
		return []Result{result}, located(err, prepared[0])
	}
	var results []Result
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		results, err = e.runAll(ctx, prepared)
		return err
	})
	return results, err
}

// allocateIDs completes the new documents of collections whose ids the service
// gives out.
func (e *Engine) allocateIDs(ctx context.Context, ops []*operation) error {
	waiting := make(map[string][]*operation)
	for _, root := range ops {
		for _, op := range root.all() {
			if op.awaitsID {
				waiting[op.collection.Name] = append(waiting[op.collection.Name], op)
			}
		}
	}
	for name, ops := range waiting {
		first, err := e.store.NextIDs(ctx, name, len(ops))
		if err != nil {
			return err
		}
		for i, op := range ops {
			op.setID(first + int64(i))
		}
	}
	return nil
}

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

// changeTime is how long a change is computed anew when other writes to the
// same document come between.
const changeTime = 5 * time.Second

// change reads the document, computes what it becomes and stores that if the
// document is still the one that was read; else it begins anew.
func (e *Engine) change(ctx context.Context, op *operation) (Result, error) {
	for until := time.Now().Add(changeTime); ; {
		current, err := e.store.Get(ctx, op.collection.Name, op.id)
		if err != nil {
			return Result{}, err
		}
		version := Version(current)
		if err := op.precondition.admits(version); err != nil {
			return Result{}, err
		}
		next, err := op.next(current)
		if err != nil {
			return Result{}, err
		}
		done, err := e.swap(ctx, op, version, current, next)
		if err != nil || done {
			return Result{Document: next}, err
		}
		if time.Now().After(until) {
			return Result{}, fault.New(fault.WriteConflict, "other writes to the same document were in the way")
		}
	}
}

// swap stores or deletes, and reports whether the document had the version.
func (e *Engine) swap(ctx context.Context, op *operation, version int64, current, next bson.Raw) (done bool, err error) {
	if op.verb == Delete {
		return e.remove(ctx, op, &version)
	}
	err = e.keep(ctx, added(op.collection, current, next, ""), func(ctx context.Context) (bool, error) {
		done, err = e.store.Replace(ctx, op.collection.Name, op.id, version, next)
		return done, err
	})
	return done, err
}

// remove deletes a document, where version is not nil only in that version, and
// sees to what refers to it. It reports whether there was one to delete.
func (e *Engine) remove(ctx context.Context, op *operation, version *int64) (deleted bool, err error) {
	if len(op.collection.Referrers) == 0 {
		return e.store.Delete(ctx, op.collection.Name, op.id, version)
	}
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		deleted, err = e.store.Delete(ctx, op.collection.Name, op.id, version)
		if err != nil || !deleted {
			return err
		}
		return e.settleReferrers(ctx, op.collection, []bson.RawValue{op.id}, op.now)
	})
	return deleted, err
}

// located returns err with the place of the operation's body before its
// pointers.
func located(err error, op *operation) error { return locatedAt(err, op.pointer) }

func locatedAt(err error, pointer string) error {
	if err == nil || pointer == "" {
		return err
	}
	e := fault.From(err)
	items := make([]fault.Item, len(e.Items))
	for i, item := range e.Items {
		item.Pointer = pointer + item.Pointer
		items[i] = item
	}
	return fault.Wrap(err, e.Code, "%s: %s", strings.TrimPrefix(pointer, "/"), e.Detail).WithItems(items...)
}

// String returns the verb as an infinitive.
func (v Verb) String() string {
	names := [...]string{Create: "create", Replace: "replace", Merge: "merge", Update: "update", JSONPatch: "patch", Delete: "delete"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verb(%d)", v)
}
