package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// transition is what a transaction makes of one document.
type transition struct {
	// from is the document as it is stored, nil for a new one; to is what it
	// becomes, nil where it is removed.
	from, to bson.Raw
	// trail are the versions that it goes through, of which to is the last. Only a
	// history needs them.
	trail []version
	// chosen is set where the id of a new document was not made by the service, so
	// that another document can have had it.
	chosen bool
	// purges has the history of the document removed.
	purges bool
}

// version is one that a document goes through.
type version struct {
	by *operation
	// document is the new one, or the last one before the document is removed, with
	// gone.
	document bson.Raw
	gone     bool
}

// becomes returns what an operation makes of a document.
func (op *operation) becomes(from, to bson.Raw) transition {
	t := transition{from: from, to: to, chosen: op.chosen, purges: op.purge && to == nil}
	if op.collection.History != nil && !t.purges {
		t.trail = []version{op.versionOf(from, to)}
	}
	return t
}

func (op *operation) versionOf(from, to bson.Raw) version {
	if to == nil {
		return version{by: op, document: from, gone: true}
	}
	return version{by: op, document: to}
}

// toStore are documents that are stored by one command, at[i] being the place of
// the i-th among the transitions.
type toStore struct {
	docs []bson.Raw
	at   []int
}

func (t *toStore) add(doc bson.Raw, at int) { t.docs, t.at = append(t.docs, doc), append(t.at, at) }

// by stores the documents. Where one is refused it returns its place with the error,
// else -1.
func (t *toStore) by(write func([]bson.Raw) ([]store.Failure, error)) (refused int, err error) {
	if len(t.docs) == 0 {
		return -1, nil
	}
	failures, err := write(t.docs)
	if err != nil || len(failures) == 0 {
		return -1, err
	}
	return t.at[failures[0].Index], failures[0].Err
}

// carry stores what becomes of documents of one collection, and their history, in
// the transaction of ctx: by one command for those that are removed, those that
// change and those that are new. What is removed goes first, since its unique
// values are free then. Where a document is refused it returns the place of that
// with the error, else -1.
func (e *Engine) carry(ctx context.Context, c *schema.Collection, list []transition) (refused int, err error) {
	var removed []bson.RawValue
	var chosen []bson.Raw
	var changed, created toStore
	for i, t := range list {
		switch {
		case t.to == nil:
			removed = append(removed, t.from.Lookup("_id"))
		case t.from == nil:
			if created.add(t.to, i); t.chosen {
				chosen = append(chosen, t.to)
			}
		default:
			changed.add(t.to, i)
		}
	}
	if len(removed) > 0 {
		if _, err := e.store.DeleteMany(ctx, c.Name, removed); err != nil {
			return -1, err
		}
	}
	if c.History != nil {
		if err := e.store.ContinueVersions(ctx, c.Name, chosen); err != nil {
			return -1, err
		}
	}
	if refused, err := changed.by(func(docs []bson.Raw) ([]store.Failure, error) { return e.store.ReplaceMany(ctx, c, docs) }); err != nil {
		return refused, err
	}
	if refused, err := created.by(func(docs []bson.Raw) ([]store.Failure, error) { return e.store.InsertMany(ctx, c.Name, docs) }); err != nil {
		return refused, err
	}
	return -1, e.record(ctx, c, list...)
}

// record stores the versions that documents go through in their history, in the
// transaction that stores the documents.
func (e *Engine) record(ctx context.Context, c *schema.Collection, list ...transition) error {
	if c.History == nil {
		return nil
	}
	var entries []store.HistoryEntry
	var purged []bson.RawValue
	for _, t := range list {
		if t.purges {
			purged = append(purged, t.from.Lookup("_id"))
		}
		for _, v := range t.trail {
			entries = append(entries, v.entry())
		}
	}
	if len(purged) > 0 {
		if _, err := e.store.DropHistory(ctx, c.Name, purged); err != nil {
			return err
		}
	}
	return e.store.AddHistory(ctx, c.Name, entries)
}

func (v version) entry() store.HistoryEntry {
	number := Version(v.document)
	if v.gone {
		number++ // the removal is a version of its own
	}
	return store.HistoryEntry{
		ID: v.document.Lookup("_id"), Version: number, At: bsonjson.DateValue(v.by.now), Operation: v.by.verb.recorded(), Caller: v.by.who,
		Gone: v.gone, Document: v.document,
	}
}

// recorded is how the history calls what a verb does.
func (v Verb) recorded() string {
	if v == Merge || v == Update || v == JSONPatch {
		return "update"
	}
	return v.String()
}
