package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// The sizes of the collections that the benchmark relates.
const (
	benchUsers = 500
	benchPosts = 40 // of each user
	benchPage  = 20
	benchTaken = 5 // posts of a user that a limited include takes
)

// BenchmarkRelation compares the ways to read a page of documents and those
// that they are related to: $lookup in one command, or a command for the page
// and one for the relation.
func BenchmarkRelation(b *testing.B) {
	uri, name := testkit.Mongo(b)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	r := related{b, client.Database(name)}
	r.fill()
	for _, way := range []struct {
		name string
		want int
		read func() int
	}{
		{"page_alone", benchPage, r.postsAlone},
		{"belongs_to/lookup", benchPage, r.authorsByLookup},
		{"belongs_to/in", benchPage, r.authorsByIn},
		{"belongs_to_shared/lookup", benchPage, r.sharedByLookup},
		{"belongs_to_shared/in", len(shared), r.sharedByIn},
		{"has_many/lookup", benchPage * benchPosts, r.postsByLookup},
		{"has_many/in", benchPage * benchPosts, r.postsByIn},
		{"has_many_limited/lookup", benchPage * benchTaken, r.newestByLookup},
		{"has_many_limited/in_lookup", benchPage * benchTaken, r.newestByInThenLookup},
		{"has_many_limited/group_topN", benchPage * benchTaken, r.newestByGroup},
	} {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				if got := way.read(); got != way.want {
					b.Fatalf("%d documents, want %d", got, way.want)
				}
			}
		})
	}
}

// related reads users and their posts.
type related struct {
	b  *testing.B
	db *mongo.Database
}

func (r related) fill() {
	ctx, text := context.Background(), strings.Repeat("word ", 50)
	var users, posts []any
	for u := range benchUsers {
		users = append(users, bson.D{{Key: "_id", Value: int64(u)}, {Key: "name", Value: fmt.Sprint("user ", u)}, {Key: "about", Value: text}})
		for p := range benchPosts {
			posts = append(posts, bson.D{{Key: "_id", Value: int64(p*benchUsers + u)}, {Key: "authorId", Value: int64(u)}, {Key: "at", Value: int64(p * 7 % benchPosts)}, {Key: "content", Value: text}})
		}
	}
	_, err := r.db.Collection("users").InsertMany(ctx, users)
	if err == nil {
		_, err = r.db.Collection("posts").InsertMany(ctx, posts)
	}
	if err == nil {
		_, err = r.db.Collection("posts").Indexes().CreateMany(ctx, []mongo.IndexModel{
			{Keys: bson.D{{Key: "authorId", Value: 1}, {Key: "at", Value: -1}, {Key: "_id", Value: 1}}},
		})
	}
	r.must(err)
}

func (r related) must(err error) {
	if err != nil {
		r.b.Fatal(err)
	}
}

// run returns the documents of a command's only batch, as they came.
func (r related) run(command bson.D) []bson.RawValue {
	reply, err := r.db.RunCommand(context.Background(), command).Raw()
	r.must(err)
	values, err := reply.Lookup("cursor", "firstBatch").Array().Values()
	r.must(err)
	return values
}

const benchBatch = 10_000 // more than any answer has

func (r related) aggregate(collection string, stages ...bson.D) []bson.RawValue {
	return r.run(bson.D{{Key: "aggregate", Value: collection}, {Key: "pipeline", Value: stages}, {Key: "cursor", Value: stage("batchSize", benchBatch)}})
}

func (r related) find(collection string, filter bson.D, options ...bson.E) []bson.RawValue {
	return r.run(append(bson.D{{Key: "find", Value: collection}, {Key: "filter", Value: filter}, {Key: "batchSize", Value: benchBatch}}, options...))
}

// page is the page that is read, in the order of ids.
func (r related) page(collection string, conditions ...bson.E) []bson.RawValue {
	return r.find(collection, append(bson.D{}, conditions...), bson.E{Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}, bson.E{Key: "limit", Value: benchPage})
}

