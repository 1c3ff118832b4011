package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// mixed are ids of many types, in the order of a sort.
func mixed() []any {
	return []any{
		nil, int32(-1), int64(2), 2.5, int64(1 << 60), "", "Ada", "ada", "ä", bson.D{{Key: "a", Value: 1}},
		bson.Binary{Data: []byte{1}}, bson.ObjectID{1}, bson.ObjectID{2}, false, true, bson.DateTime(5), bson.Timestamp{T: 1},
	}
}

// all returns the documents of a collection by id.
func all(t *testing.T, s *store.Store, collection string) []bson.Raw {
	t.Helper()
	var docs []bson.Raw
	err := s.Each(t.Context(), store.Query{Collection: collection, Sort: raw(t, bson.D{{Key: "_id", Value: 1}})}, func(doc bson.Raw) error {
		docs = append(docs, slices.Clone(doc))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestIDsFollowEachOtherOverAllTypes(t *testing.T) {
	s := open(t)
	for _, id := range mixed() {
		insert(t, s, "things", bson.D{{Key: "_id", Value: id}})
	}
	for _, most := range []int{1, 2, 5, 100} {
		var got []string
		var after bson.RawValue
		for range len(mixed()) + 1 {
			ids, err := s.IDsAfter(t.Context(), "things", after, most, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if len(ids) == 0 {
				break
			}
			if len(ids) > most {
				t.Errorf("%d ids came where %d were asked for", len(ids), most)
			}
			for _, id := range ids {
				got = append(got, id.String())
			}
			after = ids[len(ids)-1]
		}
		var want []string
		for _, doc := range all(t, s, "things") {
			want = append(want, doc.Lookup("_id").String())
		}
		if !slices.Equal(got, want) || len(got) != len(mixed()) {
			t.Errorf("in ranges of %d the ids are\n%s\nnot\n%s", most, strings.Join(got, " "), strings.Join(want, " "))
		}
	}
}

func TestIDsAfterUsesTheIndex(t *testing.T) {
	s := open(t)
	for i := range 100 {
		insert(t, s, "things", bson.D{{Key: "_id", Value: i}})
	}
	greater := bson.D{{Key: "$gt", Value: bson.A{"$_id", bson.D{{Key: "$literal", Value: 89}}}}}
	_, reply, err := s.Explain(t.Context(), store.Query{
		Collection: "things", Filter: raw(t, bson.D{{Key: "$expr", Value: greater}}), Sort: raw(t, bson.D{{Key: "_id", Value: 1}}), Limit: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := reply.Lookup("executionStats", "totalDocsExamined").AsInt64(); n > 6 {
		t.Errorf("MongoDB looked at %d documents for 5", n)
	}
}

func TestIDsAfterBoundsTheSize(t *testing.T) {
	s := open(t)
	for i := range 5 {
		insert(t, s, "things", bson.D{{Key: "_id", Value: i}, {Key: "text", Value: strings.Repeat("x", 1000)}})
	}
	for size, want := range map[int]int{1: 1, 1500: 1, 2100: 2, 1 << 20: 5} {
		ids, err := s.IDsAfter(t.Context(), "things", bson.RawValue{}, 100, size)
		if err != nil || len(ids) != want {
			t.Errorf("within %d bytes there are %d ids, want %d (%v)", size, len(ids), want, err)
		}
	}
}

func TestTransformCountsVersions(t *testing.T) {
	s := open(t)
	at := bson.DateTime(0)
	for _, doc := range []bson.D{
		{{Key: "_id", Value: 1}, {Key: "n", Value: 1}, {Key: "version", Value: int64(7)}, {Key: "updatedAt", Value: at}},
		{{Key: "_id", Value: 2}, {Key: "n", Value: 5}, {Key: "version", Value: int64(7)}, {Key: "updatedAt", Value: at}},
		{{Key: "_id", Value: 3}, {Key: "n", Value: 9}, {Key: "version", Value: int64(7)}, {Key: "updatedAt", Value: at}},
		{{Key: "_id", Value: 4}, {Key: "n", Value: 1}},
		{{Key: "_id", Value: 5}, {Key: "n", Value: 1}, {Key: "version", Value: "old"}},
		{{Key: "_id", Value: 6}, {Key: "n", Value: 1}, {Key: "version", Value: int64(7)}},
	} {
		insert(t, s, "things", doc)
	}
	ids, err := s.IDsAfter(t.Context(), "things", bson.RawValue{}, 5, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	few := raw(t, bson.D{{Key: "n", Value: bson.D{{Key: "$lt", Value: 9}}}})
	toTwo := raw(t, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$eq", Value: bson.A{"$n", 1}}}, 2, "$n"}}}}}}})
	changed, err := s.Transform(t.Context(), "things", ids, store.Transformation{Filter: few, Pipeline: []bson.Raw{toTwo}})
	if err != nil || changed != 3 {
		t.Fatalf("%d documents changed (%v)", changed, err)
	}
	for i, want := range []struct {
		n, version int64
		stamped    bool
	}{{2, 8, true}, {5, 7, false}, {9, 7, false}, {2, 1, true}, {2, 1, true}, {1, 7, false}} {
		doc := all(t, s, "things")[i]
		updated, _ := doc.Lookup("updatedAt").DateTimeOK()
		if doc.Lookup("n").AsInt64() != want.n || doc.Lookup("version").Int64() != want.version || (updated > 0) != want.stamped {
			t.Errorf("the document is %s, want %+v", doc, want)
		}
		if _, err := doc.LookupErr("_sheaf_before"); err == nil {
			t.Errorf("the document keeps what it was: %s", doc)
		}
	}
}

func TestTransformTakesWhatReplacesTheDocument(t *testing.T) {
	s := open(t)
	insert(t, s, "things", bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: bson.D{{Key: "b", Value: 1}}}})
	ids, err := s.IDsAfter(t.Context(), "things", bson.RawValue{}, 5, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	stage := raw(t, bson.D{{Key: "$replaceWith", Value: bson.D{{Key: "_id", Value: "$_id"}, {Key: "b", Value: "$a.b"}}}})
	if changed, err := s.Transform(t.Context(), "things", ids, store.Transformation{Pipeline: []bson.Raw{stage}}); err != nil || changed != 1 {
		t.Fatalf("%d documents changed (%v)", changed, err)
	}
	doc := all(t, s, "things")[0]
	if doc.Lookup("b").AsInt64() != 1 || doc.Lookup("version").Int64() != 1 {
		t.Errorf("the document is %s", doc)
	}
}

func TestTransformKeepsLargeDocuments(t *testing.T) {
	s := open(t)
	insert(t, s, "things", bson.D{{Key: "_id", Value: 1}, {Key: "text", Value: strings.Repeat("x", 15<<20)}})
	ids, err := s.IDsAfter(t.Context(), "things", bson.RawValue{}, 5, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	stage := raw(t, bson.D{{Key: "$set", Value: bson.D{{Key: "b", Value: 1}}}})
	if changed, err := s.Transform(t.Context(), "things", ids, store.Transformation{Pipeline: []bson.Raw{stage}}); err != nil || changed != 1 {
		t.Fatalf("%d documents changed (%v)", changed, err)
	}
}

func TestTransformHoldsTheValidator(t *testing.T) {
	s := open(t)
	provision(t, s, model(t, map[string]string{"things": "id: int\nfields:\n  n: {type: int, max: 5}\n"}))
	insert(t, s, "things", stored(bson.D{{Key: "_id", Value: int64(1)}, {Key: "n", Value: int64(1)}}))
	ids, err := s.IDsAfter(t.Context(), "things", bson.RawValue{}, 5, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	stage := raw(t, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: int64(6)}}}})
	err = s.InTransaction(t.Context(), func(ctx context.Context) error {
		_, err := s.Transform(ctx, "things", ids, store.Transformation{Pipeline: []bson.Raw{stage}})
		return err
	})
	if !fault.Is(err, fault.ValidationFailed) || pointers(err) != "/n max" {
		t.Errorf("a document that breaks the rules came to %v", err)
	}
}

func TestMigrationRecords(t *testing.T) {
	s := open(t)
	at := time.UnixMilli(1_700_000_000_000).UTC()
	id := bson.RawValue{Type: bson.TypeString, Value: raw(t, bson.D{{Key: "x", Value: "ada"}}).Lookup("x").Value}
	want := store.MigrationRecord{
		Name: "0001_a", State: store.Applying, Checksum: "abc", Step: 1, Steps: 3, Who: "ada@host", Fence: 4, StartedAt: at, Milliseconds: 12,
		Point: &store.MigrationPoint{After: id, Read: 10, Changed: 5, Total: 20},
	}
	for writes, stored := range []bool{false, true, true} {
		want.Writes = int64(max(writes, 1))
		if writes == 0 {
			want.Writes = 2 // which the first cannot be
		}
		if put, err := s.PutMigration(t.Context(), &want); err != nil || put != stored {
			t.Fatalf("the record with %d writes is stored: %t (%v)", want.Writes, put, err)
		}
	}
	if put, err := s.PutMigration(t.Context(), &want); err != nil || put {
		t.Errorf("a record is stored over one that it does not follow (%v)", err)
	}
	records, err := s.Migrations(t.Context())
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records (%v)", len(records), err)
	}
	got := records[0]
	if !got.Point.After.Equal(id) || got.Point.Read != 10 || !got.StartedAt.Equal(at) || got.Step != 1 || got.Who != want.Who {
		t.Errorf("stored %+v, got %+v", want, got)
	}
}
