package introspect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/introspect"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
)

// repeated makes documents from what differs between them.
func repeated(n int, of func(i int) bson.D) []bson.D {
	docs := make([]bson.D, n)
	for i := range docs {
		docs[i] = of(i)
	}
	return docs
}

// hold holds that a file has lines, each as it is but for its indentation.
func (p pulled) hold(t *testing.T, collection string, lines ...string) {
	t.Helper()
	text := p.text(t, collection)
	for _, line := range lines {
		found := false
		for has := range strings.SplitSeq(text, "\n") {
			found = found || strings.TrimSpace(has) == line
		}
		if !found {
			t.Errorf("there is no line\n%s\nin\n%s", line, text)
		}
	}
}

func TestTypesAndEvidence(t *testing.T) {
	o := newOthers(t)
	decimal, err := bson.ParseDecimal128("1.50")
	if err != nil {
		t.Fatal(err)
	}
	o.fill("things", repeated(200, func(i int) bson.D {
		doc := bson.D{
			{Key: "text", Value: fmt.Sprint("text ", i)},
			{Key: "state", Value: []string{"open", "closed"}[i%2]},
			{Key: "constant", Value: "same"},
			{Key: "rare", Value: []string{"a", "b"}[min(i, 1)]},
			{Key: "day", Value: fmt.Sprintf("2026-01-%02d", i%28+1)},
			{Key: "size", Value: []any{int32(i), float64(i) + 0.5}[i%2]},
			{Key: "price", Value: decimal},
			{Key: "mixed", Value: []any{"x", int32(1)}[i%2]},
			{Key: "nothing", Value: nil},
			{Key: "two words", Value: true},
			{Key: "where", Value: bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{1.5, 2.5}}}},
			{Key: "tags", Value: bson.A{"a", "b"}[:i%3%2+1]},
			{Key: "lines", Value: bson.A{bson.D{{Key: "sku", Value: fmt.Sprint(i)}, {Key: "count", Value: int64(i)}}}},
			{Key: "counts", Value: bson.D{{Key: fmt.Sprintf("2026-%03d", i), Value: int32(i)}}},
		}
		switch i % 4 {
		case 0:
			doc = append(doc, bson.E{Key: "note", Value: nil})
		case 1:
			doc = append(doc, bson.E{Key: "note", Value: fmt.Sprint("note ", i)})
		}
		return doc
	})...)
	o.fill("few", repeated(3, func(int) bson.D { return bson.D{{Key: "a", Value: int32(1)}} })...)
	p := o.pull(1000)
	p.hold(t, "things",
		`# All 200 documents were read.`,
		`# 200 documents without version, createdAt, updatedAt: served as they are, as version 0, and given these fields by the first change.`,
		`id: objectId  # so in 200 of 200 documents`,
		`text: {type: string, required: true}  # in 200 of 200 documents; 200 distinct values`,
		`state: {type: string, required: true, enum: [closed, open]}  # in 200 of 200 documents; 2 distinct values`,
		`constant: {type: string, required: true}  # in 200 of 200 documents; 1 distinct value`,
		`rare: {type: string, required: true}  # in 200 of 200 documents; 2 distinct values`,
		`day: {type: string, required: true}  # in 200 of 200 documents; 28 distinct values; text that reads like dates`,
		`size: {type: double, required: true}  # in 200 of 200 documents; double in 100, int in 100; 200 distinct values`,
		`price: {type: decimal, required: true}  # in 200 of 200 documents; 1 distinct value`,
		`mixed: {type: any, required: true}  # in 200 of 200 documents; int in 100, string in 100; 2 distinct values`,
		`nothing: {type: any, required: true}  # in 200 of 200 documents; null in 200`,
		`two words: {type: bool, required: true}  # in 200 of 200 documents`,
		`where: {type: geo, required: true}  # in 200 of 200 documents`,
		`tags: {type: array, required: true, items: {type: string, enum: [a, b]}}  # in 200 of 200 documents; 1 to 2 items, 2 distinct values`,
		`lines:  # in 200 of 200 documents; 1 items`,
		`count: {type: int, required: true}  # in 200 of 200 objects; 200 distinct values`,
		`counts: {type: object, required: true, fields: {}, additional: keep}  # in 200 of 200 documents; its 200 names look like values: a map`,
		`note: {type: string, nullable: true}  # in 100 of 200 documents; null in 50; 50 distinct values`,
	)
	p.hold(t, "few", `a: {type: int}  # in 3 of 3 documents; 1 distinct value`)
}

