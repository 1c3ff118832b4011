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
// first, as far as the caller sees them; more says that there are older ones. It
// fails with NotFound where the history knows no such document, and where the
// caller does not see it as it is, or was last.
func (e *Engine) History(ctx context.Context, c *schema.Collection, id bson.RawValue, below int64, limit int) (entries []HistoryEntry, more bool, err error) {
	if err := reaches(auth.From(ctx), c.Name, ""); err != nil {
		return nil, false, err
	}
	seen, err := e.seenInHistory(ctx, c, id)
	if err != nil {
		return nil, false, err
	}
	first := below == 0
	for unread := true; unread && len(entries) <= limit; {
		part, cut, err := e.store.History(ctx, c.Name, id, below, limit+1)
		if err != nil {
			return nil, false, err
		}
		for _, entry := range part {
			if below = entry.Version; seen.showsEntry(&entry) {
				entries = append(entries, entry)
			}
		}
		more = cut
		unread = len(part) > limit || cut && len(entries) == 0
	}
	if len(entries) > limit {
		entries, more = entries[:limit], true
	}
	if len(entries) == 0 && first {
		return nil, false, unknownHistory(c)
	}
	return entries, more, nil
}

func unknownHistory(c *schema.Collection) error {
	return fault.New(fault.NotFound, "the history of %s has no document with this id", c.Name)
}

// seenInHistory returns what the caller sees of a document's versions. It is
// NotFound where that is nothing.
func (e *Engine) seenInHistory(ctx context.Context, c *schema.Collection, id bson.RawValue) (*permit, error) {
	seen, err := readable(ctx, c)
	if err != nil || seen == nil {
		return nil, err
	}
	last, _, err := e.store.History(ctx, c.Name, id, 0, 1)
	switch {
	case err != nil:
		return nil, err
	case len(last) == 0 || !seen.matches(last[0].Document):
		return nil, unknownHistory(c)
	}
	return seen, nil
}

// showsEntry leaves what the caller sees of a version, and reports whether that is
// anything.
func (p *permit) showsEntry(entry *HistoryEntry) (ok bool) {
	entry.Document, ok = p.shown(entry.Document)
	return ok
}

// HistoryVersion returns one version of a document, NotFound where the history has
// it not.
func (e *Engine) HistoryVersion(ctx context.Context, c *schema.Collection, id bson.RawValue, version int64) (HistoryEntry, error) {
	if err := reaches(auth.From(ctx), c.Name, ""); err != nil {
		return HistoryEntry{}, err
	}
	seen, err := e.seenInHistory(ctx, c, id)
	if err != nil {
		return HistoryEntry{}, err
	}
	entry, err := e.historyEntry(ctx, c, id, version)
	if err == nil && !seen.showsEntry(&entry) {
		err = noVersion(c, version)
	}
	return entry, err
}

func noVersion(c *schema.Collection, version int64) error {
	return fault.New(fault.NotFound, "the history of %s has no version %d of this document", c.Name, version)
}

func (e *Engine) historyEntry(ctx context.Context, c *schema.Collection, id bson.RawValue, version int64) (HistoryEntry, error) {
	entries, _, err := e.store.History(ctx, c.Name, id, version+1, 1)
	if err != nil {
		return HistoryEntry{}, err
	}
	if len(entries) == 0 || entries[0].Version != version {
		return HistoryEntry{}, noVersion(c, version)
	}
	return entries[0], nil
}
