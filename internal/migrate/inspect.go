package migrate

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
)

// Database is the state of a database as far as models and migrations speak of
// it.
type Database struct {
	// Collections are sorted by name.
	Collections []Collection
	// RecordedHash is that of the model that it was last made ready for, empty
	// where there is none; Declared is what any such model declared.
	RecordedHash string
	Declared     store.Declarations
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
	recorded, err := s.Recorded(ctx)
	db.RecordedHash, db.Declared = recorded.Hash, recorded.Declared
	return db, err
}

// Lookup returns the collection of a name, nil where there is none.
func (db *Database) Lookup(name string) *Collection {
	i := slices.IndexFunc(db.Collections, func(c Collection) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &db.Collections[i]
}
