package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// library has references of every place and answer to a delete.
const library = `
collection: books
id: int
fields:
  author:   {type: ref, to: people, required: true}
  editor:   {type: ref, to: people, on_delete: set_null}
  printer:  {type: ref, to: people, required: true, nullable: true, on_delete: set_null}
  readers:  {type: array, items: {type: ref, to: people, on_delete: set_null}}
  seats:    {type: array, items: {type: ref, to: people, on_delete: set_null, nullable: true}}
  "a/b":
    type: object
    fields:
      loans: {type: array, items: {type: object, fields: {by: {type: ref, to: people, on_delete: cascade}, note: {type: string}}}}
  sequel:   {type: ref, to: books, unique: true}
  other:    {type: object, additional: keep}
indexes:
  - {keys: [-author, other]}
  - {keys: [editor], where: {editor: {$gt: 5}}}
  - {keys: [readers, editor]}
`

const people = "collection: people\nid: int\nfields: {name: {type: string}}"

func TestReferencesAreFoundAtAnyDepth(t *testing.T) {
	model := mustLoad(t, library, people)
	books, _ := model.Lookup("books")
	doc := marshal(t, bson.D{
		{Key: "_id", Value: int64(1)}, {Key: "author", Value: int64(1)}, {Key: "printer", Value: nil},
		{Key: "readers", Value: bson.A{int64(2), int64(3)}}, {Key: "seats", Value: bson.A{nil, int64(4)}},
		{Key: "a/b", Value: bson.D{{Key: "loans", Value: bson.A{bson.D{{Key: "note", Value: "n"}}, bson.D{{Key: "by", Value: int32(5)}}, int64(9)}}}},
		{Key: "sequel", Value: int64(6)}, {Key: "other", Value: bson.D{{Key: "author", Value: int64(7)}}},
	})
	var got []string
	for _, ref := range books.Refs(doc) {
		got = append(got, fmt.Sprintf("%s=%s:%d", ref.Pointer, books.References[ref.Reference].Path, ref.ID.AsInt64()))
	}
	want := "/author=author:1 /readers/0=readers:2 /readers/1=readers:3 /seats/1=seats:4 /a~1b/loans/1/by=a/b.loans.by:5 /sequel=sequel:6"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
	persons, _ := model.Lookup("people")
	if persons.Refs(doc) != nil || len(persons.Referrers) != 6 || len(books.Referrers) != 1 || books.Referrers[0].Collection != books {
		t.Errorf("people have the referrers %v, books %v", persons.Referrers, books.Referrers)
	}
}

func TestReferencesAreTakenOut(t *testing.T) {
	books, _ := mustLoad(t, library, people).Lookup("books")
	doc := marshal(t, bson.D{
		{Key: "_id", Value: int64(1)}, {Key: "author", Value: int64(8)}, {Key: "editor", Value: int64(9)}, {Key: "printer", Value: int64(9)},
		{Key: "readers", Value: bson.A{int64(9), int64(8), int64(9)}}, {Key: "seats", Value: bson.A{int64(9), int64(8)}},
		{Key: "a/b", Value: bson.D{{Key: "loans", Value: bson.A{bson.D{{Key: "by", Value: int64(9)}, {Key: "note", Value: "n"}}}}}},
		{Key: "other", Value: bson.D{{Key: "editor", Value: int64(9)}}},
	})
	got := books.WithoutRefs(doc, func(ref Ref) bool { return ref.ID.Int64() == 9 })
	want := marshal(t, bson.D{
		{Key: "_id", Value: int64(1)}, {Key: "author", Value: int64(8)}, {Key: "printer", Value: nil},
		{Key: "readers", Value: bson.A{int64(8)}}, {Key: "seats", Value: bson.A{nil, int64(8)}},
		{Key: "a/b", Value: bson.D{{Key: "loans", Value: bson.A{bson.D{{Key: "note", Value: "n"}}}}}},
		{Key: "other", Value: bson.D{{Key: "editor", Value: int64(9)}}},
	})
	if string(got) != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if same := books.WithoutRefs(doc, func(Ref) bool { return false }); string(same) != string(doc) {
		t.Errorf("got %s, want the same as before", same)
	}
}

func TestEveryReferenceHasAnIndex(t *testing.T) {
	books, _ := mustLoad(t, library, people).Lookup("books")
	var names []string
	for _, index := range books.Indexes {
		names = append(names, index.Name)
	}
	for _, want := range []string{"editor_1__id_1", "printer_1__id_1", "seats_1__id_1", "a/b.loans.by_1__id_1", "sequel_1"} {
		if !slices.Contains(names, want) {
			t.Errorf("no index %s", want)
		}
	}
	if len(names) != 8 || slices.Contains(names, "author_1__id_1") || slices.Contains(names, "readers_1__id_1") {
		t.Errorf("indexes %q", names)
	}
}

func marshal(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
