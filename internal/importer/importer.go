// Package importer puts documents from a stream of JSON into a collection:
// each validated as if it was sent to the service, and stored in unordered
// batches.
//
// An import can be run again after it was stopped at any point, and stores what
// is missing and nothing twice. A document that comes with its id is known by
// it. One that comes without is known by its text, and by how many of the same
// text came before it: ids of the kinds objectId and uuid are a hash of that,
// and for the kind increment the collection `_sheaf.imports` remembers which
// number the hash was given, before the document is stored.
package importer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

const (
	batchDocuments = 1000
	batchBytes     = 8 << 20
	// waiting is how many batches may be under way besides the one that is
	// waited for and the one that was begun last.
	waiting = 1
)

// Options say what to import, and where to.
type Options struct {
	Store      *store.Store
	Collection *schema.Collection
	// Input is NDJSON, one JSON array, or JSON values in a row. Values may be in
	// MongoDB's Extended JSON.
	Input io.Reader
	// Refused is told of every document that is not stored, in the order of the
	// input.
	Refused func(Refusal) error
	// Progress is told how far the import is after every batch; nil for nobody.
	Progress func(Counts)
	// Now is the time that documents are stamped with.
	Now time.Time
}

// Counts are how many documents became what.
type Counts struct {
	// Read is the sum of the others.
	Read, Imported, Present, Refused int64
	// Bytes is how much of the input they are.
	Bytes int64
}

// Run imports documents until the input ends or ctx is cancelled. The collection
// must have been provisioned. Trouble with the database is waited out for half a
// minute. The counts are right beside an error too, and running the same again
// goes on where this run stopped.
//
// A DanglingError at the end tells of references that lead to no document.
func Run(ctx context.Context, o Options) (Counts, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{
		Options: o,
		fields:  inputFields(o.Collection),
		ids:     newNumbering(o.Store, o.Collection),
		refs:    newResolver(o.Store, o.Collection),
		batches: make(chan *batch, waiting),
	}
	go r.read(ctx)
	var failed error
	for b := range r.batches {
		<-b.done
		err := r.account(b)
		if err == nil {
			err = r.refs.batch(ctx, b.documents)
		}
		if err != nil && failed == nil {
			failed = err
			cancel()
		}
	}
	if failed == nil {
		failed = r.readErr
	}
	if failed == nil {
		failed = r.refs.end(ctx)
	}
	return r.counts, failed
}

// run is one import.
type run struct {
	Options
	fields *bsonjson.Fields
	ids    *numbering
	refs   *resolver
	counts Counts

	// batches are under way, in the order of the input. readErr is why they end,
	// set before the channel is closed.
	batches chan *batch
	readErr error
}

// read cuts the input into batches and begins each as soon as it is full.
func (r *run) read(ctx context.Context) {
	defer close(r.batches)
	numbered := make(chan struct{})
	close(numbered)
	for f := newFramer(interruptible(ctx, r.Input)); r.readErr == nil && ctx.Err() == nil; {
		b := &batch{run: r, turn: numbered, numbered: make(chan struct{}), done: make(chan struct{})}
		r.readErr = b.read(f)
		numbered = b.numbered
		go b.store(ctx)
		r.batches <- b
	}
	if errors.Is(r.readErr, io.EOF) {
		r.readErr = nil
	}
	if r.readErr == nil {
		r.readErr = ctx.Err()
	}
}

// account counts a batch that is done.
func (r *run) account(b *batch) error {
	for _, d := range b.documents {
		switch d.outcome {
		case pending:
			continue
		case imported:
			r.counts.Imported++
		case present:
			r.counts.Present++
		case refused:
			r.counts.Refused++
			if err := r.Refused(d.refusal()); err != nil {
				return err
			}
		}
		r.counts.Read++
	}
	r.counts.Bytes = b.end
	if r.Progress != nil {
		r.Progress(r.counts)
	}
	return b.err
}
