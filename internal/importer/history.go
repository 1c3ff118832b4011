package importer

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
)

// A collection that keeps a history gets the versions of a batch in the
// transaction that stores it. A transaction is whole or not at all, so where
// MongoDB refuses a document the halves of the batch are tried.

// insertMany is InsertMany of the store, with the history that the collection keeps.
func (b *batch) insertMany(ctx context.Context, docs []bson.Raw) ([]store.Failure, error) {
	s, c := b.run.Store, b.run.Collection
	if c.History == nil {
		return s.InsertMany(ctx, c.Name, docs)
	}
	free, taken, err := b.free(ctx, docs)
	if err != nil {
		return nil, err
	}
	refused, err := halves(free, func(places []int) (bool, error) {
		part := pickEach(docs, places)
		return b.whole(ctx, part, "create", func(ctx context.Context) ([]store.Failure, error) {
			if err := s.ContinueVersions(ctx, c.Name, part); err != nil {
				return nil, err
			}
			return s.InsertMany(ctx, c.Name, part)
		})
	})
	failures := append(taken, refused...)
	slices.SortFunc(failures, func(a, b store.Failure) int { return a.Index - b.Index })
	return failures, err
}

// swapMany is SwapMany of the store, with the history that the collection keeps.
func (b *batch) swapMany(ctx context.Context, swaps []store.Swap) (made int, failures []store.Failure, err error) {
	s, c := b.run.Store, b.run.Collection
	if c.History == nil {
		return s.SwapMany(ctx, c.Name, swaps)
	}
	places := make([]int, len(swaps))
	for i := range places {
		places[i] = i
	}
	failures, err = halves(places, func(places []int) (bool, error) {
		part := pickEach(swaps, places)
		next := make([]bson.Raw, len(part))
		for i, swap := range part {
			next[i] = swap.Next
		}
		return b.whole(ctx, next, "update", func(ctx context.Context) ([]store.Failure, error) {
			n, failures, err := s.SwapMany(ctx, c.Name, part)
			if err == nil && len(failures) == 0 && n < len(part) {
				err = fault.New(fault.WriteConflict, "others change the same documents")
			}
			return failures, err
		})
	})
	return len(swaps) - len(failures), failures, err
}

// free returns the places of documents whose ids no other has, and the failures of
// the others.
func (b *batch) free(ctx context.Context, docs []bson.Raw) (free []int, taken []store.Failure, err error) {
	ids := make([]bson.RawValue, len(docs))
	for i, doc := range docs {
		ids[i] = doc.Lookup("_id")
	}
	there, err := b.run.Store.Existing(ctx, b.run.Collection.Name, ids, false)
	for i, id := range ids {
		if !there.Has(id) {
			free = append(free, i)
			continue
		}
		reason := fault.New(fault.DuplicateKey, "the value of id is taken by another document").WithItems(fault.Item{Pointer: "/id", Code: "unique", Detail: "is taken by another document"})
		taken = append(taken, store.Failure{Index: i, Err: reason})
	}
	return free, taken, err
}

// whole carries write out with the history of the documents, all or none. refused
// is set where a document was.
func (b *batch) whole(ctx context.Context, docs []bson.Raw, operation string, write func(context.Context) ([]store.Failure, error)) (refused bool, err error) {
	err = b.run.Store.InTransaction(ctx, func(ctx context.Context) error {
		refused = false
		failures, err := write(ctx)
		if err == nil && len(failures) > 0 {
			refused, err = !store.Passes(failures[0].Err), failures[0].Err
		}
		if err != nil {
			return err
		}
		err = b.run.Store.AddHistory(ctx, b.run.Collection.Name, b.entries(ctx, docs, operation))
		refused = fault.Is(err, fault.DuplicateKey) || fault.Is(err, fault.PayloadTooLarge)
		return err
	})
	return refused, err
}

func (b *batch) entries(ctx context.Context, docs []bson.Raw, operation string) []store.HistoryEntry {
	entries := make([]store.HistoryEntry, len(docs))
	for i, doc := range docs {
		version, _ := doc.Lookup("version").AsInt64OK()
		entries[i] = store.HistoryEntry{
			ID: doc.Lookup("_id"), Version: version, At: bsonjson.DateValue(b.run.Now), Operation: operation, Caller: observe.Caller(ctx), Document: doc,
		}
	}
	return entries
}

// halves stores what is at some places at once, or where something is refused by
// halves, down to what that is.
func halves(places []int, carry func(places []int) (refused bool, err error)) (failures []store.Failure, err error) {
	if len(places) == 0 {
		return nil, nil
	}
	refused, err := carry(places)
	switch {
	case err == nil || !refused:
		return nil, err
	case len(places) == 1:
		return []store.Failure{{Index: places[0], Err: fault.From(err)}}, nil
	}
	for half := range slices.Chunk(places, (len(places)+1)/2) {
		some, err := halves(half, carry)
		if failures = append(failures, some...); err != nil {
			return failures, err
		}
	}
	return failures, nil
}

func pickEach[T any](list []T, places []int) []T {
	some := make([]T, len(places))
	for i, at := range places {
		some[i] = list[at]
	}
	return some
}
