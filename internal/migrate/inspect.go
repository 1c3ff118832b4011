package migrate

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Database is the state of a database as far as models and migrations speak of
// it.
type Database struct {
	// Collections are sorted by name.
	Collections []Collection
	// Recorded is the model that the database was last made ready for; nil where
	// there is none, or where it is of a version whose schema files this one
	// does not read.
	Recorded *schema.Model
	// RecordedHash is its hash, empty where no model was recorded.
	RecordedHash string
	// Sharded says that the database is that of a sharded cluster.
	Sharded bool
}

// Collection is the state of one collection.
type Collection struct {
	Name string
	// Validator is what MongoDB holds every write against; nil for none. One that
	// MongoDB does not insist on (validationAction warn, validationLevel off or
	// moderate) counts as none.
	Validator bson.Raw
	// Indexes are as listIndexes has them, without that on _id.
	Indexes []bson.Raw
	// ShardKey is nil where the collection is not sharded.
	ShardKey bson.Raw
}

// Inspect reads the state of a database. It writes nothing.
func Inspect(ctx context.Context, s *store.Store) (*Database, error) {
	found, err := s.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	db := &Database{Sharded: s.Sharded()}
	for _, info := range found {
		validator, strict := store.ValidatorOf(info.Options)
		if !strict {
			validator = nil
		}
		db.Collections = append(db.Collections, Collection{Name: info.Name, Validator: validator, Indexes: info.Indexes, ShardKey: info.ShardKey})
	}
	return db, db.recorded(ctx, s)
}

// recorded reads the recorded model, and compiles it.
func (db *Database) recorded(ctx context.Context, s *store.Store) error {
	model, err := s.CurrentModel(ctx)
	if err != nil || model == nil {
		return err
	}
	db.RecordedHash = model.Hash
	if compiled, err := schema.LoadFiles(model.Files); err == nil {
		db.Recorded = compiled
	}
	return nil
}

// Lookup returns the collection of a name, nil where there is none.
func (db *Database) Lookup(name string) *Collection {
	i := slices.IndexFunc(db.Collections, func(c Collection) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &db.Collections[i]
}