// TestASampleIsNotTakenForAll has one document in a thousand that is otherwise.
func TestASampleIsNotTakenForAll(t *testing.T) {
	o := newOthers(t)
	o.fill("things", repeated(1000, func(i int) bson.D {
		switch i {
		case 500:
			return bson.D{{Key: "n", Value: "text"}, {Key: "state", Value: "odd"}}
		case 501:
			return bson.D{{Key: "unheard", Value: true}}
		}
		return bson.D{{Key: "n", Value: int32(i)}, {Key: "state", Value: []string{"open", "closed"}[i%2]}}
	})...)
	p := o.pull(150)
	for _, c := range p.Collections {
		o.holdAccepted(c, true, nil, p.text(t, c.Name))
	}
	if found := p.Found[0]; found.Documents != 1000 || found.Read < 150 || found.Read > 900 {
		t.Errorf("read %d of %d", found.Read, found.Documents)
	}
}

func TestReferences(t *testing.T) {
	o := newOthers(t)
	users, posts, nobody := make([]bson.ObjectID, 5), make([]bson.ObjectID, 20), bson.NewObjectID()
	for i := range users {
		users[i] = bson.NewObjectID()
		o.fill("users", bson.D{{Key: "_id", Value: users[i]}})
		o.fill("categories", bson.D{{Key: "_id", Value: int32(i)}})
	}
	for i := range posts {
		posts[i] = bson.NewObjectID()
	}
	o.fill("posts", repeated(20, func(i int) bson.D {
		return bson.D{{Key: "_id", Value: posts[i]},
			{Key: "authorId", Value: users[i%5]}, {Key: "category_id", Value: int32(i % 5)}, {Key: "userIds", Value: bson.A{users[i%5]}},
			{Key: "by", Value: users[i%5]}, {Key: "previous", Value: posts[max(i-1, 0)]},
			{Key: "n", Value: int32(i % 5)}, {Key: "userId", Value: []bson.ObjectID{users[0], nobody}[i%2]},
			{Key: "meta", Value: bson.D{{Key: "user", Value: users[1]}}},
		}
	})...)
	p := o.pull(1000)
	p.hold(t, "posts",
		`authorId: {type: ref, required: true, to: users}  # in 20 of 20 documents; 5 distinct values; 5 values looked for, each the id of a document of users`,
		`category_id: {type: ref, required: true, to: categories}  # in 20 of 20 documents; 5 distinct values; 5 values looked for, each the id of a document of categories`,
		`by: {type: ref, required: true, to: users}  # in 20 of 20 documents; 5 distinct values; 5 values looked for, each the id of a document of users`,
		`previous: {type: ref, required: true, to: posts}  # in 20 of 20 documents; 19 distinct values; 19 values looked for, each the id of a document of posts`,
		`"n": {type: int, required: true}  # in 20 of 20 documents; 5 distinct values`,
		`userId: {type: objectId, required: true}  # in 20 of 20 documents; 2 distinct values; no ref: 1 of 2 values that were looked for are ids of users`,
		`author: {belongs_to: users, by: authorId}`, `category: {belongs_to: categories, by: category_id}`, `users: {belongs_to: users, by: userIds}`,
		`user: {type: ref, required: true, to: users}  # in 20 of 20 objects; 1 distinct value; 1 value looked for, each the id of a document of users`,
	)
	o.holdServed(p)
}