func pageStages() []bson.D {
	return []bson.D{stage("$sort", bson.D{{Key: "_id", Value: 1}}), stage("$limit", benchPage)}
}

func stage(name string, value any) bson.D { return bson.D{{Key: name, Value: value}} }

func ids(docs []bson.RawValue, field string) bson.D {
	values := make(bson.A, len(docs))
	for i, doc := range docs {
		values[i] = doc.Document().Lookup(field)
	}
	return stage("$in", values)
}

func elements(docs []bson.RawValue, field string) (n int) {
	for _, doc := range docs {
		values, _ := doc.Document().Lookup(field).Array().Values()
		n += len(values)
	}
	return n
}

func (r related) postsAlone() int { return len(r.page("posts")) }

func (r related) authorsByLookup() int {
	return elements(r.aggregate("posts", append(pageStages(), lookup("users", "authorId", "_id"))...), "related")
}

func lookup(from, local, foreign string, pipeline ...bson.D) bson.D {
	spec := bson.D{{Key: "from", Value: from}, {Key: "localField", Value: local}, {Key: "foreignField", Value: foreign}, {Key: "as", Value: "related"}}
	if len(pipeline) > 0 {
		spec = append(spec, bson.E{Key: "pipeline", Value: pipeline})
	}
	return stage("$lookup", spec)
}

func (r related) authorsByIn() int {
	return len(r.find("users", stage("_id", ids(r.page("posts"), "authorId"))))
}

// shared are the authors of a page of which many documents have the same.
var shared = bson.A{int64(7), int64(8)}

func (r related) sharedByLookup() int {
	match := stage("$match", stage("authorId", stage("$in", shared)))
	return elements(r.aggregate("posts", append(append([]bson.D{match}, pageStages()...), lookup("users", "authorId", "_id"))...), "related")
}

func (r related) sharedByIn() int {
	page := r.page("posts", bson.E{Key: "authorId", Value: stage("$in", shared)})
	seen := map[int64]bool{}
	distinct := slices.DeleteFunc(page, func(post bson.RawValue) bool {
		author := post.Document().Lookup("authorId").Int64()
		defer func() { seen[author] = true }()
		return seen[author]
	})
	return len(r.find("users", stage("_id", ids(distinct, "authorId"))))
}

func (r related) postsByLookup() int {
	return elements(r.aggregate("users", append(pageStages(), lookup("posts", "_id", "authorId"))...), "related")
}

func (r related) postsByIn() int {
	return len(r.find("posts", stage("authorId", ids(r.page("users"), "_id"))))
}

var newest = bson.D{{Key: "at", Value: -1}, {Key: "_id", Value: 1}}

func (r related) newestByLookup() int {
	return elements(r.aggregate("users", append(pageStages(), lookup("posts", "_id", "authorId", stage("$sort", newest), stage("$limit", benchTaken)))...), "related")
}

// newestByInThenLookup reads the page, and then for its ids alone a $lookup
// that is unwound, so that no document of the answer holds all that is related.
func (r related) newestByInThenLookup() int {
	return len(r.aggregate("users",
		stage("$match", stage("_id", ids(r.page("users"), "_id"))), stage("$project", stage("_id", 1)),
		lookup("posts", "_id", "authorId", stage("$sort", newest), stage("$limit", benchTaken)), stage("$unwind", "$related")))
}

func (r related) newestByGroup() int {
	return elements(r.aggregate("posts",
		stage("$match", stage("authorId", ids(r.page("users"), "_id"))),
		stage("$group", bson.D{{Key: "_id", Value: "$authorId"}, {Key: "related", Value: stage("$topN", bson.D{
			{Key: "n", Value: benchTaken}, {Key: "sortBy", Value: newest}, {Key: "output", Value: "$$ROOT"}})}})), "related")
}
