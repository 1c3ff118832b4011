package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// migrations is the collection of the history: a document a migration that was
// ever begun, by its name.
const migrations = "_sheaf.migrations"

// MigrationState is what became of a migration.
type MigrationState string

// The states. What is being applied or undone goes on from a point.
const (
	Applying MigrationState = "applying"
	Applied  MigrationState = "applied"
	Undoing  MigrationState = "undoing"
	Undone   MigrationState = "undone"
)

// MigrationRecord is the history of one migration.
type MigrationRecord struct {
	Name     string         `bson:"_id"`
	State    MigrationState `bson:"state"`
	Checksum string         `bson:"checksum"`
	// Writes counts how often the record was stored.
	Writes int64 `bson:"writes"`
	// Step is how many steps of the present direction are done, of Steps.
	Step  int32 `bson:"step"`
	Steps int32 `bson:"steps"`
	// Point is how far the next step is, where that goes by ranges of documents.
	Point *MigrationPoint `bson:"point,omitempty"`
	// Who ran it last, Fence the number of that run's lease.
	Who   string `bson:"who"`
	Fence int64  `bson:"fence"`
	// StartedAt is when the present direction began, FinishedAt when it was done.
	StartedAt  time.Time `bson:"startedAt"`
	FinishedAt time.Time `bson:"finishedAt,omitempty"`
	// Milliseconds is how long all runs of the present direction took together.
	Milliseconds int64 `bson:"milliseconds"`
}

// MigrationPoint is how far a step is that goes over the documents of a collection
// in the order of their ids.
type MigrationPoint struct {
	// After is the id of the last document that was looked at; zero before the first.
	After bson.RawValue `bson:"after,omitempty"`
	// Read counts the documents that were looked at, Changed those that the step
	// changed, of about Total.
	Read    int64 `bson:"read"`
	Changed int64 `bson:"changed"`
	Total   int64 `bson:"total"`
}

// Migrations returns the history by name.
func (s *Store) Migrations(ctx context.Context) ([]MigrationRecord, error) {
	ctx, done := s.reading(s.named(ctx, migrations))
	defer done()
	cursor, err := s.collection(migrations).Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	var records []MigrationRecord
	return records, s.failed(ctx, cursor.All(ctx, &records))
}

// Migration returns the record of one migration, the zero record where it was never
// begun.
func (s *Store) Migration(ctx context.Context, name string) (MigrationRecord, error) {
	record := MigrationRecord{Name: name}
	err := s.record(ctx, migrations, name, nil, &record)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return record, nil
	}
	return record, s.failed(ctx, err)
}

// PutMigration stores the record that follows the one with a write less. It reports
// false, and stores nothing, where the stored record is not that one.
func (s *Store) PutMigration(ctx context.Context, record *MigrationRecord) (bool, error) {
	ctx, done, err := s.write(ctx, migrations)
	if err != nil {
		return false, err
	}
	defer done()
	if record.Writes == 1 {
		before, err := s.Migration(ctx, record.Name)
		if err != nil || before.Writes > 0 {
			return false, err
		}
		_, err = s.collection(migrations).InsertOne(ctx, record)
		return err == nil, s.failed(ctx, err)
	}
	filter := bson.D{{Key: "_id", Value: record.Name}, {Key: "writes", Value: record.Writes - 1}}
	result, err := s.collection(migrations).ReplaceOne(ctx, filter, record)
	if err != nil {
		return false, s.failed(ctx, err)
	}
	return result.MatchedCount == 1, nil
}

// IDsAfter returns the ids of the documents that follow an id, rising: so many
// documents at most, and no more than come to some bytes, but for the first. A
// zero id stands for the start, no ids for the end. Ids follow each other in the
// order of a sort, which goes over all types.
func (s *Store) IDsAfter(ctx context.Context, collection string, after bson.RawValue, documents, size int) ([]bson.RawValue, error) {
	q := Query{Collection: collection, Sort: byIDs}
	if !after.IsZero() {
		q.Filter = following(after)
	}
	return s.ids(ctx, q, documents, size)
}

// IDsOf is as IDsAfter for the documents that a filter selects, in any order.
func (s *Store) IDsOf(ctx context.Context, collection string, filter bson.Raw, documents, size int) ([]bson.RawValue, error) {
	return s.ids(ctx, Query{Collection: collection, Filter: filter}, documents, size)
}

