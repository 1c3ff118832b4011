package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/schema"
)

var tokenSecret = []byte("a secret of the tests, which is long enough")

// keyLifetime is how long the service of the tests goes on with what it knows of
// a key.
const keyLifetime = 50 * time.Millisecond

// known starts a service that asks who calls.
func known(t *testing.T, options api.Options) *service {
	t.Helper()
	return knownOf(t, exampleModel(t, "blog"), options)
}

func knownOf(t *testing.T, model *schema.Model, options api.Options) *service {
	t.Helper()
	s := start(t, model)
	tokens, err := auth.NewTokens(auth.TokenOptions{Secret: tokenSecret, Issuer: "https://id.example.com", Audiences: []string{"sheaf"}})
	if err != nil {
		t.Fatal(err)
	}
	options.Auth = &auth.Authenticator{Keys: auth.NewKeys(s.store.Keys(), keyLifetime), Tokens: tokens}
	s.serve(options)
	return s
}

// key stores an API key and returns its text.
func (s *service) key(k auth.Key) string {
	s.t.Helper()
	if k.ID == "" {
		k.ID = auth.NewKeyID()
	}
	text, hash := auth.NewSecret(k.ID)
	k.Secrets, k.CreatedAt = []auth.Secret{{Hash: hash}}, time.Now()
	if err := s.store.CreateKey(s.t.Context(), k); err != nil {
		s.t.Fatal(err)
	}
	return text
}

