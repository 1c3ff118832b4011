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

// Mode says what an import does to a document that is there already.
type Mode uint8

// The modes.
const (
	Create Mode = iota // stores new ones alone; one with the id and another content is refused
	Upsert             // puts the new one in its place
	Merge              // changes it by a merge patch (RFC 7396)
)

// Options say what to import, and where to.
type Options struct {
	Store      *store.Store
	Collection *schema.Collection
	Mode       Mode
	// Input is NDJSON, one JSON array, or JSON values in a row. Values may be in
	// MongoDB's Extended JSON.
	Input io.Reader
	// MaxText bounds the text of one document, in bytes; 0 for as much as MongoDB
	// can store.
	MaxText int
	// Told is told what became of every document, in the order of the input; nil
	// for nobody. Its error ends the import.
	Told func(Result) error
	// Progress is told how far the import is after every batch; nil for nobody.
	Progress func(Counts)
	// Now is the time that documents are stamped with.
	Now time.Time
}

// Counts are how many documents became what.
type Counts struct {
	// Read is the sum of the others.
	Read, Imported, Changed, Present, Refused int64
	// Bytes is how much of the input is dealt with, and Line where the last document
	// of that ends, from 1: all before has become something, and what comes after may
	// have.
	Bytes, Line int64
}

// Run imports documents until the input ends or ctx is cancelled. The collection
// must have been provisioned. Trouble with the database is waited out for half a
// minute. The counts are right beside an error too, and running the same again
// goes on where this run stopped.
//
// Documents with the same id take effect in the order of the input.
//
// A DanglingError at the end tells of references that lead to no document, an
// InputError of input that cannot be read.
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
		err := r.account(b, failed == nil)
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
	f := newFramer(interruptible(ctx, r.Input))
	if r.MaxText > 0 {
		f.limit = r.MaxText
	}
	numbered, index := make(chan struct{}), int64(0)
	close(numbered)
	var earlier []*batch
	for r.readErr == nil && ctx.Err() == nil {
		b := newBatch(r, index, numbered, earlier)
		r.readErr = b.read(f)
		numbered, index = b.numbered, index+int64(len(b.documents))
		go b.store(ctx)
		r.batches <- b
		earlier = append(earlier[max(len(earlier)-underWay+1, 0):len(earlier):len(earlier)], b)
	}
	if errors.Is(r.readErr, io.EOF) {
		r.readErr = nil
	}
	if r.readErr == nil {
		r.readErr = ctx.Err()
	}
}

// underWay is how many batches can be begun and not done, at most.
const underWay = waiting + 2

// account counts a batch that is done, and tells what became of its documents.
// reached is set where all batches before it were done without an error.
func (r *run) account(b *batch, reached bool) error {
	for i, d := range b.documents {
		if d.outcome == Pending {
			continue
		}
		r.counts.add(d.outcome)
		if r.Told == nil {
			continue
		}
		if err := r.Told(Result{Index: b.first + int64(i), Outcome: d.outcome, ID: d.id, document: d}); err != nil {
			return err
		}
	}
	if reached && b.err == nil {
		r.counts.Bytes, r.counts.Line = b.end, max(b.line, r.counts.Line)
	}
	if r.Progress != nil {
		r.Progress(r.counts)
	}
	return b.err
}

func (c *Counts) add(o Outcome) {
	c.Read++
	switch o {
	case Imported:
		c.Imported++
	case Changed:
		c.Changed++
	case Present:
		c.Present++
	case Refused:
		c.Refused++
	}
}
