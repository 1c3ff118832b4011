package engine

import (
	"context"
	"slices"
	"strings"

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
	// seen is what the caller sees of the collection: a document that it does not
	// see is, to that caller, not there. It is nil for all.
	seen *permit
}

// added returns the references of next that current, nil for a new document,
// does not hold in the same field. What was there before is nobody's fault who
// changes something else.
func (op *operation) added(current, next bson.Raw, pointer string) []wanted {
	c := op.collection
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
			to := c.References[ref.Reference]
			list = append(list, wanted{store.Key{Collection: to.To, ID: ref.ID}, to.Target.SoftDelete != nil, pointer + ref.Pointer, op.seenBy(to)})
		}
	}
	return list
}

// seenBy is what the caller sees of the documents that a reference leads to. One
// that a rule has set is not of the caller's choice.
func (op *operation) seenBy(ref schema.Reference) *permit {
	if name, _, _ := strings.Cut(ref.Path, "."); op.rule.Rule != nil && op.rule.forced(name) {
		return nil
	}
	return op.sight(ref.To)
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
	if err := dangling(list, there, found); err != nil {
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

// present are the documents that are there: for everybody, and of those that not
// everybody sees, for some callers.
type present struct {
	all  refSet
	seen map[*permit]refSet
}

func (p present) has(w wanted) bool {
	if w.seen == nil {
		return p.all.has(w.key)
	}
	return p.seen[w.seen].has(w.key)
}

// lookFor returns which documents that references lead to are there: by one
// command a collection, and one more where callers do not see all of it. Those that
// were found before are left out.
func (e *Engine) lookFor(ctx context.Context, list []wanted, found refSet) (present, error) {
	isSeen := func(w wanted) bool { return w.seen != nil }
	there := present{all: refSet{}, seen: map[*permit]refSet{}}
	live := make(map[string]bool)
	for _, w := range list {
		live[w.key.Collection] = w.live
	}
	if slices.ContainsFunc(list, isSeen) {
		limited := slices.DeleteFunc(slices.Clone(list), func(w wanted) bool { return !isSeen(w) })
		if err := e.lookAt(ctx, limited, found, there.seen); err != nil {
			return there, err
		}
		list = slices.DeleteFunc(slices.Clone(list), isSeen)
	}
	for name, ids := range byName(distinct(list, found)) {
		existing, err := e.existing(ctx, name, ids, live[name])
		if err != nil {
			return there, err
		}
		there.all[name] = existing
	}
	return there, nil
}

// lookAt notes which documents each caller sees.
func (e *Engine) lookAt(ctx context.Context, list []wanted, found refSet, seen map[*permit]refSet) error {
	docs := map[string]map[string]bson.Raw{}
	for name, ids := range byName(distinct(list, found)) {
		var err error
		if docs[name], err = e.store.GetMany(ctx, name, ids, maxReadBytes); err != nil {
			return err
		}
	}
	for _, w := range list {
		doc, ok := docs[w.key.Collection][store.IDKey(w.key.ID)]
		if !ok || w.gone(doc) || !w.seen.matches(doc) {
			continue
		}
		if seen[w.seen] == nil {
			seen[w.seen] = refSet{}
		}
		seen[w.seen].add(w.key.Collection, w.key.ID)
	}
	return nil
}

// gone reports whether a document is one that was deleted and kept.
func (w wanted) gone(doc bson.Raw) bool {
	at := doc.Lookup(schema.DeletedAt)
	return w.live && at.Type != 0 && at.Type != bson.TypeNull
}

func byName(keys []store.Key) map[string][]bson.RawValue {
	ids := make(map[string][]bson.RawValue)
	for _, key := range keys {
		ids[key.Collection] = append(ids[key.Collection], key.ID)
	}
	return ids
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
func dangling(list []wanted, present present, there ...refSet) error {
	var faults fault.List
	for _, w := range list {
		if !present.has(w) && !slices.ContainsFunc(there, func(s refSet) bool { return s.has(w.key) }) {
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