func token(t *testing.T, subject string, until time.Duration) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "https://id.example.com", "aud": "sheaf", "sub": subject, "exp": time.Now().Add(until).Unix(),
	}).SignedString(tokenSecret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func bearer(credential string) string { return "Authorization: Bearer " + credential }

// requestTo fills the path of a route in, for a caller of posts.
func requestTo(route openapi.Route) (path, body string) {
	path = strings.NewReplacer("{collection}", "posts", "{id}", "1", "{version}", "1", "{aggregate}", "none", "{asset}", "app.js", "{code}", "forbidden").Replace(route.Path)
	const post = `{"title":"x","content":"y","authorId":1}`
	bodies := map[string]string{
		"create": post, "replace": post, "patch": `{"title":"z"}`, "query": `{}`, "patchMany": `{"title":"z"}`,
		"transact": `{"operations":[{"create":"posts","document":` + post + `}]}`,
	}
	if route.ID == "patchMany" || route.ID == "deleteMany" {
		path += "?title=none"
	}
	if route.Request != nil {
		body = bodies[route.ID]
	}
	return path, body
}

// Every route is held against every kind of caller, the routes that are yet to
// come included.
func TestWhoMayAskWhat(t *testing.T) {
	s := known(t, api.Options{})
	unknown, _ := auth.NewSecret(auth.NewKeyID())
	good := s.key(auth.Key{})
	callers := []struct {
		name, header, says string
	}{
		{"nobody", "Accept: */*", `Bearer realm="sheaf"`},
		{"another scheme", "Authorization: Basic YTpi", `Bearer realm="sheaf"`},
		{"an empty bearer", "Authorization: Bearer ", `Bearer realm="sheaf"`},
		{"a word", bearer("x"), `Bearer realm="sheaf", error="invalid_token"`},
		{"a key that is mistyped", bearer(good + "x"), `Bearer realm="sheaf", error="invalid_token"`},
		{"a key that is not known", bearer(unknown), `Bearer realm="sheaf", error="invalid_token"`},
		{"an expired key", bearer(s.key(auth.Key{ExpiresAt: time.Now().Add(-time.Second)})), `Bearer realm="sheaf", error="invalid_token"`},
		{"a revoked key", "X-API-Key: " + s.key(auth.Key{RevokedAt: time.Now()}), `Bearer realm="sheaf", error="invalid_token"`},
		{"a token in the place of a key", "X-API-Key: " + token(t, "ada", time.Hour), `Bearer realm="sheaf"`},
		{"an expired token", bearer(token(t, "ada", -time.Hour)), `Bearer realm="sheaf", error="invalid_token"`},
	}
	for _, route := range api.Routes() {
		path, body := requestTo(route)
		for _, caller := range callers {
			t.Run(route.ID+" "+caller.name, func(t *testing.T) {
				s.t = t
				got := s.do(route.Method, path, body, caller.header)
				if route.Audience == openapi.Anybody {
					if got.status == http.StatusUnauthorized {
						t.Errorf("%s", got.body)
					}
					return
				}
				got.problem(401, "unauthenticated").sends("WWW-Authenticate", caller.says)
				if route.Method == http.MethodGet {
					s.do(http.MethodHead, path, "", caller.header).is(401)
				}
			})
		}
		for name, header := range map[string]string{
			"a key": bearer(good), "a key in its own header": "X-API-Key: " + good, "a token": "authorization: bearer " + token(t, "ada", time.Hour),
		} {
			t.Run(route.ID+" "+name, func(t *testing.T) {
				s.t = t
				if got := s.do(route.Method, path, body, header); got.status == http.StatusUnauthorized || got.status == http.StatusForbidden || got.status >= 500 {
					t.Errorf("status %d: %s", got.status, got.body)
				}
			})
		}
	}
	s.t = t
}

func TestOpenRoutesAreAFewThatAreListed(t *testing.T) {
	want := []string{"docs", "docsAsset", "live", "metrics", "problem", "problems", "ready"}
	var open []string
	for _, route := range api.Routes() {
		if route.Audience == openapi.Anybody {
			open = append(open, route.ID)
		}
	}
	slices.Sort(open)
	if !slices.Equal(open, want) {
		t.Errorf("anybody may ask %q, and docs/security.md says %q", open, want)
	}
}

func TestTheDocumentIsPublicWhereThatIsSet(t *testing.T) {
	known(t, api.Options{}).do("GET", "/openapi.json", "").problem(401, "unauthenticated")
	known(t, api.Options{PublicDocs: true}).do("GET", "/openapi.json", "").is(200)
}

func TestTwoCredentialsAreOneTooMany(t *testing.T) {
	s := known(t, api.Options{})
	key := s.key(auth.Key{})
	s.do("GET", "/v1/posts", "", bearer(key), "X-API-Key: "+key).problem(400, "invalid-parameter", "Authorization")
}

func TestAKeyThatIsRevokedEndsOnARunningService(t *testing.T) {
	s := known(t, api.Options{})
	k := auth.Key{ID: auth.NewKeyID()}
	key := s.key(k)
	s.do("GET", "/v1/posts", "", bearer(key)).is(200)
	if _, err := s.store.RevokeKey(t.Context(), k.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	for {
		asked := time.Now() // what is asked after the lifetime is refused
		got := s.do("GET", "/v1/posts", "", bearer(key))
		if got.status == 401 {
			got.problem(401, "unauthenticated").has("revoked")
			return
		}
		if got.is(200); asked.Sub(revoked) > keyLifetime {
			t.Fatal("the key works for longer than the service may go on with it")
		}
	}
}

func TestRotatedKeysOverlap(t *testing.T) {
	s := known(t, api.Options{})
	k := auth.Key{ID: auth.NewKeyID()}
	old := s.key(k)
	rotate := func(overlap time.Duration) string {
		text, hash := auth.NewSecret(k.ID)
		if _, err := s.store.ChangeSecrets(t.Context(), k.ID, func(k *auth.Key) error { return k.Rotate(hash, time.Now(), overlap) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * keyLifetime)
		return text
	}
	second := rotate(time.Hour)
	for _, key := range []string{old, second} {
		s.do("GET", "/v1/posts", "", bearer(key)).is(200)
	}
	third := rotate(0)
	for _, key := range []string{old, second} {
		s.do("GET", "/v1/posts", "", bearer(key)).problem(401, "unauthenticated").has("its secret was replaced")
	}
	s.do("GET", "/v1/posts", "", bearer(third)).is(200)
}

func TestTheUseOfAKeyIsNoted(t *testing.T) {
	s := known(t, api.Options{})
	k := auth.Key{ID: auth.NewKeyID()}
	key, began := s.key(k), time.Now()
	for range 3 {
		s.do("GET", "/v1/posts", "", bearer(key)).is(200)
	}
	stored, err := s.store.Key(t.Context(), k.ID)
	if err != nil || stored.LastUsedAt.Before(began.Add(-time.Millisecond)) || stored.LastUsedAt.After(time.Now()) {
		t.Errorf("last used %s: %v", stored.LastUsedAt, err)
	}
}

// reachModel has collections that lead to each other by every means.
func reachModel() fstest.MapFS {
	return fstest.MapFS{
		"users.yaml": {Data: []byte(`
collection: users
id: increment
history: true
fields: {name: {type: string, required: true, unique: true}}
relations: {posts: {has_many: posts, by: authorId}}
aggregates:
  alone: {pipeline: [{$count: total}]}
  with_posts: {pipeline: [{$facet: {a: [{$lookup: {from: posts, localField: _id, foreignField: authorId, as: posts}}]}}]}
`)},
		"posts.yaml": {Data: []byte(`
collection: posts
id: increment
fields: {title: {type: string, required: true}, authorId: {type: ref, to: users, on_delete: cascade}}
relations: {author: {belongs_to: users, by: authorId}, comments: {has_many: comments, by: postId}}
`)},
		"comments.yaml": {Data: []byte(`
collection: comments
id: increment
fields: {text: {type: string}, postId: {type: ref, to: posts, on_delete: cascade}}
relations: {post: {belongs_to: posts, by: postId}}
`)},
	}
}

func TestAKeyOfSomeCollectionsReachesNoOther(t *testing.T) {
	s := knownOf(t, load(t, reachModel()), api.Options{Explain: true})
	all := bearer(s.key(auth.Key{}))
	s.do("POST", "/v1/users", `{"name":"Ada","posts":{"create":[{"title":"Hi"}]}}`, all).is(201)
	s.do("POST", "/v1/comments", `{"text":"c","postId":1}`, all).is(201)
	posts := bearer(s.key(auth.Key{Collections: []string{"posts"}}))
	both := bearer(s.key(auth.Key{Collections: []string{"posts", "users"}}))
	none := bearer(s.key(auth.Key{Collections: []string{}}))

	for _, allowed := range []struct{ caller, method, path, body string }{
		{posts, "GET", "/v1/posts", ""}, {posts, "GET", "/v1/posts/1", ""}, {posts, "POST", "/v1/posts", `{"title":"x","authorId":1}`},
		{both, "GET", "/v1/posts?include=author", ""}, {both, "GET", "/v1/users/_aggregates/with_posts", ""},
		{both, "POST", "/v1/posts", `{"title":"x","author":{"connect":{"name":"Ada"}}}`},
	} {
		if got := s.do(allowed.method, allowed.path, allowed.body, allowed.caller); got.status > 201 {
			t.Errorf("%s: status %d: %s", got.what, got.status, got.body)
		}
	}
	for _, denied := range []struct{ caller, method, path, body, pointer string }{
		{none, "GET", "/v1/posts", "", ""},
		{posts, "GET", "/v1/users", "", ""},
		{posts, "GET", "/v1/users?explain=true", "", ""},
		{posts, "POST", "/v1/users/_query", "{}", ""},
		{posts, "GET", "/v1/users/1", "", ""},
		{posts, "GET", "/v1/users/999", "", ""},
		{posts, "POST", "/v1/users", `{"name":7}`, ""},
		{posts, "POST", "/v1/users", `[{"name":"Eve"}]`, "/0"},
		{posts, "PUT", "/v1/users/1", `{"name":"Eve"}`, ""},
		{posts, "PATCH", "/v1/users/1", `{"name":"Eve"}`, ""},
		{posts, "DELETE", "/v1/users/1", "", ""},
		{posts, "PATCH", "/v1/users?name=Ada", `{"name":"Eve"}`, ""},
		{posts, "DELETE", "/v1/users?name=Ada", "", ""},
		{posts, "GET", "/v1/users/_aggregates/alone", "", ""},
		{posts, "GET", "/v1/users/1/_history", "", ""},
		{posts, "GET", "/v1/users/1/_history/1", "", ""},
		{posts, "POST", "/v1/users/1/_restore", `{"version":1}`, ""},
		{bearer(s.key(auth.Key{Collections: []string{"users"}})), "GET", "/v1/users/_aggregates/with_posts", "", ""},
		{posts, "GET", "/v1/posts?include=author", "", "include"},
		{posts, "GET", "/v1/posts?title=none&include=author", "", "include"},
		{posts, "GET", "/v1/posts/1?include=author", "", "include"},
		{both, "GET", "/v1/users?include=posts.comments", "", "include"},
		{posts, "POST", "/v1/posts/_query", `{"include":{"author":{"filter":{"name":"Ada"}}}}`, "/include/author"},
		{posts, "GET", `/v1/posts?filter={"author":{"$is":{"name":"Ada"}}}`, "", "filter"},
		{both, "GET", `/v1/users?filter={"posts":{"$some":{"comments":{"$none":{"text":"c"}}}}}`, "", "filter"},
		{posts, "PATCH", `/v1/posts?filter={"author":{"$is":{"name":"Ada"}}}`, `{"title":"x"}`, "filter"},
		{posts, "DELETE", `/v1/posts?filter={"author":{"$is":{"name":"Ada"}}}`, "", "filter"},
		{posts, "POST", "/v1/posts", `{"title":"x","author":{"connect":{"name":"Ada"}}}`, "/author"},
		{posts, "POST", "/v1/posts", `{"title":"x","author":{"create":{"name":"Eve"}}}`, "/author"},
		{posts, "POST", "/v1/posts", `{"title":"x","author":{"connectOrCreate":{"where":{"name":"Ada"},"create":{"name":"Eve"}}}}`, "/author"},
		{posts, "POST", "/v1/_transactions", `{"operations":[{"read":"posts","id":1},{"read":"users","id":1}]}`, "/operations/1"},
		{posts, "POST", "/v1/_transactions", `{"operations":[{"create":"posts","document":{"title":"x"}},{"create":"users","document":{"name":"Eve"}}]}`, "/operations/1"},
		{posts, "POST", "/v1/_transactions", `{"operations":[{"delete":"users","id":1}]}`, "/operations/0"},
		{posts, "POST", "/v1/_transactions", `{"operations":[{"update":"users","id":1,"change":{"name":"Eve"},"require":{"name":"Ada"}}]}`, "/operations/0"},
		{posts, "POST", "/v1/_transactions", `{"operations":[{"create":"posts","as":"p","document":{"title":"x","author":{"create":{"name":{"$ref":"p.title"}}}}}]}`, "/operations/0/document/author"},
	} {
		path := strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", "$", "%24").Replace(denied.path)
		got := s.do(denied.method, path, denied.body, denied.caller)
		if got.status != 403 && denied.pointer == "" && got.status == 422 {
			continue // its own fault comes first
		}
		pointers := []string{}
		if denied.pointer != "" {
			pointers = append(pointers, denied.pointer)
		}
		if got.is(403); !strings.HasPrefix(denied.pointer, "filter") {
			got.problem(403, "forbidden", pointers...)
		}
	}
	if got := s.do("GET", "/v1/users?count=exact", "", all).is(200); !strings.Contains(string(got.body), `"total":1`) || !strings.Contains(string(got.body), `"Ada"`) {
		t.Errorf("something got through: %s", got.body)
	}
	// References are held, and deletes carried on, whoever asks.
	s.do("POST", "/v1/posts", `{"title":"x","authorId":77}`, posts).problem(409, "reference-violation", "/authorId")
	s.do("DELETE", "/v1/posts/1", "", posts).is(204)
	s.do("GET", "/v1/comments/1", "", all).problem(404, "not-found")
}

func TestKeysAndSessionsBelongToTheirCaller(t *testing.T) {
	s := known(t, api.Options{})
	ada, ben, key := bearer(token(t, "ada", time.Hour)), bearer(token(t, "ben", time.Hour)), bearer(s.key(auth.Key{ID: "ada" + auth.NewKeyID()[3:]}))
	const user = `{"name":"Ada","email":"ada@example.com"}`
	first := s.do("POST", "/v1/users", user, ada, "Idempotency-Key: k1").is(201)
	s.do("POST", "/v1/users", user, ada, "Idempotency-Key: k1").is(201).sends("Idempotency-Replayed", "true").sends("Location", first.header.Get("Location"))
	for _, other := range []string{ben, key} {
		s.do("POST", "/v1/users", user, other, "Idempotency-Key: k1").problem(409, "duplicate-key", "/email")
	}
	session, _ := s.do("POST", "/v1/_sessions", "", ada).is(201).json()["id"].(string)
	s.do("GET", "/v1/users", "", ben, "Sheaf-Session: "+session).problem(410, "session-gone")
	s.do("POST", "/v1/_sessions/"+session+"/commit", "", ben).problem(410, "session-gone")
	s.do("GET", "/v1/users", "", ada, "Sheaf-Session: "+session).is(200)
	s.do("POST", "/v1/_sessions/"+session+"/commit", "", ada).is(204)
}
