package store

import (
	"context"
	"errors"
	"reflect"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// maxDocument is the size of MongoDB's largest document, in bytes.
const maxDocument = 16 << 20

// Insert stores a document that has its _id. It fails with DuplicateKey where a
// unique value is taken, and with ValidationFailed where the validator refuses
// the document.
func (s *Store) Insert(ctx context.Context, collection string, doc bson.Raw) error {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return err
	}
	defer done()
	if !s.CoalescesIn(ctx) {
		_, err = s.collection(collection).InsertOne(ctx, doc)
		return s.failed(ctx, err)
	}
	_, err = s.lane(collection).inserts.Do(ctx, doc)
	return s.coalesced(ctx, err)
}

// Failure is a document of many that was not stored.
type Failure struct {
	// Index is the place of the document among those given.
	Index int
	Err   *fault.Error
}

// InsertMany stores documents, each with its _id, in no order. It returns those
// that were refused, rising by index; the others are stored unless the error is
// set: then each of them may be or not.
//
// In a transaction a refusal is the end of the transaction, and MongoDB names
// the first only.
func (s *Store) InsertMany(ctx context.Context, collection string, docs []bson.Raw) ([]Failure, error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return nil, err
	}
	defer done()
	failures, send, at := sizes(docs)
	if len(send) > 0 {
		into := s.collection(collection).Clone(options.Collection().SetRegistry(unread))
		_, err = into.InsertMany(ctx, send, options.InsertMany().SetOrdered(false))
	}
	refused, err := s.refusals(ctx, err)
	for _, failure := range refused {
		failure.Index = at[failure.Index]
		failures = append(failures, failure)
	}
	sortFailures(failures)
	return failures, err
}

// unread is a registry that reads no document. InsertMany reads each that it sends
// for its id, which it tells back: nobody asks here, and it takes longer than the
// sending.
var unread = func() *bson.Registry {
	r := bson.NewRegistry()
	r.RegisterKindDecoder(reflect.Struct, bson.ValueDecoderFunc(func(bson.DecodeContext, bson.ValueReader, reflect.Value) error { return nil }))
	return r
}()

// sizes sets those documents apart that are too large to be sent: the driver
// would send none. at[i] is the place of send[i] among docs.
func sizes(docs []bson.Raw) (failures []Failure, send []bson.Raw, at []int) {
	send, at = make([]bson.Raw, 0, len(docs)), make([]int, 0, len(docs))
	for i, doc := range docs {
		if len(doc) > maxDocument {
			failures = append(failures, Failure{i, fault.New(fault.PayloadTooLarge, "%s", tooLarge)})
			continue
		}
		send, at = append(send, doc), append(at, i)
	}
	return failures, send, at
}

// refusals takes apart what became of the documents and of the command.
func (s *Store) refusals(ctx context.Context, err error) ([]Failure, error) {
	bulk, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok {
		return nil, s.failed(ctx, err)
	}
	failures := make([]Failure, len(bulk.WriteErrors))
	for i, e := range bulk.WriteErrors {
		failures[i] = Failure{e.Index, fault.From(s.failed(ctx, mongo.WriteException{WriteErrors: mongo.WriteErrors{e.WriteError}, Labels: bulk.Labels}))}
	}
	if bulk.WriteConcernError == nil {
		return failures, nil
	}
	return failures, s.failed(ctx, mongo.WriteException{WriteConcernError: bulk.WriteConcernError, Labels: bulk.Labels})
}

// Replace puts doc in the place of the document with an id, if that has a
// version; it reports whether it has. It fails as Insert does. shard has the
// conditions on the shard key of the stored document, nil for none.
func (s *Store) Replace(ctx context.Context, collection string, id bson.RawValue, version int64, shard, doc bson.Raw) (bool, error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return false, err
	}
	defer done()
	result, err := s.collection(collection).ReplaceOne(ctx, onShard(byVersion(id, version), shard), doc)
	if err != nil {
		return false, s.failed(ctx, err)
	}
	return result.MatchedCount == 1, nil
}

// Change is a change that MongoDB makes by itself.
type Change struct {
	ID bson.RawValue
	// Versions are those that the document must have one of; none are all.
	Versions []int64
	// Guard are further conditions of a filter, Update has MongoDB's operators.
	Guard, Update bson.Raw
	// Require is another filter that the document must match, nil for none.
	Require bson.Raw
	// Shard has the conditions on the shard key, nil for none.
	Shard bson.Raw
	// VersionOnly leaves all but the id and the version out of the answer.
	VersionOnly bool
}

// Update makes a change with one command, and returns the document as it is then.
// It returns nil where there is no such document, where it does not fulfil the
// conditions, and where what is stored does not take it: then nothing was changed.
// It fails as Insert does.
func (s *Store) Update(ctx context.Context, collection string, change Change) (bson.Raw, error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return nil, err
	}
	defer done()
	o := options.FindOneAndUpdate().SetReturnDocument(options.After)
	if change.VersionOnly {
		o.SetProjection(versionOnly)
	}
	var further []bson.Raw
	if change.Require != nil {
		further = append(further, change.Require)
	}
	filter := onShard(byVersions(change.ID, change.Versions, change.Guard, further...), change.Shard)
	doc, err := s.collection(collection).FindOneAndUpdate(ctx, filter, change.Update, o).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) || transactionOf(ctx) == nil && misfits(err) {
		return nil, nil
	}
	return doc, s.failed(ctx, err)
}

var versionOnly = bson.D{{Key: "version", Value: 1}}

// misfits reports whether MongoDB refused a change because of what is stored.
func misfits(err error) bool {
	const badValue, typeMismatch, pathNotViable, validator = 2, 14, 28, 121
	for _, r := range refusalsOf(err) {
		if r.code == badValue || r.code == typeMismatch || r.code == pathNotViable || r.code == validator {
			return true
		}
	}
	return false
}

// Delete deletes the document with an id, where version is not nil only if it
// has that version. It reports whether it did. shard is as for Replace.
func (s *Store) Delete(ctx context.Context, collection string, id bson.RawValue, version *int64, shard bson.Raw) (bool, error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return false, err
	}
	defer done()
	filter := byID(id)
	if version != nil {
		filter = byVersion(id, *version)
	}
	result, err := s.collection(collection).DeleteOne(ctx, onShard(filter, shard))
	if err != nil {
		return false, s.failed(ctx, err)
	}
	return result.DeletedCount == 1, nil
}

// DeleteMany deletes the documents with some ids, and returns how many there
// were.
func (s *Store) DeleteMany(ctx context.Context, collection string, ids []bson.RawValue) (int64, error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return 0, err
	}
	defer done()
	result, err := s.collection(collection).DeleteMany(ctx, In("_id", ids))
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	return result.DeletedCount, nil
}

// ReplaceMany puts documents in the place of those with their ids, whose shard
// key is the same. What is refused is told as InsertMany does.
func (s *Store) ReplaceMany(ctx context.Context, c *schema.Collection, docs []bson.Raw) ([]Failure, error) {
	ctx, done, err := s.write(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	models := make([]mongo.WriteModel, len(docs))
	for i, doc := range docs {
		models[i] = mongo.NewReplaceOneModel().SetFilter(onShard(byID(doc.Lookup("_id")), c.ShardKey.Of(doc))).SetReplacement(doc)
	}
	_, err = s.collection(c.Name).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	return s.refusals(ctx, err)
}

// write returns the context of a write. A client that hung up before gets
// nothing written.
func (s *Store) write(ctx context.Context, collection string) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, s.failed(ctx, err)
	}
	ctx, cancel := s.detach(ctx)
	return s.named(ctx, collection), cancel, nil
}
