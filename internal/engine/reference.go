package engine

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// wanted is a reference that a write adds: the document that it leads to must
// be there, and stay.
type wanted struct {
	key store.Key
	// live is set where the document must also not be one that was deleted and kept.
	live bool
	// pointer leads to the reference in what the client sent.
	pointer string
}

// added returns the references of next that current, nil for a new document,
// does not hold in the same field. What was there before is nobody's fault who
// changes something else.
func added(c *schema.Collection, current, next bson.Raw, pointer string) []wanted {
	refs := c.Refs(next)
	if len(refs) == 0 {
		return nil
	}
	held := make([]store.IDSet, len(c.References))
	for _, ref := range c.Refs(current) {
		if held[ref.Reference] == nil {
			held[ref.Reference] = store.IDSet{}
		}
		held[ref.Reference].Add(ref.ID)
	}
	var list []wanted
	for _, ref := range refs {
		if !held[ref.Reference].Has(ref.ID) {
			to := c.References[ref.Reference].Target
			list = append(list, wanted{store.Key{Collection: to.Name, ID: ref.ID}, to.SoftDelete != nil, pointer + ref.Pointer})
		}
	}
	return list
}

// maxIn bounds the ids in one command.
const maxIn = 1000

// refSet is a set of documents of several collections.
type refSet map[string]store.IDSet

// add puts a document into the set, and reports whether it is new there.
func (s refSet) add(collection string, id bson.RawValue) bool {
	if s[collection] == nil {
		s[collection] = store.IDSet{}
	}
	return s[collection].Add(id)
}

func (s refSet) has(key store.Key) bool { return s[key.Collection].Has(key.ID) }

// holdReferences makes sure that the documents that references lead to are
// there, and that no other transaction deletes them before this one ends. It is
// to be called in the transaction of the write. Of documents that it created
// nobody else knows, and those that it found need not be looked for again. A
// ReferenceViolation names every reference that leads nowhere.
func (e *Engine) holdReferences(ctx context.Context, list []wanted, created, found refSet) error {
	list = slices.DeleteFunc(slices.Clone(list), func(w wanted) bool { return created.has(w.key) })
	there, err := e.lookFor(ctx, list, found)
	if err != nil {
		return err
	}
	if err := dangling(list, found, there); err != nil {
		return err
	}
	return e.store.Share(ctx, distinct(list, nil))
}

// distinct returns the documents that references lead to, each once, but for
// some.
func distinct(list []wanted, but refSet) []store.Key {
	var keys []store.Key
	for seen, i := (refSet{}), 0; i < len(list); i++ {
		if key := list[i].key; !but.has(key) && seen.add(key.Collection, key.ID) {
			keys = append(keys, key)
		}
	}
	return keys
}

// lookFor returns which documents that references lead to are there: by one
// command a collection. Those that were found before are left out.
func (e *Engine) lookFor(ctx context.Context, list []wanted, found refSet) (refSet, error) {
	ids := make(map[string][]bson.RawValue)
	for _, key := range distinct(list, found) {
		ids[key.Collection] = append(ids[key.Collection], key.ID)
	}
	live := make(map[string]bool)
	for _, w := range list {
		live[w.key.Collection] = w.live
	}
	there := refSet{}
	for name, list := range ids {
		existing, err := e.existing(ctx, name, list, live[name])
		if err != nil {
			return nil, err
		}
		there[name] = existing
	}
	return there, nil
}

func (e *Engine) existing(ctx context.Context, collection string, ids []bson.RawValue, live bool) (store.IDSet, error) {
	found := store.IDSet{}
	for some := range slices.Chunk(ids, maxIn) {
		part, err := e.store.Existing(ctx, collection, some, live)
		if err != nil {
			return nil, err
		}
		for id := range part {
			found[id] = struct{}{}
		}
	}
	return found, nil
}

// dangling returns a ReferenceViolation with the references that lead nowhere.
func dangling(list []wanted, there ...refSet) error {
	var faults fault.List
	for _, w := range list {
		if !slices.ContainsFunc(there, func(s refSet) bool { return s.has(w.key) }) {
			faults.Add(w.pointer, "reference", "leads to no document of %s", w.key.Collection)
		}
	}
	return faults.Err(fault.ReferenceViolation, "a reference leads to a document that does not exist")
}

// keep runs write, which reports whether it wrote the document of an operation, in
// a transaction with the check of the references that it adds and with all else
// that the write brings with it; plainly where there is nothing of that.
func (e *Engine) keep(ctx context.Context, op *operation, list []wanted, write func(context.Context) (bool, error)) error {
	refers := op.verb == Delete && len(op.collection.Referrers) > 0
	if len(list) == 0 && !refers && op.collection.History == nil {
		_, err := write(ctx)
		return err
	}
	return e.store.InTransaction(ctx, func(ctx context.Context) error {
		if done, err := write(ctx); err != nil || !done {
			return err
		}
		if refers {
			return e.settleReferrers(ctx, op, []bson.RawValue{op.id})
		}
		return e.holdReferences(ctx, list, nil, nil)
	})
}
