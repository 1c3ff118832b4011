package client_test

import (
	"errors"
	"testing"

	"github.com/sheafdb/sheaf/pkg/client"
)

func TestHistoryAndRestore(t *testing.T) {
	t.Parallel()
	c := client.New(serve(t, "contracts").URL)
	type contract struct {
		ID       string `json:"id"`
		Title    string `json:"title"`
		HolderID int64  `json:"holderId"`
	}
	holders, contracts := client.Of[map[string]any](c, "holders"), client.Of[contract](c, "contracts")
	if _, err := holders.Create(t.Context(), map[string]any{"id": 1, "name": "Ada"}); err != nil {
		t.Fatal(err)
	}
	if _, err := contracts.Create(t.Context(), contract{"k", "one", 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := contracts.Patch(t.Context(), "k", 1, map[string]any{"title": "two"}); err != nil {
		t.Fatal(err)
	}
	if err := contracts.Delete(t.Context(), "k", 2); err != nil {
		t.Fatal(err)
	}
	page, err := contracts.List(t.Context(), client.OnlyDeleted())
	if all, allErr := contracts.List(t.Context(), client.WithDeleted()); err != nil || allErr != nil || len(page.Documents) != 1 || len(all.Documents) != 1 {
		t.Fatal(page, all, err, allErr)
	}
	if k, err := contracts.Restore(t.Context(), "k", 3); err != nil || k.Title != "two" {
		t.Fatal(k, err)
	}
	if k, err := contracts.RestoreVersion(t.Context(), "k", 1, 4); err != nil || k.Title != "one" {
		t.Fatal(k, err)
	}
	versions, next, err := contracts.History(t.Context(), "k", 2, "")
	if err != nil || len(versions) != 2 || versions[0].Version != 5 || versions[0].Operation != "restore" || versions[0].At.IsZero() || next == "" {
		t.Fatal(versions, next, err)
	}
	if versions, next, err = contracts.History(t.Context(), "k", 3, next); err != nil || len(versions) != 3 || next != "" {
		t.Fatal(versions, next, err)
	}
	if v, err := contracts.HistoryVersion(t.Context(), "k", 2); err != nil || v.Document.Title != "two" {
		t.Fatal(v, err)
	}
	var tx client.Transaction
	tx.Delete("contracts", "k")
	tx.Restore("contracts", "k").From(2).At(6)
	if err := c.Transact(t.Context(), &tx); err != nil {
		t.Fatal(err)
	}
	var purge client.Transaction
	purge.Purge("contracts", "k")
	if err := c.Transact(t.Context(), &purge); err != nil {
		t.Fatal(err)
	}
	var e *client.Error
	if err := contracts.Purge(t.Context(), "k", 0); !errors.As(err, &e) || e.Code != client.NotFound {
		t.Fatal(err)
	}
}
