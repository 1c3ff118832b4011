package engine

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// Single creates with references share transactions, as those without share
// commands: many children of one parent then take its locks once, and do not get
// in each other's way.

// The bounds of the creates of one collection that share a transaction. Those
// that are under way at a time take different locks of the same parent.
const (
	togetherInFlight   = 2
	togetherSize       = 256
	togetherBytes      = 8 << 20
	togetherQueue      = 10_000
	togetherQueueBytes = 64 << 20
	// togetherTries is how often a document that is refused is left out and the
	// others are tried again, before each is tried alone.
	togetherTries = 3
)

type (
	createCall    = coalesce.Call[*operation, struct{}]
	createBatcher = coalesce.Batcher[*operation, struct{}]
)

// createTogether stores a new document that refers to others.
func (e *Engine) createTogether(ctx context.Context, op *operation) error {
	_, err := e.batcher(op.collection.Name).Do(ctx, op)
	if errors.Is(err, coalesce.ErrFull) {
		return fault.Wrap(err, fault.Overloaded, "too many requests wait for the same collection")
	}
	return err
}

func (e *Engine) batcher(collection string) *createBatcher {
	if b, ok := e.batchers.Load(collection); ok {
		return b.(*createBatcher)
	}
	limits := coalesce.Limits{
		InFlight: togetherInFlight, Size: togetherSize, Bytes: togetherBytes,
		Queue: togetherQueue, QueueBytes: togetherQueueBytes, Timeout: e.store.Timeout(),
	}
	b, _ := e.batchers.LoadOrStore(collection, coalesce.New(limits, func(op *operation) int { return len(op.document) }, e.createBatch))
	return b.(*createBatcher)
}

// createBatch answers creates of one collection.
func (e *Engine) createBatch(ctx context.Context, calls []*createCall) {
	left := calls
	for range togetherTries {
		refused, err := e.createOnce(ctx, left)
		if refused == nil {
			for _, c := range left {
				if err != nil {
					c.Err = err
				}
			}
			return
		}
		refused.Err = err
		left = slices.DeleteFunc(slices.Clone(left), func(c *createCall) bool { return c == refused })
	}
	for _, c := range left {
		if _, err := e.createOnce(ctx, []*createCall{c}); err != nil {
			c.Err = err
		}
	}
}

// createOnce stores the documents of calls in one transaction, but for those
// whose references lead nowhere: these get their error. Where a document is
// refused, none is stored, and the call is returned with the error.
func (e *Engine) createOnce(ctx context.Context, calls []*createCall) (refused *createCall, err error) {
	if len(calls) == 0 {
		return nil, nil
	}
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		refused = nil
		good, keys, err := e.whole(ctx, calls)
		if err != nil || len(good) == 0 {
			return err
		}
		docs := make([]bson.Raw, len(good))
		for i, c := range good {
			docs[i] = c.Request.document
		}
		failures, err := e.store.InsertMany(ctx, calls[0].Request.collection.Name, docs)
		if err != nil {
			return err
		}
		if len(failures) > 0 {
			refused = good[failures[0].Index]
			return failures[0].Err
		}
		return e.store.Share(ctx, keys)
	})
	return refused, err
}

// whole returns the calls whose references lead to documents, and those
// documents. The others get their error.
func (e *Engine) whole(ctx context.Context, calls []*createCall) (good []*createCall, keys []store.Key, err error) {
	lists, all := make([][]wanted, len(calls)), []wanted(nil)
	for i, c := range calls {
		lists[i] = c.Request.references()
		all = append(all, lists[i]...)
	}
	there, err := e.lookFor(ctx, all, nil)
	if err != nil {
		return nil, nil, err
	}
	var held []wanted
	for i, c := range calls {
		if c.Err = dangling(lists[i], there); c.Err == nil {
			good, held = append(good, c), append(held, lists[i]...)
		}
	}
	return good, distinct(held, nil), nil
}

// references are those of a new document, but for those to itself.
func (op *operation) references() []wanted {
	self := refSet{}
	self.add(op.collection.Name, op.id)
	return slices.DeleteFunc(added(op.collection, nil, op.document, ""), func(w wanted) bool { return self.has(w.key) })
}
