package api_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

const (
	asUpdate = "Content-Type: application/vnd.sheaf.update+json"
	asPatch  = "Content-Type: application/json-patch+json"
)

// accounts is a service with a collection that updates are made for.
func accounts(t *testing.T) *service {
	t.Helper()
	return start(t, accountsModel(t))
}

func accountsModel(t *testing.T) *schema.Model {
	t.Helper()
	return load(t, fstest.MapFS{"accounts.yaml": &fstest.MapFile{Data: []byte(`
collection: accounts
id: int
fields:
  owner: {type: string, required: true, trim: true, unique: true}
  balance: {type: int, required: true, min: 0}
  fees: {type: decimal, max: "100.00"}
  rate: {type: double, check: "lte=1"}
  visits: {type: int}
  opened: {type: date}
  status: {type: string, enum: [open, closed], default: open}
  tags: {type: array, items: {type: string, lowercase: true}, max_items: 3}
  address: {type: object, fields: {city: {type: string, required: true}, zip: {type: string}}}
`)}})
}

func TestUpdateOperators(t *testing.T) {
	t.Parallel()
	s := accounts(t)
	const at = "/v1/accounts/1"
	s.do("POST", "/v1/accounts", `{"id":1,"owner":"ada","balance":100}`).is(201)
	s.do("POST", "/v1/accounts", `{"id":2,"owner":"bob","balance":0}`).is(201)
	s.do("PATCH", at, `{"$inc":{"balance":-30},"$set":{"owner":"  Ada ","opened":"2026-01-01T00:00:00Z"},"$push":{"tags":"A"}}`, asUpdate).is(200).
		sends("ETag", `"2"`).has(`"balance":70`, `"owner":"Ada"`, `"tags":["a"]`, `"version":2`, `"opened":"2026-01-01T00:00:00.000Z"`)
	s.do("PATCH", at, `{"$inc":{"balance":-71}}`, asUpdate).problem(422, "validation-failed", "/balance")
	s.do("PATCH", at, `{"$inc":{"balance":9223372036854775807}}`, asUpdate).problem(422, "validation-failed", "/balance")
	s.do("PATCH", at, `{"$unset":{"balance":1},"$set":{"status":"x","address.zip":1},"$inc":{"owner":1}}`, asUpdate).
		problem(422, "validation-failed", "/$unset/balance", "/$set/status", "/$set/address.zip", "/$inc/owner")
	s.do("PATCH", at, `{"$set":{"address.zip":"00100"}}`, asUpdate).problem(422, "validation-failed", "/address/city")
	s.do("PATCH", at, `{"$push":{"tags":{"$each":["b","c","d"]}}}`, asUpdate).problem(422, "validation-failed", "/tags")
	s.do("PATCH", at, `{"$set":{"owner":"bob"}}`, asUpdate).problem(409, "duplicate-key", "/owner")
	s.do("PATCH", at, `{"$mul":{"rate":2},"$set":{"version":7}}`, asUpdate).problem(422, "validation-failed", "/$set/version")
	s.do("PATCH", at, `{"owner":"x"}`, asUpdate).problem(422, "validation-failed", "/owner")
	s.do("PATCH", at, `[]`, asUpdate).problem(422, "validation-failed", "")
	s.do("PATCH", at, `{"$inc":`, asUpdate).problem(400, "malformed-json")
	s.do("GET", at, "").is(200).sends("ETag", `"2"`).has(`"balance":70`, `"tags":["a"]`)

	s.do("PATCH", "/v1/accounts/3", `{"$inc":{"balance":1}}`, asUpdate).problem(404, "not-found")
	s.do("PATCH", at, `{"$inc":{"balance":1}}`, asUpdate, `If-Match: "1"`).problem(412, "version-conflict")
	s.do("PATCH", at, `{"$inc":{"balance":1}}`, asUpdate, `If-None-Match: *`).problem(412, "version-conflict")
	s.do("PATCH", at, `{"$inc":{"balance":1}}`, asUpdate, `If-Match: "2", "5"`).is(200).sends("ETag", `"3"`)
	s.do("PATCH", at, `{"$inc":{"balance":1}}`, asUpdate, `If-Match: *`, "Prefer: return=minimal").is(204).sends("ETag", `"4"`)
	s.do("PATCH", at, `{"$inc":{"visits":1,"fees":"99.99"},"$max":{"rate":0.5}}`, asUpdate).is(200).has(`"visits":1`, `"fees":"99.99"`, `"rate":0.5`)
	s.do("PATCH", at, `{"$inc":{"fees":"0.02"}}`, asUpdate).problem(422, "validation-failed", "/fees")
	s.do("PATCH", at, `{"$inc":{"fees":"0.01","rate":0.25}}`, asUpdate).is(200).has(`"fees":"100.00"`, `"rate":0.75`)
	s.do("PATCH", at, `{"$mul":{"rate":2}}`, asUpdate).problem(422, "validation-failed", "/rate")
	s.do("PATCH", at, `{"$pull":{"tags":{"$in":["A","b"]}},"$unset":{"opened":""}}`, asUpdate).is(200).has(`"tags":[]`)
}

