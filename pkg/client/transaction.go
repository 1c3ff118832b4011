package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Transaction is several operations that are carried out in order, all or none.
// The zero value has none. It is for one goroutine.
//
//	var t client.Transaction
//	ada := t.Create("users", User{Name: "Ada"})
//	t.Create("posts", map[string]any{"title": "Hi", "authorId": ada.Ref("id")})
//	t.Update("accounts", 1, map[string]any{"$inc": map[string]any{"balance": -100}}).
//		Require(map[string]any{"balance": map[string]any{"$gte": 100}})
//	err := c.Transact(ctx, &t)
//	user, err := client.Document[User](ada)
type Transaction struct {
	// Rollback has everything carried out, and nothing stored.
	Rollback bool
	// Minimal leaves the documents out of the answer.
	Minimal bool

	operations []*Operation
}

// Operation is one part of a Transaction, and once that was carried out what
// became of it.
type Operation struct {
	// Status is 201 for a document that is new, 204 for one that is gone, else 200.
	Status int
	// Version is that of the document as it is now.
	Version int64

	place    int
	members  map[string]any
	id       json.RawMessage
	document json.RawMessage
}

// Create stores a new document.
func (t *Transaction) Create(collection string, document any) *Operation {
	return t.add(map[string]any{"create": collection, "document": document})
}

// Update changes a document: by a merge patch, by update operators where the
// names of the change begin with "$", or by a JSON Patch where it is a slice. An
// id can be a Ref.
func (t *Transaction) Update(collection string, id, change any) *Operation {
	return t.add(map[string]any{"update": collection, "id": id, "change": change})
}

// Replace puts a document in the place of the one with an id.
func (t *Transaction) Replace(collection string, id, document any) *Operation {
	return t.add(map[string]any{"replace": collection, "id": id, "document": document})
}

// Delete deletes a document.
func (t *Transaction) Delete(collection string, id any) *Operation {
	return t.add(map[string]any{"delete": collection, "id": id})
}

// Read reads a document.
func (t *Transaction) Read(collection string, id any) *Operation {
	return t.add(map[string]any{"read": collection, "id": id})
}

func (t *Transaction) add(members map[string]any) *Operation {
	o := &Operation{place: len(t.operations), members: members}
	t.operations = append(t.operations, o)
	return o
}

// Require names a filter that the stored document must match; else the
// transaction fails with RequirementFailed.
func (o *Operation) Require(filter any) *Operation {
	o.members["require"] = filter
	return o
}

// At names the version that the stored document must have; else the transaction
// fails with VersionConflict.
func (o *Operation) At(version int64) *Operation {
	o.members["version"] = version
	return o
}

// Ref stands for a value of the operation's document, by its dotted path, in any
// later operation of the transaction.
func (o *Operation) Ref(path string) Ref {
	name := "op" + strconv.Itoa(o.place)
	o.members["as"] = name
	return Ref{name + "." + path}
}

// Ref is a value of the document of an earlier operation.
type Ref struct {
	Name string `json:"$ref"`
}

// ID decodes the id of the document into a value, such as an *int64.
func (o *Operation) ID(into any) error { return json.Unmarshal(o.id, into) }

// Document returns the document as the operation left it, or read it.
func Document[T any](o *Operation) (T, error) {
	var document T
	if o.document == nil {
		return document, errors.New("the operation has no document")
	}
	return document, json.Unmarshal(o.document, &document)
}

// Transact carries out a transaction. Where it fails nothing is stored, and the
// pointers of the Error lead to the operation: /operations/2/document/email.
func (c *Client) Transact(ctx context.Context, t *Transaction) error {
	operations := make([]map[string]any, len(t.operations))
	for i, o := range t.operations {
		operations[i] = o.members
	}
	var answer struct {
		Results []struct {
			Status       int
			Version      int64
			ID, Document json.RawMessage
		}
	}
	err := c.call(ctx, http.MethodPost, "/v1/_transactions", map[string]any{"operations": operations}, t.header(), &answer)
	if err == nil && len(answer.Results) != len(t.operations) {
		err = errors.New("the answer has not a result for each operation")
	}
	if err != nil {
		return err
	}
	for i, o := range t.operations {
		r := answer.Results[i]
		o.Status, o.Version, o.id, o.document = r.Status, r.Version, r.ID, r.Document
	}
	return nil
}

func (t *Transaction) header() http.Header {
	var preferences []string
	if t.Rollback {
		preferences = append(preferences, "tx=rollback")
	}
	if t.Minimal {
		preferences = append(preferences, "return=minimal")
	}
	if preferences == nil {
		return nil
	}
	return http.Header{"Prefer": {strings.Join(preferences, ", ")}}
}

// PatchAll applies a merge patch to all documents that match a filter, or to none
// of them, and returns how many. Where more than most match, which is 1,000 at
// the most, it fails with RequirementFailed.
func (c *Collection[T]) PatchAll(ctx context.Context, filter, patch any, most int) (int, error) {
	var answer struct{ Modified int }
	err := c.all(ctx, http.MethodPatch, filter, patch, most, &answer)
	return answer.Modified, err
}

// DeleteAll deletes all documents that match a filter, or none of them, and
// returns how many. It fails as PatchAll does.
func (c *Collection[T]) DeleteAll(ctx context.Context, filter any, most int) (int, error) {
	var answer struct{ Deleted int }
	err := c.all(ctx, http.MethodDelete, filter, nil, most, &answer)
	return answer.Deleted, err
}

func (c *Collection[T]) all(ctx context.Context, method string, filter, body any, most int, into any) error {
	text, err := json.Marshal(filter)
	if err != nil {
		return err
	}
	header := http.Header{"Prefer": {"max-affected=" + strconv.Itoa(most)}}
	return c.client.call(ctx, method, c.path+"?filter="+url.QueryEscape(string(text)), body, header, into)
}
