package store

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// The versions of a collection's documents are in a collection of their own, so
// that they can be as many as they are without a reader of the documents having
// to do with them:
//
//	{_id: {d: id of the document, v: version}, at, operation, caller, gone, document}
//
// The index on _id holds the versions of a document in order, and has each of
// them once. gone is set where the document was removed by that version, which
// has its last state then.
func historyOf(collection string) string { return "_sheaf.history." + collection }

// HistoryEntry is a version of a document.
type HistoryEntry struct {
	ID        bson.RawValue
	Version   int64
	At        bson.RawValue // a date
	Operation string
	// Caller is who made it, empty where nobody is known.
	Caller string
	// Gone is set where the document was removed: Document is its last state.
	Gone     bool
	Document bson.Raw
}

// AddHistory stores versions of documents. It is to be called in the transaction
// that makes them, and fails where one of them is there.
func (s *Store) AddHistory(ctx context.Context, collection string, entries []HistoryEntry) error {
	if len(entries) == 0 {
		return nil
	}
	docs := make([]bson.Raw, len(entries))
	for i, entry := range entries {
		docs[i] = entry.stored()
	}
	failures, err := s.InsertMany(ctx, historyOf(collection), docs)
	if err != nil || len(failures) == 0 {
		return err
	}
	if failed := failures[0].Err; failed.Code != fault.DuplicateKey {
		return failed
	}
	return fault.Wrap(failures[0].Err, fault.DuplicateKey, "the history of %s has this version of the document already", collection).
		WithItems(fault.Item{Pointer: "/version", Code: "unique", Detail: "is in the history already"})
}

// PrepareHistory makes the indexes of a collection's history, as its schema has
// them now.
func (s *Store) PrepareHistory(ctx context.Context, c *schema.Collection) error {
	name := historyOf(c.Name)
	indexes := bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "_id.d", Value: int32(1)}}}, {Key: "name", Value: "gone"},
		{Key: "partialFilterExpression", Value: bson.D{{Key: "gone", Value: true}}}}}
	seconds := int32(c.History.Keep / time.Second)
	if seconds > 0 {
		indexes = append(indexes, bson.D{{Key: "key", Value: bson.D{{Key: "at", Value: int32(1)}}}, {Key: "name", Value: historyExpiry}, {Key: "expireAfterSeconds", Value: seconds}})
	}
	err := s.restructure(ctx, bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: indexes}})
	switch {
	case err == nil && seconds == 0:
		err = s.restructure(ctx, bson.D{{Key: "dropIndexes", Value: name}, {Key: "index", Value: historyExpiry}})
		const indexNotFound = 27
		if hasCode(err, indexNotFound) {
			err = nil
		}
	case hasCode(err, codeIndexOptions): // another time
		err = s.restructure(ctx, bson.D{{Key: "collMod", Value: name}, {Key: "index", Value: bson.D{
			{Key: "name", Value: historyExpiry}, {Key: "expireAfterSeconds", Value: seconds},
		}}})
	}
	return mapError(ctx, err)
}

// renameHistory gives the history of a collection that has another name now that
// name, where there is one. An instance that knows the new name already may have
// made an empty one.
func (s *Store) renameHistory(ctx context.Context, from, to string) error {
	database := s.database.Name() + "."
	command := bson.D{{Key: "renameCollection", Value: database + historyOf(from)}, {Key: "to", Value: database + historyOf(to)}}
	err := s.restructureOn(ctx, s.client.Database("admin"), command)
	if hasCode(err, codeNamespaceExists) {
		n, countErr := s.Count(ctx, historyOf(to), emptyDocument)
		if countErr != nil || n > 0 {
			return errors.Join(countErr, fault.Wrap(err, fault.Internal, "the history of %s cannot be renamed to that of %s, since there is one", from, to))
		}
		err = s.restructureOn(ctx, s.client.Database("admin"), append(command, bson.E{Key: "dropTarget", Value: true}))
	}
	if hasCode(err, codeNamespaceNotFound) {
		return nil
	}
	return s.structureError(ctx, err)
}

// KeepsHistory reports whether the versions of a collection's documents are kept.
func (s *Store) KeepsHistory(ctx context.Context, collection string) (bool, error) {
	names, err := s.database.ListCollectionNames(ctx, bson.D{{Key: "name", Value: historyOf(collection)}})
	return len(names) > 0, s.failed(ctx, err)
}

// historyExpiry is the index by which versions are deleted in time.
const historyExpiry = "at_1"

