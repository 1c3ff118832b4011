package client_test

import (
	"testing"

	"github.com/sheafdb/sheaf/pkg/client"
)

func TestTransactions(t *testing.T) {
	t.Parallel()
	c := client.New(blog(t).URL)
	users := client.Of[user](c, "users")
	type object = map[string]any

	var tx client.Transaction
	ada := tx.Create("users", user{Name: "Ada", Email: "ada@example.com", Age: 36})
	tx.Create("posts", object{"title": "Hi", "content": "there", "authorId": ada.Ref("id")})
	older := tx.Update("users", ada.Ref("id"), object{"$inc": object{"age": 1}}).Require(object{"age": object{"$gte": ada.Ref("age")}}).At(1)
	read := tx.Read("users", ada.Ref("id"))
	if err := c.Transact(t.Context(), &tx); err != nil {
		t.Fatal(err)
	}
	stored, err := client.Document[user](read)
	if err != nil || stored.Age != 37 || stored.Version != 2 || older.Version != 2 || ada.Status != 201 || older.Status != 200 {
		t.Errorf("%+v, %+v, %+v: %v", stored, ada, older, err)
	}
	var id int64
	if err := ada.ID(&id); err != nil || id != stored.ID {
		t.Errorf("id %d: %v", id, err)
	}

	failing := client.Transaction{Rollback: true, Minimal: true}
	failing.Update("users", id, object{"age": 1})
	if err := c.Transact(t.Context(), &failing); err != nil {
		t.Error(err)
	}
	removed := failing.Delete("users", id).Require(object{"age": 1000})
	if err := c.Transact(t.Context(), &failing); !client.Is(err, client.RequirementFailed) {
		t.Errorf("got %v", err)
	}
	if _, err := client.Document[user](removed); err == nil {
		t.Error("an operation that was not carried out has a document")
	}
	if now, err := users.Get(t.Context(), id); err != nil || now.Version != 2 {
		t.Errorf("%+v: %v", now, err)
	}

	if n, err := users.PatchAll(t.Context(), object{"age": 37}, object{"age": 50}, 5); err != nil || n != 1 {
		t.Errorf("%d changed: %v", n, err)
	}
	if _, err := client.Of[object](c, "posts").DeleteAll(t.Context(), object{}, 5); !client.Is(err, client.InvalidParameter) {
		t.Errorf("a delete without a condition: %v", err)
	}
	if n, err := client.Of[object](c, "posts").DeleteAll(t.Context(), object{"authorId": id}, 5); err != nil || n != 1 {
		t.Errorf("%d deleted: %v", n, err)
	}
}
