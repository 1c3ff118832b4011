package introspect_test

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/introspect"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// others is a database as others fill it, and the store that looks at it.
type others struct {
	testing.TB
	db    *mongo.Database
	store *store.Store
}

func newOthers(t testing.TB) *others {
	t.Helper()
	uri, name := testkit.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{URI: uri, Database: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close(context.Background())
		_ = client.Disconnect(context.Background())
	})
	return &others{t, client.Database(name), s}
}

// fill stores documents as they are.
func (o *others) fill(collection string, docs ...bson.D) {
	o.Helper()
	if _, err := o.db.Collection(collection).InsertMany(o.Context(), docs); err != nil {
		o.Fatal(err)
	}
}

// index makes an index.
func (o *others) index(collection string, spec bson.D) {
	o.Helper()
	o.command(bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{spec}}})
}

func (o *others) command(command bson.D) {
	o.Helper()
	if err := o.db.RunCommand(o.Context(), command).Err(); err != nil {
		o.Fatal(command, err)
	}
}

// all reads what is stored.
func (o *others) all(collection string) (docs []bson.Raw) {
	o.Helper()
	cursor, err := o.db.Collection(collection).Find(o.Context(), bson.D{})
	if err == nil {
		err = cursor.All(o.Context(), &docs)
	}
	if err != nil {
		o.Fatal(err)
	}
	return docs
}

// pulled is the result of a run, and the model of its files.
type pulled struct {
	*introspect.Result
	*schema.Model
}

func (o *others) pull(sample int) pulled {
	o.Helper()
	result, err := introspect.Run(o.Context(), o.store, introspect.Options{Sample: sample})
	if err != nil {
		o.Fatal(err)
	}
	if len(result.Files) == 0 {
		return pulled{Result: result}
	}
	model, err := schema.LoadFiles(result.Files)
	if err != nil {
		o.Fatal(err)
	}
	return pulled{result, model}
}

// text is the file of a collection.
func (p pulled) text(t testing.TB, collection string) string {
	t.Helper()
	for _, file := range p.Result.Files {
		if file.Name == collection+".yaml" {
			return string(file.Text)
		}
	}
	t.Fatalf("there is no file of %s", collection)
	return ""
}

func (p pulled) limits(collection string) []string {
	for _, found := range p.Found {
		if found.Name == collection {
			return found.Limits
		}
	}
	return nil
}
