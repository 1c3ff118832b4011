package store

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/xoptions"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Get returns the document with an id, NotFound where there is none. It must
// not be changed: other callers may have the same. Conditions on its shard key,
// nil for none, spare the shards where it does not lie.
func (s *Store) Get(ctx context.Context, collection string, id bson.RawValue, shard bson.Raw) (bson.Raw, error) {
	if shard != nil || !s.CoalescesIn(ctx) {
		return s.findOne(ctx, collection, onShard(byID(id), shard))
	}
	doc, err := s.lane(collection).reads.Do(ctx, id)
	return doc, s.coalesced(ctx, err)
}

func (s *Store) findOne(ctx context.Context, collection string, filter bson.Raw) (bson.Raw, error) {
	reads, done := s.reading(s.asking(ctx, collection, filter, nil))
	defer done()
	doc, err := s.collection(collection).FindOne(reads, filter).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, notFound(collection)
	}
	return doc, s.failed(ctx, err)
}

// GetMany returns those documents that have one of some ids, by IDKey. It fails
// with PayloadTooLarge where they come to more than most bytes.
func (s *Store) GetMany(ctx context.Context, collection string, ids []bson.RawValue, most int) (map[string]bson.Raw, error) {
	found, size := make(map[string]bson.Raw, len(ids)), 0
	err := s.Each(ctx, Query{Collection: collection, Filter: In("_id", ids), Batch: int32(len(ids)) + 1}, func(doc bson.Raw) error {
		if size += len(doc); size > most {
			return fault.New(fault.PayloadTooLarge, "the documents to read come to more than %d bytes; read fewer at once", most)
		}
		found[IDKey(doc.Lookup("_id"))] = slices.Clone(doc)
		return nil
	})
	return found, err
}

// Query says what to find. Its documents are those of MongoDB's find command.
type Query struct {
	Collection string
	// Filter selects the documents; nil for all.
	Filter bson.Raw
	// Sort and Projection are nil for none.
	Sort, Projection bson.Raw
	// Limit is the largest number of documents; 0 for all.
	Limit int64
	// Batch is how many documents come at once; 0 for the limit, or MongoDB's
	// own measure where there is none.
	Batch int32
}

// Find runs a query. The Rows must be closed.
func (s *Store) Find(ctx context.Context, q Query) (*Rows, error) {
	filter := q.Filter
	if filter == nil {
		filter = emptyDocument
	}
	ctx, done := s.reading(s.asking(ctx, q.Collection, filter, q.Sort))
	cursor, err := s.collection(q.Collection).Find(ctx, filter, q.options(s.maxTime(ctx)))
	return s.rows(ctx, cursor, done, err)
}

var emptyDocument = bson.Raw{5, 0, 0, 0, 0}

// maxTime is how many milliseconds MongoDB may work on a command. The driver says
// that of every command but those that open a cursor, which may outlive their
// context elsewhere; here none does.
func (s *Store) maxTime(ctx context.Context) int64 {
	left := s.timeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return min(max(left.Milliseconds(), 1), math.MaxInt32)
}

func (q Query) options(maxTime int64) *options.FindOptionsBuilder {
	o := options.Find()
	addToCommand(xoptions.SetInternalFindOptions(o, commandFields, bson.D{{Key: "maxTimeMS", Value: maxTime}}))
	if q.Sort != nil {
		o.SetSort(q.Sort)
	}
	if q.Projection != nil {
		o.SetProjection(q.Projection)
	}
	if q.Limit > 0 {
		o.SetLimit(q.Limit)
	}
	switch {
	case q.Batch > 0:
		o.SetBatchSize(q.Batch)
	case q.Limit > 0 && q.Limit < maxFirstBatch:
		// One more than the limit makes MongoDB close the cursor by itself.
		o.SetBatchSize(int32(q.Limit) + 1)
	}
	return o
}

// FindBatch runs a query and returns its first batch, which MongoDB ends at the
// limit or, before, at 16 MiB; more says that there are documents beyond it. The
// documents are parts of one answer: who keeps one keeps them all.
func (s *Store) FindBatch(ctx context.Context, q Query) (docs []bson.Raw, more bool, err error) {
	if q.Limit > 0 {
		q.Batch = int32(min(q.Limit, math.MaxInt32-1)) + 1
	}
	rows, err := s.Find(ctx, q)
	if err != nil {
		return nil, false, err
	}
	return rows.firstBatch()
}

// firstBatch returns the documents that came with the cursor, and closes it.
func (r *Rows) firstBatch() (docs []bson.Raw, more bool, err error) {
	defer r.Close()
	if r.Next() {
		docs = make([]bson.Raw, 0, r.cursor.RemainingBatchLength()+1)
		for docs = append(docs, r.Document()); r.cursor.RemainingBatchLength() > 0 && r.Next(); {
			docs = append(docs, r.Document())
		}
	}
	return docs, r.cursor.ID() != 0, r.Err()
}

// Count returns how many documents a filter admits.
func (s *Store) Count(ctx context.Context, collection string, filter bson.Raw) (int64, error) {
	reads, done := s.reading(s.asking(ctx, collection, filter, nil))
	defer done()
	n, err := s.collection(collection).CountDocuments(reads, filter)
	return n, s.failed(ctx, err)
}

// EstimatedCount returns how many documents a collection holds by MongoDB's own
// books, which can be off for a while after a crash. It cannot be asked for in a
// transaction.
func (s *Store) EstimatedCount(ctx context.Context, collection string) (int64, error) {
	n, err := s.collection(collection).EstimatedDocumentCount(outside(s.named(ctx, collection)))
	return n, s.failed(ctx, err)
}