func (s *Store) ids(ctx context.Context, q Query, documents, size int) ([]bson.RawValue, error) {
	q.Projection, q.Limit, q.Batch = idAndSize, int64(documents), int32(documents)+1
	var ids []bson.RawValue
	err := s.Each(ctx, q, func(doc bson.Raw) error {
		of, _ := doc.Lookup("size").AsInt64OK()
		if size -= int(of); size < 0 && len(ids) > 0 {
			return errEnough
		}
		id := doc.Lookup("_id")
		ids = append(ids, bson.RawValue{Type: id.Type, Value: slices.Clone(id.Value)})
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ids, err
}

var (
	byIDs     = document(bson.D{{Key: "_id", Value: 1}})
	idAndSize = document(bson.D{{Key: "_id", Value: 1}, {Key: "size", Value: bson.D{{Key: "$bsonSize", Value: "$$ROOT"}}}})
	errEnough = errors.New("enough")
)

// following is the filter of the ids after one. The comparison of $expr follows
// the order of a sort; that of the query language stays within one type.
func following(id bson.RawValue) bson.Raw {
	greater := bson.D{{Key: "$gt", Value: bson.A{"$_id", bson.D{{Key: "$literal", Value: id}}}}}
	return document(bson.D{{Key: "$expr", Value: greater}})
}

// document returns a document that surely encodes.
func document(d bson.D) bson.Raw {
	raw, err := bson.Marshal(d)
	if err != nil {
		panic("store: a document does not encode: " + err.Error())
	}
	return raw
}

// Transformation is a change that MongoDB makes of documents by a pipeline.
type Transformation struct {
	// Filter selects the documents; nil for all.
	Filter bson.Raw
	// Pipeline has the stages of an update.
	Pipeline []bson.Raw
	// Certain says that the pipeline changes all that the filter selects. Else those
	// are looked for that it changes; a number that becomes the same of another type is
	// then not seen.
	Certain bool
}

// Transform changes those documents with some ids that a transformation selects, and
// returns how many it changed. One that the pipeline leaves as it is stays so. One
// that changes gets the next version, and the time of the database as updatedAt.
func (s *Store) Transform(ctx context.Context, collection string, ids []bson.RawValue, t Transformation) (int64, error) {
	ctx, done, err := s.write(ctx, collection)
	if err != nil {
		return 0, err
	}
	defer done()
	result, err := s.collection(collection).UpdateMany(ctx, both(In("_id", ids), t.Filter), t.stamped())
	if err != nil {
		return 0, inItsWords(err, s.failed(ctx, err))
	}
	return result.ModifiedCount, nil
}

// TransformKept is Transform for a collection whose history is kept: it stores the
// versions that it makes there, as those of a caller. It is to be called in a
// transaction.
func (s *Store) TransformKept(ctx context.Context, collection string, ids []bson.RawValue, t Transformation, caller string) (int64, error) {
	before := make(map[string]int64, len(ids))
	q := Query{Collection: collection, Filter: In("_id", ids), Batch: int32(len(ids)) + 1, Projection: Only("version")}
	err := s.Each(ctx, q, func(doc bson.Raw) error {
		before[IDKey(doc.Lookup("_id"))], _ = doc.Lookup("version").AsInt64OK()
		return nil
	})
	if err != nil {
		return 0, err
	}
	changed, err := s.Transform(ctx, collection, ids, t)
	if err != nil || changed == 0 {
		return changed, err
	}
	var entries []HistoryEntry
	q.Projection = nil
	err = s.Each(ctx, q, func(doc bson.Raw) error {
		id := doc.Lookup("_id")
		if version, _ := doc.Lookup("version").AsInt64OK(); version != before[IDKey(id)] {
			doc = slices.Clone(doc)
			entries = append(entries, HistoryEntry{
				ID: doc.Lookup("_id"), Version: version, At: doc.Lookup("updatedAt"), Operation: "update", Caller: caller, Document: doc,
			})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, s.AddHistory(ctx, collection, entries)
}

// both is the filter of the documents that match two, of which the second may be
// nil.
func both(a, b bson.Raw) bson.Raw {
	if b == nil {
		return a
	}
	return document(bson.D{{Key: "$and", Value: bson.A{a, b}}})
}

// before is the field in which a document holds what it was while a pipeline runs.
const before = "_sheaf_before"

// stamped returns the pipeline with what counts the version of what it changes.
func (t Transformation) stamped() mongo.Pipeline {
	without := bson.D{{Key: "$unsetField", Value: bson.D{{Key: "field", Value: before}, {Key: "input", Value: "$$ROOT"}}}}
	changed := any(bson.D{{Key: "$ne", Value: bson.A{"$" + before, without}}})
	if t.Certain {
		changed = true
	}
	counted := bson.D{{Key: "$add", Value: bson.A{
		bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$isNumber", Value: "$version"}}, "$version", int64(0)}}}, int64(1),
	}}}
	onChange := func(then any, field string) bson.D {
		return bson.D{{Key: "$cond", Value: bson.A{changed, then, "$" + field}}}
	}
	stages := mongo.Pipeline{{{Key: "$set", Value: bson.D{{Key: before, Value: "$$ROOT"}}}}}
	for _, stage := range t.Pipeline {
		stages = append(stages, decoded(stage))
	}
	return append(stages,
		bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: onChange(counted, "version")}, {Key: "updatedAt", Value: onChange("$$NOW", "updatedAt")}}}},
		bson.D{{Key: "$unset", Value: before}})
}

// decoded returns a stage as the driver takes it in a pipeline.
func decoded(stage bson.Raw) bson.D {
	elements, err := stage.Elements()
	if err != nil {
		return nil
	}
	d := make(bson.D, len(elements))
	for i, e := range elements {
		d[i] = bson.E{Key: e.Key(), Value: e.Value()}
	}
	return d
}
