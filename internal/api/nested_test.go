package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/schema"
)

// pressModel has relations of every kind.
func pressModel(t *testing.T) *schema.Model {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"users": `id: increment
fields: {name: {type: string, required: true, max_length: 9}, email: {type: string, required: true, unique: true, lowercase: true, check: email}, bossId: {type: ref, to: users}, card: {type: int}}
relations: {posts: {has_many: posts, by: authorId}, edited: {has_many: posts, by: editorIds}, boss: {belongs_to: users, by: bossId}, pass: {has_one: passes, by: userId}, near: {has_many: users, by: card}}`,
		"posts": `id: objectId
fields: {title: {type: string, required: true}, authorId: {type: ref, to: users, required: true}, editorIds: {type: array, items: {type: ref, to: users}}, tagIds: {type: array, max_items: 3, unique_items: true, items: {type: ref, to: tags}}}
relations: {author: {belongs_to: users, by: authorId}, editors: {belongs_to: users, by: editorIds}, tags: {belongs_to: tags, by: tagIds}, comments: {has_many: comments, by: postId}}`,
		"tags": `id: string
fields: {name: {type: string, unique: true}}
relations: {posts: {has_many: posts, by: tagIds}}`,
		"comments": `id: uuid
fields: {text: {type: string, required: true}, postId: {type: ref, to: posts, required: true, on_delete: cascade}, byId: {type: ref, to: users}}
relations: {post: {belongs_to: posts, by: postId}, by: {belongs_to: users, by: byId}}`,
		"passes": `id: int
fields: {userId: {type: ref, to: users, unique: true}}`,
	} {
		files[name+".yaml"] = &fstest.MapFile{Data: []byte("collection: " + name + "\n" + text)}
	}
	return load(t, files)
}

func TestACreateBringsOthersWithIt(t *testing.T) {
	t.Parallel()
	s := start(t, pressModel(t))
	post := s.do("POST", "/v1/posts", `{"title":"a","author":{"create":{"name":"Ada","email":"ADA@x.org"}},
		"tags":{"create":[{"id":"go","name":"Go"}],"connectOrCreate":{"where":{"name":"Db"},"create":{"id":"db","name":"Db"}}},
		"comments":{"create":[{"text":"1","by":{"connectOrCreate":{"where":{"email":"ada@X.org"},"create":{"name":"Bob","email":"bob@x.org"}}}},{"text":"2"}]}}`).
		is(201).sends("ETag", `"1"`).has(`"authorId":1`, `"tagIds":["go","db"]`, `"title":"a"`).json()
	if post["author"] != nil || post["comments"] != nil {
		t.Errorf("the answer is %v", post)
	}
	id := post["id"].(string)
	s.do("GET", "/v1/users/1", "").is(200).has(`"email":"ada@x.org"`)
	s.do("GET", "/v1/comments", "").is(200).has(`"text":"1"`, `"text":"2"`, `"postId":"`+id+`"`, `"byId":2`)

	second := s.do("POST", "/v1/posts", `{"title":"b","author":{"connect":{"email":"Ada@x.org"}},"editors":{"connect":[{"id":1}]},
		"tags":{"connectOrCreate":[{"where":{"name":"Db"},"create":{"id":"other"}},{"where":{"id":"new"},"create":{"id":"new"}}]}}`).
		is(201).has(`"authorId":1`, `"editorIds":[1]`, `"tagIds":["db","new"]`).json()
	s.do("POST", "/v1/passes", `{"id":7}`).is(201)
	s.do("POST", "/v1/users", `{"name":"Eve","email":"eve@x.org","boss":{"connect":{"id":1}},"pass":{"connect":{"id":7}},
		"posts":{"connect":{"id":"`+id+`"},"create":{"title":"c"}},"edited":{"connect":[{"id":"`+id+`"},{"id":"`+second["id"].(string)+`"}]}}`).
		is(201).has(`"bossId":1`, `"id":3`)
	s.do("GET", "/v1/posts/"+id, "").is(200).sends("ETag", `"2"`).has(`"authorId":3`, `"editorIds":[3]`)
	s.do("GET", "/v1/posts/"+second["id"].(string), "").is(200).sends("ETag", `"2"`).has(`"editorIds":[1,3]`)
	s.do("GET", "/v1/passes/7", "").has(`"userId":3`)
	s.do("POST", "/v1/posts", `[{"title":"d","author":{"connect":{"id":3}}},{"title":"e","author":{"create":{"name":"Flo","email":"flo@x.org"}}}]`).is(201).has(`"authorId":3`)
	s.do("POST", "/v1/tags", `{"id":"plain"}`).is(201)
}

