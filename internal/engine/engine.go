// Package engine holds the use cases, without any transport: read, list, and
// apply writes. It is where decoding, system fields, checks and preconditions
// come together, in one order for every write.
package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Engine serves the collections of a Model from a Store. It is safe for
// concurrent use.
type Engine struct {
	store *store.Store
	model atomic.Pointer[schema.Model]
	// shared caches the *shared of a collection by its name.
	shared sync.Map
	groups *coalesce.Batcher[*plan, []Result]
}

// New returns an Engine.
func New(s *store.Store, model *schema.Model) *Engine {
	e := &Engine{store: s}
	e.groups = e.newGroups()
	e.model.Store(model)
	return e
}

// Model returns the model that serves now. A request takes it once and keeps it
// to its end.
func (e *Engine) Model() *schema.Model { return e.model.Load() }

// SetModel makes another model the one that serves: requests that come from now
// on take it, those under way keep theirs. The database must have what it needs.
func (e *Engine) SetModel(model *schema.Model) { e.model.Store(model) }

// Ping returns nil when the database takes writes.
func (e *Engine) Ping(ctx context.Context) error { return e.store.Ping(ctx) }

// Get returns the document with an id, NotFound where there is none or where it
// is deleted, VersionConflict where it does not fulfil the precondition, and
// Forbidden where the caller may not use the collection. shard is as that of a
// Write.
func (e *Engine) Get(ctx context.Context, c *schema.Collection, id bson.RawValue, shard bson.Raw, p Precondition) (bson.Raw, error) {
	seen, doc, err := e.get(ctx, &query.Plan{Collection: c}, id, shard, p)
	if err != nil {
		return nil, err
	}
	doc, _ = seen.shown(doc)
	return doc, nil
}

// get returns a document that the caller may see as it is stored, and what the
// caller sees of it.
func (e *Engine) get(ctx context.Context, plan *query.Plan, id bson.RawValue, shard bson.Raw, p Precondition) (*permit, bson.Raw, error) {
	c := plan.Collection
	if err := reaches(auth.From(ctx), c.Name, ""); err != nil {
		return nil, nil, err
	}
	seen, err := readable(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	doc, err := e.store.Get(ctx, c.Name, id, shard)
	switch {
	case err != nil:
		return nil, nil, err
	case !plan.Sees(doc) || !seen.matches(doc):
		return nil, nil, notFound(c)
	}
	return seen, doc, p.Match.admits(Version(doc))
}

// Version returns the version of a stored document, 0 for one that others
// stored without.
func Version(doc bson.Raw) int64 {
	version, _ := doc.Lookup("version").AsInt64OK()
	return version
}
