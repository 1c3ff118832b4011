package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// WithDeleted also lists documents that are deleted and kept, OnlyDeleted lists
// those alone. They fit collections that say soft_delete.
func WithDeleted() ListOption { return parameter("deleted", "include") }

// OnlyDeleted is told of at WithDeleted.
func OnlyDeleted() ListOption { return parameter("deleted", "only") }

// Restore brings back the document with an id that was deleted, if it has the
// version; 0 is for any. The error has the code NotFound where no such document is
// deleted, DuplicateKey where one of its unique values is taken, and
// ReferenceViolation where it refers to a document that is gone.
func (c *Collection[T]) Restore(ctx context.Context, id any, version int64) (T, error) {
	return c.one(ctx, http.MethodPost, c.at(id)+"/_restore", nil, ifMatch(version))
}

// RestoreVersion makes a former version of a document its next one, if the document
// has the version current; 0 is for any.
func (c *Collection[T]) RestoreVersion(ctx context.Context, id any, former, current int64) (T, error) {
	return c.one(ctx, http.MethodPost, c.at(id)+"/_restore?version="+strconv.FormatInt(former, 10), nil, ifMatch(current))
}

// Purge removes a document for good, be it deleted already or not, and its history,
// if it has the version; 0 is for any.
func (c *Collection[T]) Purge(ctx context.Context, id any, version int64) error {
	return c.client.call(ctx, http.MethodDelete, c.at(id)+"?purge=true", nil, ifMatch(version), nil)
}

// Version is a version of a document in its history.
type Version[T any] struct {
	Version int64
	At      time.Time
	// Operation is create, update, replace, delete or restore.
	Operation string
	// Caller is who made it, empty where that is not known.
	Caller string
	// Document is as it was then; of a removal it is the last state.
	Document T
}

// History returns the versions of a document, the newest first, at most limit of
// them; 0 leaves that to the service. next is the cursor of the page after it, for
// after, and empty for the last page.
func (c *Collection[T]) History(ctx context.Context, id any, limit int, after string) (versions []Version[T], next string, err error) {
	parameters := url.Values{}
	if limit > 0 {
		parameters.Set("limit", strconv.Itoa(limit))
	}
	if after != "" {
		parameters.Set("after", after)
	}
	var answer struct {
		Data []Version[T]
		Page struct{ Next string }
	}
	err = c.client.call(ctx, http.MethodGet, c.at(id)+"/_history?"+parameters.Encode(), nil, nil, &answer)
	return answer.Data, answer.Page.Next, err
}

// HistoryVersion returns one version of a document.
func (c *Collection[T]) HistoryVersion(ctx context.Context, id any, version int64) (Version[T], error) {
	var answer Version[T]
	err := c.client.call(ctx, http.MethodGet, c.at(id)+"/_history/"+strconv.FormatInt(version, 10), nil, nil, &answer)
	return answer, err
}

// Restore brings back a document that was deleted.
func (t *Transaction) Restore(collection string, id any) *Operation {
	return t.add(map[string]any{"restore": collection, "id": id})
}

// Purge removes a document for good, and its history.
func (t *Transaction) Purge(collection string, id any) *Operation {
	return t.add(map[string]any{"delete": collection, "id": id, "purge": true})
}

// From names the version of the history that a Restore brings back.
func (o *Operation) From(version int64) *Operation {
	o.members["history"] = version
	return o
}