func TestFaultsOfWhatACreateBringsWithIt(t *testing.T) {
	t.Parallel()
	s := start(t, pressModel(t))
	s.do("POST", "/v1/users", `{"name":"Ada","email":"ada@x.org"}`).is(201)
	deep := `{"name":"n","email":"%d@x.org","boss":{"create":`
	var nest strings.Builder
	for i := range 6 {
		fmt.Fprintf(&nest, deep, i)
	}
	nest.WriteString(`{"name":"n","email":"z@x.org"}` + strings.Repeat("}}", 6))
	for _, c := range []struct {
		body, code string
		status     int
		pointers   []string
	}{
		{`{"title":1,"author":{"create":{"name":"far too long","email":"x","age":3}},"comments":{"create":[{"text":"t"},{"postId":"x"}]}}`, "validation-failed", 422,
			[]string{"/title", "/author/create/age", "/author/create/name", "/author/create/email", "/comments/create/1/postId", "/comments/create/1/text"}},
		{`{"title":"t","author":{"connect":{"id":9}},"tags":{"connect":[{"id":"a"}]}}`, "reference-violation", 409, []string{"/author/connect", "/tags/connect/0"}},
		{`{"title":"t","author":{"create":{"name":"n","email":"ada@x.org"}}}`, "duplicate-key", 409, []string{"/author/create/email"}},
		{`{"title":"t","author":{"create":{"name":"n","email":"n@x.org","bossId":77}}}`, "reference-violation", 409, []string{"/author/create/bossId"}},
		{`{"title":"t","author":{}}`, "validation-failed", 422, []string{"/author"}},
		{`{"title":"t","author":null}`, "validation-failed", 422, []string{"/author"}},
		{`{"title":"t","author":{"connct":{"id":1}}}`, "validation-failed", 422, []string{"/author/connct"}},
		{`{"title":"t","author":{"connect":{"id":1},"create":{"name":"n","email":"n@x.org"}}}`, "validation-failed", 422, []string{"/author"}},
		{`{"title":"t","author":{"connect":[{"id":1}]}}`, "validation-failed", 422, []string{"/author/connect"}},
		{`{"title":"t","author":{"connect":{"id":1,"email":"ada@x.org"}}}`, "validation-failed", 422, []string{"/author/connect"}},
		{`{"title":"t","author":{"connect":{"name":"Ada"}}}`, "validation-failed", 422, []string{"/author/connect/name"}},
		{`{"title":"t","author":{"connect":{"id":"1"}}}`, "validation-failed", 422, []string{"/author/connect/id"}},
		{`{"title":"t","author":{"connectOrCreate":{"where":{"id":1}}}}`, "validation-failed", 422, []string{"/author/connectOrCreate/create"}},
		{`{"title":"t","authorId":1,"author":{"connect":{"id":1}}}`, "validation-failed", 422, []string{"/author"}},
		{`{"title":"t","authorId":1,"tags":{"connectOrCreate":[{"where":{"id":"a"},"create":{"id":"a"}},{"where":{"id":"a"},"create":{"id":"a"}}]}}`, "validation-failed", 422, []string{"/tagIds"}},
		{`{"title":"t","author":{"connect":{"id":1},"connect":{"id":1}}}`, "malformed-json", 400, nil},
		{`{"title":"t","author":{"create":` + nest.String() + `}}`, "validation-failed", 422, []string{"/author" + strings.Repeat("/create/boss", 5)}},
	} {
		s.do("POST", "/v1/posts", c.body).problem(c.status, c.code, c.pointers...)
	}
	s.do("POST", "/v1/posts", `[{"title":"t","authorId":1},{"title":"t","author":{"connect":{"id":8}}}]`).problem(409, "reference-violation", "/1/author/connect")
	s.do("POST", "/v1/users", `{"name":"n","email":"n@x.org","near":{"connect":{"id":1}}}`).problem(422, "validation-failed", "/near")
	s.do("PATCH", "/v1/users/1", `{"boss":{"connect":{"id":1}}}`).problem(422, "validation-failed", "/boss")
	s.do("PUT", "/v1/users/1", `{"name":"n","email":"n@x.org","boss":{"connect":{"id":1}}}`).problem(422, "validation-failed", "/boss")
	for collection, n := range map[string]int{"users": 1, "posts": 0, "comments": 0, "tags": 0} {
		data, _ := s.do("GET", "/v1/"+collection, "").json()["data"].([]any)
		if len(data) != n {
			t.Errorf("%d %s, want %d: something was stored", len(data), collection, n)
		}
	}
}

// Of those that ask for the same document at once, one creates it and the others
// find it.
func TestConcurrentConnectOrCreate(t *testing.T) {
	t.Parallel()
	model := pressModel(t)
	one := start(t, model)
	two := startOn(t, model, one.uri, one.db, nil)
	const rounds, clients = 25, 6
	for round := range rounds {
		var group sync.WaitGroup
		for client := range clients {
			group.Go(func() {
				body := fmt.Sprintf(`{"title":"t","author":{"connectOrCreate":{"where":{"email":"%d@x.org"},"create":{"name":"n","email":"%d@x.org"}}}}`, round, round)
				s := []*service{one, two}[client%2]
				if a := s.do("POST", "/v1/posts", body); a.status != 201 {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			})
		}
		group.Wait()
	}
	data, _ := one.do("GET", "/v1/users?limit=1000", "").json()["data"].([]any)
	posts, _ := one.do("GET", "/v1/posts?limit=1000", "").json()["data"].([]any)
	if len(data) != rounds || len(posts) != rounds*clients {
		t.Errorf("%d users and %d posts, want %d and %d", len(data), len(posts), rounds, rounds*clients)
	}
}
