package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// HistoryEntry is a version of a document.
type HistoryEntry = store.HistoryEntry

// History returns the versions of a document below one, 0 for all, the newest
// first; more says that there are older ones. It fails with NotFound where the
// history knows no such document.
func (e *Engine) History(ctx context.Context, c *schema.Collection, id bson.RawValue, below int64, limit int) (entries []HistoryEntry, more bool, err error) {
	if err := reaches(auth.From(ctx), c.Name, ""); err != nil {
		return nil, false, err
	}
	entries, more, err = e.store.History(ctx, c.Name, id, below, limit+1)
	if len(entries) > limit {
		entries, more = entries[:limit], true
	}
	if err == nil && len(entries) == 0 && below == 0 {
		err = fault.New(fault.NotFound, "the history of %s has no document with this id", c.Name)
	}
	return entries, more, err
}

// HistoryVersion returns one version of a document, NotFound where the history has
// it not.
func (e *Engine) HistoryVersion(ctx context.Context, c *schema.Collection, id bson.RawValue, version int64) (HistoryEntry, error) {
	if err := reaches(auth.From(ctx), c.Name, ""); err != nil {
		return HistoryEntry{}, err
	}
	return e.historyEntry(ctx, c, id, version)
}

func (e *Engine) historyEntry(ctx context.Context, c *schema.Collection, id bson.RawValue, version int64) (HistoryEntry, error) {
	entries, _, err := e.store.History(ctx, c.Name, id, version+1, 1)
	if err != nil {
		return HistoryEntry{}, err
	}
	if len(entries) == 0 || entries[0].Version != version {
		return HistoryEntry{}, fault.New(fault.NotFound, "the history of %s has no version %d of this document", c.Name, version)
	}
	return entries[0], nil
}