func TestIndexes(t *testing.T) {
	o := newOthers(t)
	o.fill("c", repeated(20, func(i int) bson.D {
		doc := bson.D{{Key: "email", Value: fmt.Sprint(i)}, {Key: "a", Value: int32(i)}, {Key: "b", Value: "x"}, {Key: "at", Value: bson.DateTime(4e12)},
			{Key: "place", Value: bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{1.5, 2.5}}}}, {Key: "title", Value: "t"}}
		if i%2 == 0 {
			doc = append(doc, bson.E{Key: "code", Value: fmt.Sprint(i)}, bson.E{Key: "nick", Value: fmt.Sprint(i)})
		}
		return doc
	})...)
	unique := bson.E{Key: "unique", Value: true}
	keys := func(name string, parts ...any) bson.D {
		key := bson.D{}
		for i := 0; i < len(parts); i += 2 {
			key = append(key, bson.E{Key: parts[i].(string), Value: parts[i+1]})
		}
		return bson.D{{Key: "key", Value: key}, {Key: "name", Value: name}}
	}
	for _, spec := range []bson.D{
		append(keys("mail", "email", 1), unique),
		append(keys("code_1", "code", 1), unique, bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "code", Value: bson.D{{Key: "$exists", Value: true}}}}}),
		append(keys("nick_1", "nick", 1), unique, bson.E{Key: "sparse", Value: true}),
		append(keys("pair", "a", 1, "b", -1), unique),
		append(keys("some", "a", -1), bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "b", Value: "x"}, {Key: "a", Value: bson.D{{Key: "$gt", Value: 3.0}}}}}),
		append(keys("a_some", "b", 1, "a", 1), unique, bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "b", Value: "x"}, {Key: "a", Value: bson.D{{Key: "$gt", Value: int32(3)}}}}}),
		append(keys("ttl", "at", 1), bson.E{Key: "expireAfterSeconds", Value: 3600}),
		keys("words", "title", "text", "b", "text"),
		keys("around", "place", "2dsphere"),
		keys("plain", "b", 1),
		keys("hash", "a", "hashed"),
		keys("wild", "$**", 1),
		append(keys("ci", "b", 1, "a", 1), bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}}}),
		append(keys("gone_1", "gone", 1), unique, bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "gone", Value: bson.D{{Key: "$type", Value: "string"}}}}}),
	} {
		o.index("c", spec)
	}
	before := len(o.indexNames("c"))
	p := o.pull(1000)
	p.hold(t, "c",
		`email: {type: string, required: true, unique: true}  # in 20 of 20 documents; 20 distinct values; the unique index mail`,
		`code: {type: string, unique: true}  # in 10 of 20 documents; 10 distinct values; the unique index code_1`,
		`- {keys: [nick], unique: true, where: {nick: {$exists: true}}}  # the index nick_1, which is sparse; the service makes nick_1_`+o.hashOf(p, "nick")+`, which leaves the same documents out`,
		`- {keys: [a, -b], unique: true}  # the index pair`,
		`- {keys: [b, a], unique: true, where: {b: x, a: {$gt: 3}}}  # the index a_some`,
		`- {keys: [at], expire_after: 1h}  # the index ttl`,
		`- {keys: [{b: text}, {title: text}]}  # the index words`,
		`- {keys: [{place: 2dsphere}]}  # the index around`,
		`- {keys: [b]}  # the index plain; the service makes b_1__id_1, by which lists end their order, and plain can go then`,
	)
	limits := strings.Join(p.limits("c"), "\n")
	for _, told := range []string{"the index hash is not declared", "the index wild is not declared", "the index ci is not declared", "the index gone_1 is not declared"} {
		if !strings.Contains(limits, told) {
			t.Errorf("%q is not told in\n%s", told, limits)
		}
	}
	o.holdServed(p)
	if after := o.indexNames("c"); len(after) > before+3 {
		t.Errorf("the indexes are %v", after)
	}
}

// hashOf is the end of the name of an index that has a filter.
func (o *others) hashOf(p pulled, field string) string {
	for _, index := range p.Collections[0].Indexes {
		if rest, ok := strings.CutPrefix(index.Name, field+"_1_"); ok {
			return rest
		}
	}
	return ""
}

func (o *others) indexNames(collection string) (names []string) {
	o.Helper()
	there, err := o.store.Inspect(o.Context())
	if err != nil {
		o.Fatal(err)
	}
	for _, info := range there {
		for _, index := range info.Indexes {
			if info.Name == collection {
				names = append(names, index.Lookup("name").StringValue())
			}
		}
	}
	return names
}

