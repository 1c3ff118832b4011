package api_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/store"
)

// count returns how many documents a collection has.
func (s *service) count(collection string) int {
	s.t.Helper()
	rows, err := s.store.Find(s.t.Context(), store.Query{Collection: collection})
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// openTransactions returns how many transactions the server has open, of all
// tests that share it.
func openTransactions(t *testing.T, uri string) int64 {
	t.Helper()
	status, err := store.Admin(t.Context(), uri, bson.D{{Key: "serverStatus", Value: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return status.Lookup("transactions", "currentOpen").AsInt64()
}

func TestEveryDataRouteSaysWhatItAccesses(t *testing.T) {
	for _, r := range api.Routes() {
		if strings.HasPrefix(r.Path, "/v1/{") || r.Path == "/v1/_transactions" {
			reads := r.Method == http.MethodGet || strings.HasSuffix(r.Path, "/_query") || strings.HasSuffix(r.Path, "/_aggregate") || strings.Contains(r.Path, "/_aggregations/")
			want := map[bool]openapi.Access{true: openapi.Reads, false: openapi.Writes}[reads]
			if strings.HasSuffix(r.Path, "/_export") || strings.HasSuffix(r.Path, "/_import") {
				want = openapi.NoAccess // longer than any session or kept answer
			}
			if r.Access != want {
				t.Errorf("%s %s has access %d, want %d: else keys and sessions mean nothing to it", r.Method, r.Path, r.Access, want)
			}
		}
	}
}

func TestAKeyedRequestIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	const key = `Idempotency-Key: "a key"`
	for name, request := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
	}{
		"create":  {"POST", "/v1/increments", `{"name":"Ada"}`, nil, 201},
		"minimal": {"POST", "/v1/increments", `{"name":"Ada"}`, []string{"Prefer: return=minimal"}, 201},
		"array":   {"POST", "/v1/increments", `[{"name":"a"},{"name":"b"}]`, nil, 201},
		"replace": {"PUT", "/v1/strings/x", `{"name":"y"}`, []string{"If-Match: \"1\""}, 200},
		"patch":   {"PATCH", "/v1/strings/x", `{"age":3}`, []string{"Content-Type: application/merge-patch+json"}, 200},
		"delete":  {"DELETE", "/v1/strings/gone", "", nil, 204},
		"absent":  {"PUT", "/v1/strings/new", `{"name":"y"}`, []string{"If-None-Match: *"}, 201},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, s.model)
			s.do("POST", "/v1/strings", `[{"id":"x","name":"x"},{"id":"gone","name":"x"}]`).is(201)
			headers := append([]string{key}, request.headers...)
			first := s.do(request.method, request.path, request.body, headers...).is(request.status).sends("Idempotency-Replayed", "")
			again := s.do(request.method, request.path, request.body, headers...).is(request.status).sends("Idempotency-Replayed", "true")
			if string(first.body) != string(again.body) {
				t.Errorf("answered %s, then %s", first.body, again.body)
			}
			for _, name := range []string{"ETag", "Location", "Content-Type", "Vary", "Preference-Applied", "Content-Length"} {
				again.sends(name, first.header.Get(name))
			}
			if n := s.count("increments"); n > 2 || name != "array" && n > 1 {
				t.Errorf("%d documents", n)
			}
		})
	}
}

func TestAKeyIsThatOfOneRequest(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	const key = "Idempotency-Key: k"
	s.do("POST", "/v1/strings", `{"id":"x","name":"Ada"}`, key).is(201)
	s.do("POST", "/v1/strings", `{"id":"y","name":"Ada"}`, key).problem(422, "idempotency-mismatch")
	s.do("POST", "/v1/increments", `{"id":"x","name":"Ada"}`, key).problem(422, "idempotency-mismatch")
	s.do("PUT", "/v1/strings/x", `{"id":"x","name":"Ada"}`, key).problem(422, "idempotency-mismatch")
	s.do("POST", "/v1/strings", `{"id":"x","name":"Ada"}`, key, "Prefer: return=minimal").problem(422, "idempotency-mismatch")
	s.do("POST", "/v1/strings", `{"id":"x","name":"Ada"}`, `Idempotency-Key: "k"`).is(201).sends("Idempotency-Replayed", "true")
	s.do("POST", "/v1/strings", `{"id":"z","name":"Ada"}`, `Idempotency-Key: "\"k\\"`).is(201)
	for _, bad := range []string{``, `""`, `"`, `"a`, `"a"b`, `a b`, `"\a"`, `"a"; b=c`, `ü`, `"a","b"`, strings.Repeat("k", 256)} {
		s.do("POST", "/v1/strings", `{"id":"n","name":"Ada"}`, "Idempotency-Key: "+bad).problem(400, "invalid-parameter", "Idempotency-Key")
	}
	s.do("POST", "/v1/strings", `{"id":"n","name":"Ada"}`, "Idempotency-Key: n", "Prefer: tx=rollback").problem(400, "invalid-parameter", "Idempotency-Key")
	s.do("GET", "/v1/strings/x", "", key).is(200)
}