func (entry HistoryEntry) stored() bson.Raw {
	b := bsonjson.NewBuilder(len(entry.Document)+len(entry.ID.Value)+160).
		Append("_id", versionID(entry.ID, bsonjson.IntValue(entry.Version))).
		Append("at", entry.At).
		Append("operation", bsonjson.StringValue(entry.Operation))
	if entry.Caller != "" {
		b.Append("caller", bsonjson.StringValue(entry.Caller))
	}
	if entry.Gone {
		b.Append("gone", bson.RawValue{Type: bson.TypeBoolean, Value: []byte{1}})
	}
	return b.Append("document", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: entry.Document}).Document()
}

func historyEntry(doc bson.Raw) HistoryEntry {
	var entry HistoryEntry
	entry.ID = doc.Lookup("_id", "d")
	entry.Version, _ = doc.Lookup("_id", "v").AsInt64OK()
	entry.At = doc.Lookup("at")
	entry.Operation = text(doc.Lookup("operation"))
	entry.Caller = text(doc.Lookup("caller"))
	entry.Gone, _ = doc.Lookup("gone").BooleanOK()
	entry.Document, _ = doc.Lookup("document").DocumentOK()
	return entry
}

func versionID(id, version bson.RawValue) bson.RawValue {
	doc := bsonjson.NewBuilder(len(id.Value)+24).Append("d", id).Append("v", version).Document()
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
}

// History returns the versions of a document below one, 0 for all, the newest
// first; no more than limit of them, and no more than one batch holds.
func (s *Store) History(ctx context.Context, collection string, id bson.RawValue, below int64, limit int) (entries []HistoryEntry, more bool, err error) {
	docs, more, err := s.FindBatch(ctx, Query{
		Collection: historyOf(collection), Filter: versionsOf(id, below), Sort: newestVersion, Limit: int64(limit),
	})
	entries = make([]HistoryEntry, len(docs))
	for i, doc := range docs {
		entries[i] = historyEntry(doc)
	}
	return entries, more, err
}

var newestVersion = bson.Raw(bsoncore.NewDocumentBuilder().AppendInt32("_id", -1).Build())

// versionsOf is the filter of the versions of a document below one, 0 for all.
func versionsOf(id bson.RawValue, below int64) bson.Raw {
	end := bson.RawValue{Type: bson.TypeMaxKey}
	if below > 0 {
		end = bsonjson.IntValue(below)
	}
	bounds := bsonjson.NewBuilder(2*len(id.Value)+96).
		Append("$gte", versionID(id, bson.RawValue{Type: bson.TypeMinKey})).
		Append("$lt", versionID(id, end)).Document()
	return bsonjson.NewBuilder(len(bounds)+16).Append("_id", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: bounds}).Document()
}

// ContinueVersions lets new documents that have the ids of removed ones go on with
// the versions of those, where they have not greater ones. It changes the documents
// in their place, and is to be called in the transaction that stores them.
func (s *Store) ContinueVersions(ctx context.Context, collection string, docs []bson.Raw) error {
	if len(docs) == 0 {
		return nil
	}
	ids := in("_id.d", len(docs), func(i int) bson.RawValue { return docs[i].Lookup("_id") })
	last := make(map[string]int64)
	q := Query{Collection: historyOf(collection), Filter: onShard(ids, isGone), Projection: OnlyID, Batch: int32(len(docs)) + 1}
	err := s.Each(ctx, q, func(doc bson.Raw) error {
		entry := historyEntry(doc)
		key := IDKey(entry.ID)
		last[key] = max(last[key], entry.Version)
		return nil
	})
	for _, doc := range docs {
		version := doc.Lookup("version")
		if former, ok := last[IDKey(doc.Lookup("_id"))]; ok && version.Type == bson.TypeInt64 && version.Int64() <= former {
			binary.LittleEndian.PutUint64(version.Value, uint64(former+1))
		}
	}
	return err
}

var isGone = bson.Raw(bsoncore.NewDocumentBuilder().AppendBoolean("gone", true).Build())

// DropHistory removes all versions of documents, and returns how many there were.
func (s *Store) DropHistory(ctx context.Context, collection string, ids []bson.RawValue) (int64, error) {
	ctx, done, err := s.write(ctx, historyOf(collection))
	if err != nil {
		return 0, err
	}
	defer done()
	models := make([]mongo.WriteModel, len(ids))
	for i, id := range ids {
		models[i] = mongo.NewDeleteManyModel().SetFilter(versionsOf(id, 0))
	}
	result, err := s.collection(historyOf(collection)).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	return result.DeletedCount, nil
}