// TestValidators takes over what a validator says and the documents keep.
func TestValidators(t *testing.T) {
	o := newOthers(t)
	o.fill("c", repeated(20, func(i int) bson.D {
		return bson.D{{Key: "name", Value: fmt.Sprint("name ", i)}, {Key: "age", Value: int32(i)}, {Key: "kind", Value: []string{"a", "z"}[i/19]}}
	})...)
	o.command(bson.D{{Key: "collMod", Value: "c"}, {Key: "validationLevel", Value: "moderate"}, {Key: "validator", Value: bson.D{
		{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"name", "absent"}}, {Key: "oneOf", Value: bson.A{bson.D{}}}, {Key: "properties", Value: bson.D{
			{Key: "name", Value: bson.D{{Key: "bsonType", Value: "string"}, {Key: "maxLength", Value: 50}, {Key: "pattern", Value: "^name"}, {Key: "description", Value: "What it is called."}}},
			{Key: "age", Value: bson.D{{Key: "bsonType", Value: bson.A{"int", "null"}}, {Key: "minimum", Value: 0}, {Key: "maximum", Value: 10}}},
			{Key: "kind", Value: bson.D{{Key: "enum", Value: bson.A{"a", "b"}}}},
			{Key: "later", Value: bson.D{{Key: "bsonType", Value: "date"}}},
		}}}},
		{Key: "age", Value: bson.D{{Key: "$gt", Value: -5}}},
	}}})
	p := o.pull(1000)
	p.hold(t, "c",
		`name: {type: string, required: true, description: What it is called., max_length: 50, pattern: "^name"}  # in 20 of 20 documents; 20 distinct values`,
		`age: {type: int, required: true, nullable: true, min: 0}  # in 20 of 20 documents; 20 distinct values`,
		`kind: {type: string, required: true}  # in 20 of 20 documents; 2 distinct values`,
		`later: {type: date}  # in no document that was read; the collection's validator names it`,
	)
	limits := strings.Join(p.limits("c"), "\n")
	for _, told := range []string{"conditions on age are not carried over", "rules oneOf are not carried over"} {
		if !strings.Contains(limits, told) {
			t.Errorf("%q is not told in\n%s", told, limits)
		}
	}
}

// TestAPullOfTheServicesOwnDatabase gives its validators and indexes back.
func TestAPullOfTheServicesOwnDatabase(t *testing.T) {
	o := newOthers(t)
	model, err := schema.LoadFiles([]schema.File{{Name: "c.yaml", Text: []byte(`collection: c
id: string
fields:
  name: {type: string, required: true, min_length: 1, max_length: 20, pattern: "^[a-z]+"}
  code: {type: string, required: true, unique: true}
  state: {type: string, enum: [open, closed], nullable: true}
  n: {type: int, min: 0, max: 10}
  d: {type: double, min: 0.5}
  at: {type: date}
  o: {type: object, required: true, fields: {a: {type: bool, required: true}, b: {type: array, max_items: 3, items: {type: objectId}}}}
indexes:
  - {keys: [state, -createdAt]}
  - {keys: [n, d], unique: true, where: {n: {$gt: 3}}}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrate.Ready(t.Context(), migrate.Options{Store: o.store, Who: "test"}, model); err != nil {
		t.Fatal(err)
	}
	p := o.pull(1000)
	want, got := model.Collections[0], p.Collections[0]
	a, _ := bson.Marshal(want.Validator())
	b, _ := bson.Marshal(got.Validator())
	if !bytes.Equal(a, b) {
		t.Errorf("the validator is\n%s\nnot\n%s", bson.Raw(b), bson.Raw(a))
	}
	if fmt.Sprint(got.Indexes) != fmt.Sprint(want.Indexes) {
		t.Errorf("the indexes are %v, not %v\n%s", got.Indexes, want.Indexes, p.text(t, "c"))
	}
	if r, err := migrate.Ready(t.Context(), migrate.Options{Store: o.store, Who: "test"}, p.Model); err != nil || len(r.Done) > 0 {
		t.Errorf("made ready again: %+v (%v)", r, err)
	}
}

func TestWhatHasNoFile(t *testing.T) {
	o := newOthers(t)
	if p := o.pull(10); len(p.Result.Files) > 0 {
		t.Errorf("an empty database gave %d files", len(p.Result.Files))
	}
	o.fill("_odd name", bson.D{{Key: "a", Value: 1}})
	o.fill("_sheaf.keys", bson.D{{Key: "a", Value: 1}})
	o.command(bson.D{{Key: "create", Value: "empty"}})
	p := o.pull(10)
	if len(p.Skipped) != 1 || p.Skipped[0].Name != "_odd name" || !strings.Contains(p.Skipped[0].Reason, `begins with "_"`) {
		t.Errorf("skipped %+v", p.Skipped)
	}
	p.hold(t, "empty", "# There are no documents.", "fields: {}")
	_, err := introspect.Run(t.Context(), o.store, introspect.Options{Sample: 10, Collections: []string{"empt"}})
	if !fault.Is(err, fault.UnknownCollection) || !strings.Contains(err.Error(), `did you mean "empty"?`) {
		t.Errorf("the error is %v", err)
	}
}
