package importer

import (
	"bytes"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// batch is a part of the input that is stored at once.
type batch struct {
	run       *run
	documents []*document
	// end is how much of the input is read with it, in bytes.
	end int64

	// turn is closed when the batch before has its ids, numbered when this one
	// has, done when all is known.
	turn, numbered, done chan struct{}
	// err is why some documents are still pending.
	err error
}

// read takes values until the batch is full. The error is why there are no more.
func (b *batch) read(f *framer) error {
	for size := 0; len(b.documents) < batchDocuments && size < batchBytes; {
		v, err := f.next()
		b.end = f.consumed()
		if err != nil {
			return err
		}
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
	for _, d := range b.documents {
		d.stamp()
	}
	b.err = b.insert(ctx)
}

// number gives the documents their ids, batch after batch, so that they rise
// with the input and the same texts are counted in its order.
func (b *batch) number(ctx context.Context) error {
	defer close(b.numbered)
	<-b.turn
	return persist(ctx, func(int) error { return b.run.ids.assign(ctx, b.pending()) })
}

// pending are the documents of which it is still open what becomes of them.
func (b *batch) pending() []*document {
	var documents []*document
	for _, d := range b.documents {
		if d.outcome == pending {
			documents = append(documents, d)
		}
	}
	return documents
}

// insert stores the documents, again where the database could not be reached.
func (b *batch) insert(ctx context.Context) error {
	return persist(ctx, func(try int) error {
		left := b.pending()
		if len(left) == 0 {
			return nil
		}
		return b.insertOnce(ctx, left, try > 1)
	})
}

// insertOnce stores documents; where again is set the run may have stored some
// of them already.
func (b *batch) insertOnce(ctx context.Context, documents []*document, again bool) error {
	stored := make([]bson.Raw, len(documents))
	for i, d := range documents {
		stored[i] = d.stored
	}
	failures, err := b.run.Store.InsertMany(ctx, b.run.Collection.Name, stored)
	if err != nil {
		return err
	}
	for _, d := range documents {
		d.outcome = imported
	}
	twins, trouble := settle(documents, failures)
	if err := b.compare(ctx, twins, again); err != nil {
		return err
	}
	return trouble
}

// settle notes what became of the documents that failed. It returns those whose
// id or unique value is taken, and why others are still pending.
func settle(documents []*document, failures []store.Failure) (twins []*document, trouble error) {
	for _, failure := range failures {
		switch d := documents[failure.Index]; {
		case failure.Err.Code == fault.DuplicateKey:
			d.outcome, d.fault = pending, failure.Err
			twins = append(twins, d)
		case passes(failure.Err):
			d.outcome, trouble = pending, failure.Err
		default:
			d.refuse(failure.Err)
		}
	}
	return twins, trouble
}

// compare tells documents that are there already from those that another is in
// the way of.
func (b *batch) compare(ctx context.Context, twins []*document, again bool) error {
	if len(twins) == 0 {
		return nil
	}
	there, err := findByID(ctx, b.run.Store, b.run.Collection.Name, ids(twins))
	if err != nil {
		return err
	}
	for _, d := range twins {
		switch other := there[keyOf(d.id)]; {
		case other == nil:
			d.refuse(d.fault)
		case again && bytes.Equal(other, d.stored):
			d.outcome = imported
		case d.sameAs(other, b.run):
			d.outcome = present
		default:
			d.refuse(d.fault)
		}
	}
	return nil
}

func ids(documents []*document) []bson.RawValue {
	values := make([]bson.RawValue, len(documents))
	for i, d := range documents {
		values[i] = d.id
	}
	return values
}

// keyOf is a value as the key of a map.
func keyOf(v bson.RawValue) string { return string(rune(v.Type)) + string(v.Value) }

// findByID returns the documents of ids, by keyOf.
func findByID(ctx context.Context, s *store.Store, collection string, ids []bson.RawValue) (map[string]bson.Raw, error) {
	array := bsoncore.NewArrayBuilder()
	for _, id := range ids {
		array.AppendValue(bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value})
	}
	in := bsoncore.NewDocumentBuilder().AppendArray("$in", array.Build()).Build()
	filter := bsoncore.NewDocumentBuilder().AppendDocument("_id", in).Build()
	rows, err := s.Find(ctx, store.Query{Collection: collection, Filter: bson.Raw(filter)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]bson.Raw, len(ids))
	for rows.Next() {
		doc := bytes.Clone(rows.Document())
		found[keyOf(bson.Raw(doc).Lookup("_id"))] = doc
	}
	return found, rows.Err()
}

const (
	// patience is how long trouble with the database is waited out.
	patience  = 30 * time.Second
	firstWait = 50 * time.Millisecond
	longWait  = 2 * time.Second
)

// persist calls try, with how many times it did, until it succeeds, fails for
// good, or has failed for too long.
func persist(ctx context.Context, try func(int) error) error {
	deadline := time.Now().Add(patience)
	for tries, wait := 1, firstWait; ; tries, wait = tries+1, min(2*wait, longWait) {
		err := try(tries)
		if err == nil || !passes(err) || time.Now().Add(wait).After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// passes reports whether trouble may be over when one tries again.
func passes(err error) bool {
	return fault.Is(err, fault.DatabaseUnavailable) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.WriteConflict)
}