func TestJSONPatch(t *testing.T) {
	t.Parallel()
	s := accounts(t)
	const at = "/v1/accounts/1"
	s.do("POST", "/v1/accounts", `{"id":1,"owner":"ada","balance":9007199254740993,"opened":"2026-01-01T00:00:00Z"}`).is(201)
	s.do("PATCH", at, `[{"op":"test","path":"/balance","value":9007199254740993},{"op":"test","path":"/opened","value":"2026-01-01T00:00:00.000Z"},
		{"op":"add","path":"/tags","value":["A"]},{"op":"add","path":"/tags/-","value":"b"},{"op":"replace","path":"/balance","value":5}]`, asPatch).
		is(200).sends("ETag", `"2"`).has(`"tags":["a","b"]`, `"balance":5`)
	s.do("PATCH", at, `[{"op":"replace","path":"/balance","value":6},{"op":"test","path":"/version","value":1}]`, asPatch).problem(409, "patch-failed", "/1")
	s.do("PATCH", at, `[{"op":"remove","path":"/fees"}]`, asPatch).problem(409, "patch-failed", "/0")
	s.do("PATCH", at, `[{"op":"remove","path":"/owner"}]`, asPatch).problem(422, "validation-failed", "/owner")
	s.do("PATCH", at, `[{"op":"replace","path":"/balance","value":"6"},{"op":"remove","path":"/id"}]`, asPatch).problem(422, "validation-failed", "/0/value", "/1/path")
	s.do("PATCH", at, `{}`, asPatch).problem(422, "validation-failed", "")
	s.do("PATCH", at, `[{"op":"remove","path":"/tags/0"}]`, asPatch, `If-Match: "1"`).problem(412, "version-conflict")
	s.do("PATCH", at, `[{"op":"remove","path":"/tags/0"}]`, asPatch, "If-None-Match: *").problem(412, "version-conflict")
	s.do("PATCH", at, `[{"op":"remove","path":"/tags/0"}]`, asPatch, `If-Match: "2"`, "Prefer: return=minimal").is(204).sends("ETag", `"3"`)
	s.do("PATCH", "/v1/accounts/7", `[]`, asPatch).problem(404, "not-found")
	s.do("GET", at, "").is(200).has(`"tags":["b"]`, `"balance":5`)
}

// Increments that meet are all made, and one that would take a balance below
// its limit is not.
func TestConcurrentIncrementsAreAllMade(t *testing.T) {
	t.Parallel()
	s := accounts(t)
	const clients, each = 50, 6
	s.do("POST", "/v1/accounts", fmt.Sprintf(`{"id":1,"owner":"ada","balance":%d}`, clients*each/2)).is(201)
	statuses := make(chan int, clients*each)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range each {
				statuses <- s.do("PATCH", "/v1/accounts/1", `{"$inc":{"balance":-1,"visits":1}}`, asUpdate).status
			}
		})
	}
	group.Wait()
	close(statuses)
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	if counts[200] != clients*each/2 || counts[422] != clients*each/2 {
		t.Errorf("answers by status %v", counts)
	}
	s.do("GET", "/v1/accounts/1", "").is(200).has(`"balance":0`, fmt.Sprintf(`"visits":%d`, clients*each/2), fmt.Sprintf(`"version":%d`, clients*each/2+1))
}

// What others stored goes the way on which the document is looked at.
func TestUpdatesOfDocumentsOfOthers(t *testing.T) {
	t.Parallel()
	uri, db := testkit.Mongo(t)
	foreign, err := store.Open(t.Context(), store.Options{URI: uri, Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = foreign.Close(context.Background()) })
	for id, fields := range map[int64]bson.D{
		1: {{Key: "balance", Value: int64(1)}},
		2: {{Key: "balance", Value: int32(1)}, {Key: "version", Value: int64(1)}},
		3: {{Key: "balance", Value: bson.A{int64(5)}}, {Key: "version", Value: int64(1)}},
		4: {{Key: "balance", Value: 5.5}, {Key: "version", Value: int64(1)}},
	} {
		raw, err := bson.Marshal(append(bson.D{{Key: "_id", Value: id}, {Key: "owner", Value: fmt.Sprint(id)}}, fields...))
		if err != nil {
			t.Fatal(err)
		}
		if err := foreign.Insert(t.Context(), "accounts", raw); err != nil {
			t.Fatal(err)
		}
	}
	s := startOn(t, accountsModel(t), uri, db, nil)
	s.do("PATCH", "/v1/accounts/1", `{"$inc":{"balance":1}}`, asUpdate).is(200).sends("ETag", `"1"`).has(`"balance":2`, `"createdAt":"`)
	s.do("PATCH", "/v1/accounts/2", `{"$inc":{"balance":1}}`, asUpdate).is(200).sends("ETag", `"2"`).has(`"balance":2`, `"createdAt":"`)
	s.do("PATCH", "/v1/accounts/3", `{"$inc":{"balance":1}}`, asUpdate).problem(422, "validation-failed", "/balance")
	s.do("PATCH", "/v1/accounts/4", `{"$inc":{"balance":1}}`, asUpdate).problem(422, "validation-failed", "/balance")
}