// Explain returns how MongoDB finds what a query asks for, as it says itself.
func (s *Store) Explain(ctx context.Context, q Query) (command bson.D, reply bson.Raw, err error) {
	filter := q.Filter
	if filter == nil {
		filter = emptyDocument
	}
	command = bson.D{{Key: "find", Value: q.Collection}, {Key: "filter", Value: filter}}
	if q.Sort != nil {
		command = append(command, bson.E{Key: "sort", Value: q.Sort})
	}
	if q.Projection != nil {
		command = append(command, bson.E{Key: "projection", Value: q.Projection})
	}
	command = append(command, bson.E{Key: "limit", Value: q.Limit})
	reply, err = s.database.RunCommand(outside(s.named(ctx, q.Collection)),
		bson.D{{Key: "explain", Value: command}, {Key: "verbosity", Value: "executionStats"}}).Raw()
	return command, reply, s.failed(ctx, err)
}

// commandFields is the driver's name for what is put into a command as it is.
const commandFields = "addCommandFields"

// addToCommand holds that the driver took what to put into a command: it refuses
// but for a programmer's error.
func addToCommand(err error) {
	if err != nil {
		panic("store: " + err.Error())
	}
}

// maxFirstBatch bounds the documents that a limit alone makes come at once.
const maxFirstBatch = 10_000

// Rows are the documents that a query found, in batches as MongoDB sends them.
// They are for one goroutine.
type Rows struct {
	store  *Store
	ctx    context.Context
	cursor *mongo.Cursor
	// done ends the session that the query is run in.
	done context.CancelFunc
}

// rows returns what a query found.
func (s *Store) rows(ctx context.Context, cursor *mongo.Cursor, done context.CancelFunc, err error) (*Rows, error) {
	if err != nil {
		done()
		return nil, s.failed(ctx, err)
	}
	return &Rows{store: s, ctx: ctx, cursor: cursor, done: done}, nil
}

// Next goes to the next document, and reports whether there is one.
func (r *Rows) Next() bool { return r.cursor.Next(r.ctx) }

// Document returns the document that Next went to. It is a part of one answer of
// MongoDB: who keeps it keeps that.
func (r *Rows) Document() bson.Raw { return r.cursor.Current }

// Err returns why Next found no more, nil for the end.
func (r *Rows) Err() error { return r.store.failed(r.ctx, r.cursor.Err()) }

const cursorCloseTimeout = time.Second

// Close frees what the query holds, on the server too.
func (r *Rows) Close() {
	defer r.done()
	if r.cursor.ID() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), cursorCloseTimeout)
	defer cancel()
	// A cursor that cannot be closed ends on the server by itself.
	_ = r.cursor.Close(ctx)
}

// byID returns the filter of one document.
func byID(id bson.RawValue) bson.Raw {
	index, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(id.Value)+10))
	dst = appendRaw(dst, "_id", id)
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return dst
}

// onShard adds the conditions on a shard key to a filter, nil for none.
func onShard(filter, shard bson.Raw) bson.Raw {
	if shard == nil {
		return filter
	}
	index, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(filter)+len(shard)))
	dst = append(append(dst, filter[4:len(filter)-1]...), shard[4:len(shard)-1]...)
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return dst
}

// byVersion returns the filter of one document in one version. Version 0 is that
// of a document that others stored without one.
func byVersion(id bson.RawValue, version int64) bson.Raw {
	index, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(id.Value)+27))
	dst = appendRaw(dst, "_id", id)
	if version == 0 {
		dst = append(dst, notYetVersioned...)
	} else {
		dst = bsoncore.AppendInt64Element(dst, "version", version)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, index)
	return dst
}

// notYetVersioned is the condition of documents without a version of Sheaf's own:
// they have none, or something else under its name.
var notYetVersioned = func() []byte {
	above := bsoncore.NewDocumentBuilder().AppendInt64("$gt", 0).Build()
	return bsoncore.AppendDocumentElement(nil, "version", bsoncore.NewDocumentBuilder().AppendDocument("$not", above).Build())
}()

// byVersions returns the filter of one document in any of some versions that also
// fulfils other conditions, a document's elements, and matches further filters. No
// versions are all those that Sheaf gave.
func byVersions(id bson.RawValue, versions []int64, conditions bson.Raw, further ...bson.Raw) bson.Raw {
	top, dst := bsoncore.AppendDocumentStart(make([]byte, 0, len(id.Value)+len(conditions)+64))
	dst = appendRaw(dst, "_id", id)
	if len(versions) == 1 {
		dst = bsoncore.AppendInt64Element(dst, "version", versions[0])
	} else {
		var of int32
		of, dst = bsoncore.AppendDocumentElementStart(dst, "version")
		dst = appendVersions(dst, versions)
		dst, _ = bsoncore.AppendDocumentEnd(dst, of)
	}
	dst = append(dst, conditions[4:len(conditions)-1]...)
	if len(further) > 0 {
		var all int32
		all, dst = bsoncore.AppendArrayElementStart(dst, "$and")
		for _, filter := range further {
			dst = bsoncore.AppendDocumentElement(dst, "0", bsoncore.Document(filter)) // MongoDB does not read the names of an array
		}
		dst, _ = bsoncore.AppendArrayEnd(dst, all)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, top)
	return dst
}

func appendVersions(dst []byte, versions []int64) []byte {
	if len(versions) == 0 {
		return bsoncore.AppendInt64Element(dst, "$gte", 1)
	}
	in, dst := bsoncore.AppendArrayElementStart(dst, "$in")
	for _, version := range versions {
		dst = bsoncore.AppendInt64Element(dst, "0", version) // MongoDB does not read the names of an array
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, in)
	return dst
}

func appendRaw(dst []byte, name string, value bson.RawValue) []byte {
	return append(bsoncore.AppendHeader(dst, bsoncore.Type(value.Type), name), value.Value...)
}
