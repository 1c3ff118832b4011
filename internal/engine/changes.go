package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// changesApart is the largest batch of changes that are carried out each by its
// own command: a transaction costs as much as some of them.
const changesApart = 4

// shareable reports whether a change may share a transaction: one that others
// refer to takes more than its own document, and documents of several shards
// would make it one of all of them.
func (op *operation) shareable() bool {
	return op.collection.ShardKey == nil && op.verb != Restore && !op.purge && (op.verb != Delete || len(op.collection.Referrers) == 0)
}

// changeTogether changes or deletes a document.
func (e *Engine) changeTogether(ctx context.Context, op *operation) (Result, error) {
	result, err := e.sharedBy(op.collection.Name).changes.Do(ctx, op)
	return result, sharing(err)
}

// changeBatch answers changes of documents of one collection.
func (e *Engine) changeBatch(ctx context.Context, calls []*changeCall) {
	alone := func(c *changeCall) { c.Response, c.Err = e.changeAlone(ctx, c.Request) }
	if len(calls) <= changesApart {
		coalesce.Apart(calls, alone)
		return
	}
	var apart []*changeCall
	together(calls, func(calls []*changeCall) (refused *changeCall, err error) {
		if refused, apart, err = e.changeOnce(ctx, calls); refused != nil {
			apart = nil // they are among those that are tried again
		}
		return refused, err
	}, alone)
	if len(apart) > 0 {
		coalesce.Apart(apart, alone)
	}
}

// changeOnce carries changes out in one transaction. A change that its document
// does not admit gets its own error, and takes no part. Where one is refused by
// MongoDB nothing is stored, and the call is returned with the error. Those that
// add references are left to be carried out apart.
func (e *Engine) changeOnce(ctx context.Context, calls []*changeCall) (refused *changeCall, apart []*changeCall, err error) {
	collection := calls[0].Request.collection
	keys := make([]store.Key, len(calls))
	for i, c := range calls {
		keys[i] = store.Key{Collection: collection.Name, ID: c.Request.id}
	}
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		refused, apart = nil, nil
		if err := e.store.Queue(ctx, keys); err != nil {
			return err
		}
		states, err := e.statesOf(ctx, collection, keys)
		if err != nil {
			return err
		}
		for _, c := range calls {
			if states.of(c.Request.id).change(c) {
				apart = append(apart, c)
			}
		}
		refused, err = e.storeStates(ctx, collection, states)
		return err
	})
	return refused, apart, err
}

// states are documents while they are changed, by the keys of their ids.
type states map[string]*state

// state is one document. stored is nil where there is none, current after it was
// deleted.
type state struct {
	stored, current bson.Raw
	// last is the call that changed it last, nil for none.
	last *changeCall
	// trail are the versions that it went through, where a history is kept.
	trail []version
}

func (s states) of(id bson.RawValue) *state { return s[store.IDKey(id)] }

func (e *Engine) statesOf(ctx context.Context, collection *schema.Collection, keys []store.Key) (states, error) {
	found, ids := make(states, len(keys)), make([]bson.RawValue, 0, len(keys))
	for _, key := range keys {
		if k := store.IDKey(key.ID); found[k] == nil {
			found[k], ids = &state{}, append(ids, key.ID)
		}
	}
	docs, err := e.store.GetMany(ctx, collection.Name, ids, maxReadBytes)
	for key, doc := range docs {
		found[key].stored, found[key].current = doc, doc
	}
	return found, err
}

// change applies one change, or gives the call its error. It reports whether it
// was not applied: a change that adds references, or that comes after one of a
// unique value, is carried out apart.
func (s *state) change(c *changeCall) (apart bool) {
	op := c.Request
	c.Response, c.Err = Result{}, nil
	if s.last != nil && s.current != nil && uniqueDiffer(op.collection, s.stored, s.current) {
		return true // MongoDB must see the unique value that there is now
	}
	if s.current == nil {
		c.Err = notFound(op.collection)
		return false
	}
	if c.Err = op.admits(s.current); c.Err != nil {
		return false
	}
	next, err := op.next(s.current)
	if c.Err = err; err != nil {
		return false
	}
	if len(op.added(s.current, next, "")) > 0 {
		return true
	}
	s.trail = append(s.trail, op.becomes(s.current, next).trail...)
	s.current, s.last, c.Response = next, c, op.result(next)
	return false
}

// storeStates stores what has changed. It returns the call whose document MongoDB
// refused.
func (e *Engine) storeStates(ctx context.Context, collection *schema.Collection, all states) (*changeCall, error) {
	var list []transition
	var last []*changeCall
	for _, s := range all {
		if s.last != nil {
			list, last = append(list, transition{from: s.stored, to: s.current, trail: s.trail}), append(last, s.last)
		}
	}
	refused, err := e.carry(ctx, collection, list)
	if refused >= 0 {
		return last[refused], err
	}
	return nil, err
}