// What failed wrote nothing: its key is free, and the same request can succeed.
func TestAFailedRequestLeavesItsKeyFree(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	const key, body = "Idempotency-Key: k", `{"name":"Ada","email":"a@example.com"}`
	s.do("POST", "/v1/objectids", `{"name":"x","email":"a@example.com"}`).is(201)
	s.do("POST", "/v1/objectids", body, key).problem(409, "duplicate-key", "/email")
	s.do("POST", "/v1/objectids", `{"nmae":"x"}`, key).problem(422, "validation-failed", "/nmae", "/name")
	s.do("POST", "/v1/objectids", body, key, "Content-Type: text/plain").problem(415, "unsupported-media-type").sends("Accept-Post", "application/json, application/ejson")
	first := s.do("GET", "/v1/objectids?limit=1", "").is(200).json()["data"].([]any)[0].(map[string]any)
	s.do("DELETE", "/v1/objectids/"+first["id"].(string), "").is(204)
	s.do("POST", "/v1/objectids", body, key).is(201).sends("Idempotency-Replayed", "")
	s.do("POST", "/v1/objectids", body, key).is(201).sends("Idempotency-Replayed", "true")
}

func TestKeysAreTheirCallers(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	create := func(caller string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(observe.WithCaller(t.Context(), caller), "POST", "/v1/increments", strings.NewReader(`{"name":"Ada"}`))
		r.Header.Set("Idempotency-Key", "k")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if w.Code != 201 {
			t.Errorf("%s: %d %s", caller, w.Code, w.Body)
		}
		return w
	}
	for _, caller := range []string{"ada", "", "ben", "ada", "ben", ""} {
		create(caller)
	}
	if n := s.count("increments"); n != 3 {
		t.Errorf("%d documents of three callers", n)
	}
}

// Many clients send the same request at once: one is carried out, and all who
// are not told to come again have its answer.
func TestOneOfManyIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	const clients, rounds = 16, 10
	for round := range rounds {
		var mu sync.Mutex
		bodies := map[string]int{}
		var wait sync.WaitGroup
		for range clients {
			wait.Go(func() {
				for {
					a := s.do("POST", "/v1/increments", `{"name":"Ada"}`, fmt.Sprintf("Idempotency-Key: round-%d", round))
					if a.status == 409 {
						a.problem(409, "idempotency-in-progress").sends("Retry-After", "1")
						time.Sleep(5 * time.Millisecond)
						continue
					}
					mu.Lock()
					defer mu.Unlock()
					bodies[string(a.is(201).body)]++
					return
				}
			})
		}
		wait.Wait()
		if len(bodies) != 1 || s.count("increments") != round+1 {
			t.Fatalf("round %d: %d answers, %d documents", round, len(bodies), s.count("increments"))
		}
	}
}

func TestAKeyInUseIsInProgress(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	key := store.RequestKey{Key: "k"}
	_, _, err := s.store.Once(t.Context(), key, nil, func(context.Context) (store.Answer, error) {
		s.do("POST", "/v1/increments", `{"name":"Ada"}`, "Idempotency-Key: k").problem(409, "idempotency-in-progress").sends("Retry-After", "1")
		return store.Answer{Status: 204}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.do("POST", "/v1/increments", `{"name":"Ada"}`, "Idempotency-Key: k").problem(422, "idempotency-mismatch")
}

func TestLongAnswersAreKeptWhole(t *testing.T) {
	t.Parallel()
	s := start(t, kindsModel(t))
	body := "[" + strings.Repeat(`{"name":"Ada"},`, 999) + `{"name":"Ada"}]`
	first := s.do("POST", "/v1/increments", body, "Idempotency-Key: k").is(201)
	again := s.do("POST", "/v1/increments", body, "Idempotency-Key: k").is(201).sends("Idempotency-Replayed", "true")
	if string(first.body) != string(again.body) || s.count("increments") != 1000 {
		t.Errorf("%d bytes, then %d; %d documents", len(first.body), len(again.body), s.count("increments"))
	}
	random := make([]byte, 9<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	for name, body := range map[string][]byte{"text": bytes.Repeat([]byte(`{"name":"Ada"},`), 1<<20), "parts": random} {
		answer := store.Answer{Status: 200, Header: map[string][]string{"Etag": {`"1"`}}, Body: body}
		key := store.RequestKey{Caller: "c", Key: name}
		for _, want := range []bool{false, true} {
			got, replayed, err := s.store.Once(t.Context(), key, []byte{1}, func(context.Context) (store.Answer, error) { return answer, nil })
			if err != nil || replayed != want || got.Status != 200 || got.Header["Etag"][0] != `"1"` || !bytes.Equal(got.Body, body) {
				t.Errorf("%s: replayed %v, status %d, %d bytes: %v", name, replayed, got.Status, len(got.Body), err)
			}
		}
	}
}
