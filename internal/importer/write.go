package importer

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// write stores the documents of a round, again where the database could not be
// reached or others were in the way.
func (b *batch) write(ctx context.Context, round int) error {
	return store.Persist(ctx, func(try int) error {
		left := b.due(round)
		if len(left) == 0 {
			return nil
		}
		if b.run.Mode != Create {
			return b.settle(ctx, left)
		}
		for _, d := range left {
			d.create(b.run)
		}
		twins, err := b.insert(ctx, left)
		if err != nil {
			return err
		}
		return b.compare(ctx, twins, try > 1)
	})
}

// insert stores documents as new ones. It returns those whose id or unique value
// is taken; they are pending, with the reason.
func (b *batch) insert(ctx context.Context, documents []*document) (twins []*document, err error) {
	documents = stillPending(documents)
	if len(documents) == 0 {
		return nil, nil
	}
	stored := make([]bson.Raw, len(documents))
	for i, d := range documents {
		stored[i] = d.stored
	}
	failures, err := b.insertMany(ctx, stored)
	if err != nil {
		return nil, err
	}
	for _, d := range documents {
		d.outcome = Imported
	}
	return note(documents, failures)
}

// note notes what became of the documents that failed. It returns those whose
// id or unique value is taken, and why others are still pending.
func note(documents []*document, failures []store.Failure) (twins []*document, trouble error) {
	for _, failure := range failures {
		switch d := documents[failure.Index]; {
		case failure.Err.Code == fault.DuplicateKey:
			d.outcome, d.fault = Pending, failure.Err
			twins = append(twins, d)
		case store.Passes(failure.Err):
			d.outcome, trouble = Pending, failure.Err
		default:
			d.refuse(failure.Err)
		}
	}
	return twins, trouble
}

// compare tells documents that are there already from those that another is in
// the way of. Where again is set the run may have stored some of them itself.
func (b *batch) compare(ctx context.Context, twins []*document, again bool) error {
	there, err := b.there(ctx, twins)
	if err != nil {
		return err
	}
	for _, d := range twins {
		switch other := there[store.IDKey(d.id)]; {
		case other == nil:
			d.refuse(d.fault)
		case again && bytes.Equal(other, d.stored):
			d.outcome = Imported
		case d.sameAs(other, b.run):
			d.outcome = Present
		default:
			d.refuse(d.fault)
		}
	}
	return nil
}

// settle stores documents that may be there already: it reads them, and stores
// what becomes of each if it is still as it was read.
func (b *batch) settle(ctx context.Context, documents []*document) error {
	there, err := b.there(ctx, documents)
	if err != nil {
		return err
	}
	var fresh, changed []*document
	var swaps []store.Swap
	for _, d := range documents {
		current := there[store.IDKey(d.id)]
		switch {
		case current == nil:
			d.create(b.run)
			fresh = append(fresh, d)
		case d.written(current):
		case d.succeed(current, b.run):
			changed = append(changed, d)
			swaps = append(swaps, store.Swap{Current: current, Next: d.stored, Shard: b.run.Collection.ShardKey.Of(current)})
		}
	}
	twins, err := b.insert(ctx, fresh)
	if err != nil {
		return err
	}
	return firstError(b.swap(ctx, changed, swaps), lateTwins(twins))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lateTwins refuses documents whose unique values are taken. One whose id was
// taken after the reading is to be read again.
func lateTwins(twins []*document) (again error) {
	for _, d := range twins {
		if len(d.fault.Items) == 1 && d.fault.Items[0].Pointer == "/id" {
			again = fault.New(fault.WriteConflict, "others create the same documents")
			continue
		}
		d.refuse(d.fault)
	}
	return again
}

// swap stores documents in the place of those that were read.
func (b *batch) swap(ctx context.Context, documents []*document, swaps []store.Swap) error {
	if len(documents) == 0 {
		return nil
	}
	stored, failures, err := b.swapMany(ctx, swaps)
	if err != nil {
		return err
	}
	for _, failure := range failures {
		switch d := documents[failure.Index]; {
		case store.Passes(failure.Err):
			err = failure.Err
		default:
			d.refuse(failure.Err)
		}
	}
	if left := stillPending(documents); err == nil && stored < len(left) {
		// MongoDB does not tell which.
		return fault.New(fault.WriteConflict, "others change the same documents")
	}
	if err != nil {
		return err
	}
	for _, d := range stillPending(documents) {
		d.outcome = Changed
	}
	return nil
}

func stillPending(documents []*document) []*document {
	left := make([]*document, 0, len(documents))
	for _, d := range documents {
		if d.outcome == Pending {
			left = append(left, d)
		}
	}
	return left
}

// maxRead bounds what is read of the collection at once, in bytes.
const maxRead = 256 << 20

// there returns what is stored under the ids of documents, by store.IDKey.
func (b *batch) there(ctx context.Context, documents []*document) (map[string]bson.Raw, error) {
	if len(documents) == 0 {
		return nil, nil
	}
	ids := make([]bson.RawValue, len(documents))
	for i, d := range documents {
		ids[i] = d.id
	}
	return b.run.Store.GetMany(ctx, b.run.Collection.Name, ids, maxRead)
}
