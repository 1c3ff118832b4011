package store

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/schema"
)

// IDSet is a set of ids. Numbers of different types are the same id where they
// have the same value, as they are to MongoDB.
type IDSet map[string]struct{}

// Add puts an id into the set, and reports whether it is new there.
func (s IDSet) Add(id bson.RawValue) bool {
	key := IDKey(id)
	_, there := s[key]
	s[key] = struct{}{}
	return !there
}

// Has reports whether an id is in the set; a nil set has none.
func (s IDSet) Has(id bson.RawValue) bool {
	_, there := s[IDKey(id)]
	return there
}

// IDKey is the same for ids that MongoDB takes for equal: numbers of different
// types are, where they have the same value.
func IDKey(id bson.RawValue) string {
	n, isInt := id.AsInt64OK()
	if f, ok := id.DoubleOK(); ok {
		n, isInt = int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<63
	}
	var room [24]byte // most ids are no longer
	key := append(room[:0], byte(id.Type))
	if !isInt {
		return string(append(key, id.Value...))
	}
	key[0] = byte(bson.TypeInt64)
	return string(binary.LittleEndian.AppendUint64(key, uint64(n)))
}

// In returns the filter of the documents that have any of some values at a
// path.
func In(path string, values []bson.RawValue) bson.Raw {
	return in(path, len(values), func(i int) bson.RawValue { return values[i] })
}

func in(path string, n int, value func(int) bson.RawValue) bson.Raw {
	dst := make([]byte, 0, 64+32*n)
	top, dst := bsoncore.AppendDocumentStart(dst)
	at, dst := bsoncore.AppendDocumentElementStart(dst, path)
	list, dst := bsoncore.AppendArrayElementStart(dst, "$in")
	for i := range n {
		dst = appendRaw(dst, "0", value(i)) // MongoDB does not read the names of an array
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, list)
	dst, _ = bsoncore.AppendDocumentEnd(dst, at)
	dst, _ = bsoncore.AppendDocumentEnd(dst, top)
	return dst
}

// OnlyLive adds to a filter that the documents are not deleted.
func OnlyLive(filter bson.Raw) bson.Raw { return onShard(filter, live) }

var live = bson.Raw(bsoncore.NewDocumentBuilder().AppendNull(schema.DeletedAt).Build())

// Only is the projection that leaves nothing but some fields.
func Only(fields ...string) bson.Raw {
	b := bsoncore.NewDocumentBuilder()
	for i, field := range fields {
		if !slices.Contains(fields[:i], field) {
			b.AppendInt32(field, 1)
		}
	}
	return bson.Raw(b.Build())
}

// OnlyID is the projection that leaves nothing but the id.
var OnlyID = Only("_id")

// Existing returns those of some ids that documents of a collection have. With
// live, documents that are deleted and kept do not count.
func (s *Store) Existing(ctx context.Context, collection string, ids []bson.RawValue, live bool) (IDSet, error) {
	found := make(IDSet, len(ids))
	filter := In("_id", ids)
	if live {
		filter = OnlyLive(filter)
	}
	err := s.Each(ctx, Query{Collection: collection, Filter: filter, Projection: OnlyID, Batch: int32(len(ids)) + 1}, func(doc bson.Raw) error {
		found.Add(doc.Lookup("_id"))
		return nil
	})
	return found, err
}

// Each calls visit with every document that a query finds. The document is valid
// until visit returns.
func (s *Store) Each(ctx context.Context, q Query, visit func(bson.Raw) error) error {
	rows, err := s.Find(ctx, q)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows.Document()); err != nil {
			return err
		}
	}
	return rows.Err()
}
