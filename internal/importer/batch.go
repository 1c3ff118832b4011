package importer

import (
	"context"

	"github.com/sheafdb/sheaf/internal/store"
)

// batch is a part of the input that is stored at once.
type batch struct {
	run       *run
	documents []*document
	// first is the index of the first document.
	first int64
	// end is how much of the input is read with it, in bytes; line is where the last
	// document ends, 0 for none.
	end, line int64

	// turn is closed when the batch before has its ids, numbered when this one
	// has, done when all is known.
	turn, numbered, done chan struct{}
	// earlier are the batches before that may be under way.
	earlier []*batch
	// ids counts the documents that came with each id; rounds is how many times
	// the most frequent one did.
	ids    map[string]int
	rounds int
	// err is why some documents are still pending.
	err error
}

func newBatch(r *run, first int64, turn chan struct{}, earlier []*batch) *batch {
	return &batch{run: r, first: first, turn: turn, earlier: earlier, numbered: make(chan struct{}), done: make(chan struct{})}
}

// read takes values until the batch is full. The error is why there are no more.
func (b *batch) read(f *framer) error {
	for size := 0; len(b.documents) < batchDocuments && size < batchBytes; {
		v, err := f.next()
		b.end = f.consumed()
		if err != nil {
			return err
		}
		b.line = f.line
		size += len(v.text)
		b.documents = append(b.documents, &document{value: v})
	}
	return nil
}

// store sees to all documents of the batch.
func (b *batch) store(ctx context.Context) {
	defer close(b.done)
	for _, d := range b.documents {
		d.prepare(b.run)
	}
	if b.err = b.number(ctx); b.err != nil {
		return
	}
	b.await()
	for round := 0; round < b.rounds && b.err == nil; round++ {
		b.err = b.write(ctx, round)
	}
}

// number gives the documents their ids, batch after batch, so that they rise
// with the input and the same texts are counted in its order.
func (b *batch) number(ctx context.Context) error {
	defer close(b.numbered)
	<-b.turn
	if err := store.Persist(ctx, func(int) error { return b.run.ids.assign(ctx, b.pending()) }); err != nil {
		return err
	}
	b.ids, b.rounds = make(map[string]int, len(b.documents)), 1
	for _, d := range b.pending() {
		if d.hash != nil {
			continue // the id is its own
		}
		key := store.IDKey(d.id)
		d.round = b.ids[key]
		b.ids[key]++
		b.rounds = max(b.rounds, b.ids[key])
	}
	return nil
}

// await waits for the batches before that have documents with the same ids.
func (b *batch) await() {
	for _, other := range b.earlier {
		if other.shares(b.ids) {
			<-other.done
		}
	}
	b.earlier = nil // which would hold all of them for ever
}

func (b *batch) shares(ids map[string]int) bool {
	for id := range ids {
		if _, there := b.ids[id]; there {
			return true
		}
	}
	return false
}

// pending are the documents of which it is still open what becomes of them.
func (b *batch) pending() []*document {
	documents := make([]*document, 0, len(b.documents))
	for _, d := range b.documents {
		if d.outcome == Pending {
			documents = append(documents, d)
		}
	}
	return documents
}

// due are the pending documents of a round.
func (b *batch) due(round int) []*document {
	documents := make([]*document, 0, len(b.documents))
	for _, d := range b.documents {
		if d.outcome == Pending && d.round == round {
			documents = append(documents, d)
		}
	}
	return documents
}
