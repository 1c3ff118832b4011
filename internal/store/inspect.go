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
// One document a model, with its hash as id and the schema files; and one with
// the id current, which names the last, and what any of them declared.
const models = own + "models"

const currentModel = "current"

// Recorded is what is known of the models that the database was made ready for.
type Recorded struct {
	// Hash is that of the last model, empty where there was none.
	Hash string `bson:"model"`
	// Declared are the collections and indexes of all of them.
	Declared Declarations `bson:"declared"`
}

// Declared is a collection that a model declared, or an index of one.
type Declared struct {
	Collection string `bson:"collection"`
	// Index is as createIndexes takes it; nil for the collection itself.
	Index bson.Raw `bson:"index,omitempty"`
}

// Declarations are what some models declared.
type Declarations []Declared

// Has reports whether a collection was declared or, where index is not nil, such
// an index of it.
func (all Declarations) Has(collection string, index bson.Raw) bool {
	return slices.ContainsFunc(all, func(d Declared) bool {
		return d.Collection == collection && (index == nil) == (d.Index == nil) && (index == nil || SameIndex(d.Index, index))
	})
}

// RecordModel notes that the database is ready for a model.
func (s *Store) RecordModel(ctx context.Context, model *schema.Model) error {
	ctx, done, err := s.write(ctx, models)
	if err != nil {
		return err
	}
	defer done()
	files := bson.A{}
	for _, file := range model.Files {
		files = append(files, bson.D{{Key: "name", Value: file.Name}, {Key: "text", Value: string(file.Text)}})
	}
	now := time.Now()
	declared := bson.D{{Key: "$setUnion", Value: bson.A{bson.D{{Key: "$ifNull", Value: bson.A{"$declared", bson.A{}}}}, bson.D{{Key: "$literal", Value: DeclaredBy(model)}}}}}
	current := bson.D{{Key: "model", Value: model.Hash}, {Key: "at", Value: now}, {Key: "declared", Value: declared}}
	for id, update := range map[string]bson.A{
		model.Hash:   {bson.D{{Key: "$set", Value: bson.D{{Key: "files", Value: bson.D{{Key: "$literal", Value: files}}}, {Key: "at", Value: now}}}}},
		currentModel: {bson.D{{Key: "$set", Value: current}}},
	} {
		if _, err := s.collection(models).UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, update, options.UpdateOne().SetUpsert(true)); err != nil {
			return s.failed(ctx, err)
		}
	}
	return nil
}

// DeclaredBy lists what a model declares.
func DeclaredBy(model *schema.Model) Declarations {
	var all Declarations
	for _, c := range model.Collections {
		all = append(all, Declared{Collection: c.Name})
		for _, index := range c.Indexes {
			all = append(all, Declared{c.Name, IndexSpec(index)})
		}
	}
	return all
}

// CurrentHash returns the hash of the recorded model, "" where none was
// recorded. It is one command.
func (s *Store) CurrentHash(ctx context.Context) (string, error) {
	recorded, err := s.recorded(ctx, bson.D{{Key: "model", Value: 1}})
	return recorded.Hash, err
}

// Recorded returns what is known of the models that were recorded. It is one
// command.
func (s *Store) Recorded(ctx context.Context) (Recorded, error) { return s.recorded(ctx, nil) }

func (s *Store) recorded(ctx context.Context, projection any) (recorded Recorded, err error) {
	err = s.record(ctx, models, currentModel, projection, &recorded)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return Recorded{}, nil
	}
	return recorded, s.failed(ctx, err)
}
