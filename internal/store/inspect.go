package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/sheafdb/sheaf/internal/schema"
)

// CollectionInfo is what MongoDB knows of a collection.
type CollectionInfo struct {
	Name string
	// Options are as listCollections has them; ValidatorOf reads the validator.
	Options bson.Raw
	// Indexes are as listIndexes has them, without that on _id.
	Indexes []bson.Raw
	// ShardKey is nil where the collection is not sharded.
	ShardKey bson.Raw
}

// own is how the names of the service's own collections begin.
const own = "_sheaf."

// inspectParallel is how many collections are asked for their indexes at once.
const inspectParallel = 16

// Inspect lists the collections of the database by name: views, time series and
// those of the service's own left out. It only reads.
func (s *Store) Inspect(ctx context.Context) ([]CollectionInfo, error) {
	found, err := s.listed(ctx, bson.D{{Key: "type", Value: "collection"}})
	if err != nil {
		return nil, s.structureError(ctx, err)
	}
	var group errgroup.Group
	group.SetLimit(inspectParallel)
	for i := range found {
		group.Go(func() (err error) {
			found[i].Indexes, err = s.indexesOf(ctx, found[i].Name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, s.structureError(ctx, err)
	}
	return found, s.structureError(ctx, s.shardKeys(ctx, found))
}

// Sharded reports whether the database is that of a sharded cluster.
func (s *Store) Sharded() bool { return s.sharded }

func (s *Store) listed(ctx context.Context, filter bson.D) ([]CollectionInfo, error) {
	cursor, err := s.database.ListCollections(ctx, filter, options.ListCollections().SetBatchSize(10_000))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	var found []CollectionInfo
	for cursor.Next(ctx) {
		name := text(cursor.Current.Lookup("name"))
		if strings.HasPrefix(name, own) || strings.HasPrefix(name, "system.") {
			continue
		}
		settings, _ := cursor.Current.Lookup("options").DocumentOK()
		found = append(found, CollectionInfo{Name: name, Options: slices.Clone(settings)})
	}
	slices.SortFunc(found, func(a, b CollectionInfo) int { return strings.Compare(a.Name, b.Name) })
	return found, cursor.Err()
}

// options returns the options of one collection, nil where there is none.
func (s *Store) options(ctx context.Context, name string) (bson.Raw, error) {
	found, err := s.listed(ctx, bson.D{{Key: "name", Value: name}})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if found[0].Options == nil {
		return emptyDocument, nil
	}
	return found[0].Options, nil
}

// indexesOf returns the indexes of a collection but that on _id; none where the
// collection is gone.
func (s *Store) indexesOf(ctx context.Context, collection string) ([]bson.Raw, error) {
	cursor, err := s.collection(collection).Indexes().List(ctx)
	if hasCode(err, codeNamespaceNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var indexes []bson.Raw
	err = cursor.All(ctx, &indexes)
	return slices.DeleteFunc(indexes, func(index bson.Raw) bool { return text(index.Lookup("name")) == "_id_" }), err
}

// shardKeys notes the shard keys of the collections of a cluster.
func (s *Store) shardKeys(ctx context.Context, found []CollectionInfo) error {
	if !s.sharded {
		return nil
	}
	for i := range found {
		key, err := s.shardKeyOf(ctx, s.database.Name()+"."+found[i].Name)
		if err != nil {
			return err
		}
		found[i].ShardKey = key
	}
	return nil
}

// models is the collection of the models that the database was made ready for.
// One document a model, with its hash as id; and one with the id current, which
// names the last.
const models = own + "models"

const currentModel = "current"

// RecordedModel is the model that the database was last made ready for.
type RecordedModel struct {
	Hash string
	// Files are the schema files that it was compiled from.
	Files []schema.File
	// At is when it was recorded.
	At time.Time
}

type modelDocument struct {
	ID    string    `bson:"_id"`
	Files []fileRow `bson:"files,omitempty"`
	Model string    `bson:"model,omitempty"`
	At    time.Time `bson:"at"`
}

type fileRow struct {
	Name string `bson:"name"`
	Text string `bson:"text"`
}

// RecordModel notes that the database is ready for a model.
func (s *Store) RecordModel(ctx context.Context, model *schema.Model) error {
	ctx, done, err := s.write(ctx, models)
	if err != nil {
		return err
	}
	defer done()
	now := time.Now()
	recorded := modelDocument{ID: model.Hash, At: now}
	for _, file := range model.Files {
		recorded.Files = append(recorded.Files, fileRow{file.Name, string(file.Text)})
	}
	for _, doc := range []modelDocument{recorded, {ID: currentModel, Model: model.Hash, At: now}} {
		_, err := s.collection(models).ReplaceOne(ctx, bson.D{{Key: "_id", Value: doc.ID}}, doc, options.Replace().SetUpsert(true))
		if err != nil {
			return s.failed(ctx, err)
		}
	}
	return nil
}

// CurrentHash returns the hash of the recorded model, "" where none was
// recorded. It is one command.
func (s *Store) CurrentHash(ctx context.Context) (string, error) {
	doc, err := s.modelDocument(ctx, currentModel)
	return doc.Model, err
}

// CurrentModel returns the recorded model, nil where none was recorded.
func (s *Store) CurrentModel(ctx context.Context) (*RecordedModel, error) {
	current, err := s.modelDocument(ctx, currentModel)
	if err != nil || current.Model == "" {
		return nil, err
	}
	doc, err := s.modelDocument(ctx, current.Model)
	if err != nil {
		return nil, err
	}
	recorded := &RecordedModel{Hash: current.Model, At: current.At}
	for _, row := range doc.Files {
		recorded.Files = append(recorded.Files, schema.File{Name: row.Name, Text: []byte(row.Text)})
	}
	return recorded, nil
}

func (s *Store) modelDocument(ctx context.Context, id string) (modelDocument, error) {
	var doc modelDocument
	err := s.collection(models).FindOne(s.named(ctx, models), bson.D{{Key: "_id", Value: id}}).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return modelDocument{}, nil
	}
	return doc, s.failed(ctx, err)
}
