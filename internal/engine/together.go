package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Single writes share transactions, as reads and plain creates share commands.
// Creates with references take the locks of a parent once then, and changes of
// the same document follow each other without a word to MongoDB in between. What
// is refused fails alone: the others are tried again without it.

// The bounds of the writes of one collection that share a transaction. The two
// that are under way at a time do not meet: creates take different locks of the
// same parent, and changes queue for their documents.
const (
	togetherInFlight   = 2
	togetherSize       = 256
	togetherBytes      = 8 << 20
	togetherQueue      = 10_000
	togetherQueueBytes = 64 << 20
	// togetherTries is how often a write that is refused is left out and the
	// others are tried again, before each is tried alone.
	togetherTries = 3
)

type (
	createCall = coalesce.Call[*operation, struct{}]
	changeCall = coalesce.Call[*operation, Result]
)

// shared has the batchers of one collection.
type shared struct {
	creates *coalesce.Batcher[*operation, struct{}]
	changes *coalesce.Batcher[*operation, Result]
}

func (e *Engine) sharedBy(collection string) *shared {
	if s, ok := e.shared.Load(collection); ok {
		return s.(*shared)
	}
	limits := coalesce.Limits{
		InFlight: togetherInFlight, Size: togetherSize, Bytes: togetherBytes,
		Queue: togetherQueue, QueueBytes: togetherQueueBytes, Timeout: e.store.Timeout(),
	}
	weigh := func(op *operation) int { return len(op.document) + len(op.body) }
	creates, changes := limits, limits
	creates.Sent, changes.Sent = e.store.Batches("create"), e.store.Batches("change")
	s, _ := e.shared.LoadOrStore(collection, &shared{
		creates: coalesce.New(creates, weigh, byModel((*operation).model, e.createBatch)),
		changes: coalesce.New(changes, weigh, byModel((*operation).model, e.changeBatch)),
	})
	return s.(*shared)
}

func (op *operation) model() *schema.Model { return op.collection.Model }

// byModel returns what answers a batch of calls by answering those of one model
// at a time. Requests of two meet in a batch when the model that serves is
// swapped, and neither may be treated by what the other's says of unique values
// and references.
func byModel[Req, Resp any](model func(Req) *schema.Model, answer func(context.Context, []*coalesce.Call[Req, Resp])) func(context.Context, []*coalesce.Call[Req, Resp]) {
	return func(ctx context.Context, calls []*coalesce.Call[Req, Resp]) {
		for len(calls) > 0 {
			first := model(calls[0].Request)
			others := func(c *coalesce.Call[Req, Resp]) bool { return model(c.Request) != first }
			if !slices.ContainsFunc(calls, others) {
				answer(ctx, calls)
				return
			}
			answer(ctx, slices.DeleteFunc(slices.Clone(calls), others))
			calls = slices.DeleteFunc(slices.Clone(calls), func(c *coalesce.Call[Req, Resp]) bool { return !others(c) })
		}
	}
}

// sharing is what a batcher's error means to a caller.
func sharing(err error) error {
	if errors.Is(err, coalesce.ErrFull) {
		return fault.Wrap(err, fault.Overloaded, "too many requests wait for the same collection")
	}
	return err
}

// together answers calls by once, which carries all of them out or returns the
// one that was refused with its error; without one the error is that of all.
// Where several are refused each is tried alone.
func together[Req, Resp any](calls []*coalesce.Call[Req, Resp],
	once func([]*coalesce.Call[Req, Resp]) (*coalesce.Call[Req, Resp], error), alone func(*coalesce.Call[Req, Resp]),
) {
	left := calls
	for range togetherTries {
		refused, err := once(left)
		if refused == nil {
			for _, c := range left {
				if err != nil {
					c.Err = err
				}
			}
			return
		}
		refused.Err = err
		left = slices.DeleteFunc(slices.Clone(left), func(c *coalesce.Call[Req, Resp]) bool { return c == refused })
	}
	coalesce.Apart(left, alone)
}

// createTogether stores a new document that refers to others.
func (e *Engine) createTogether(ctx context.Context, op *operation) error {
	_, err := e.sharedBy(op.collection.Name).creates.Do(ctx, op)
	return sharing(err)
}

// createBatch answers creates of one collection.
func (e *Engine) createBatch(ctx context.Context, calls []*createCall) {
	once := func(calls []*createCall) (*createCall, error) { return e.createOnce(ctx, calls) }
	together(calls, once, func(c *createCall) {
		if _, err := once([]*createCall{c}); err != nil {
			c.Err = err
		}
	})
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
		list := make([]transition, len(good))
		for i, c := range good {
			list[i] = c.Request.becomes(nil, c.Request.document)
		}
		at, err := e.carry(ctx, calls[0].Request.collection, list)
		if at >= 0 {
			refused = good[at]
		}
		if err != nil {
			return err
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
	return slices.DeleteFunc(op.added(nil, op.document, ""), func(w wanted) bool { return self.has(w.key) })
}
