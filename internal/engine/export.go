package engine

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/store"
)

// Export goes through all documents that a plan of query.ParseExport admits, in
// the order of ids.
type Export struct {
	Plan *query.Plan
	// After is the id after which the export goes on, the zero value for the
	// start; At is the moment of the database that it reads, zero for now. Both
	// are kept up while the export runs: they are the point that it has reached.
	After bson.RawValue
	At    bson.Timestamp
	// Moments are those that the export came to read after At was gone, each from
	// the documents after an id on.
	Moments []Moment
	// Patience is how long trouble with the database is waited out: 0 for not at
	// all.
	Patience time.Duration
}

// Moment is a moment of the database from which documents after an id are.
type Moment struct {
	After bson.RawValue
	At    bson.Timestamp
}

// Export calls visit with the documents, batch by batch; while one is visited the
// next is on its way. They are not to be used after visit returns. The error of
// visit ends the export and is returned as it is. It fails with Forbidden where the
// caller may not use the collection.
//
// What is visited is one moment of the database, for as long as MongoDB keeps it;
// then the export goes on with a new one. Each document is whole in any case, and
// none comes twice.
func (e *Engine) Export(ctx context.Context, x *Export, visit func([]bson.Raw) error) error {
	if err := reachesPlan(ctx, x.Plan); err != nil {
		return err
	}
	where, err := e.resolve(ctx, x.Plan.Collection, x.Plan.Where, x.Plan.Limits.RelatedValues)
	if err != nil {
		return err
	}
	seen, err := readable(ctx, x.Plan.Collection)
	if err != nil {
		return err
	}
	plan := *x.Plan
	plan.Where = where.And(seen.filter())
	for deadline := (time.Time{}); ; {
		moved, err := e.exportPart(ctx, x, &plan, func(docs []bson.Raw) error {
			for i, doc := range docs {
				docs[i] = partSeen(&plan, seen, doc)
			}
			return visit(docs)
		})
		if moved || deadline.IsZero() {
			deadline = time.Now().Add(x.Patience)
		}
		switch {
		case errors.Is(err, store.ErrSnapshotGone):
			x.At = bson.Timestamp{}
		case err == nil || x.Patience == 0 || !store.Passes(err) || time.Now().After(deadline):
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// exportPause is the wait before an export goes on after trouble.
const exportPause = 100 * time.Millisecond

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(exportPause):
		return nil
	}
}

// exportPart visits what one cursor finds, and reports whether that was anything.
func (e *Engine) exportPart(ctx context.Context, x *Export, plan *query.Plan, visit func([]bson.Raw) error) (moved bool, err error) {
	if x.After.Type != 0 {
		plan = plan.From(x.After)
	}
	q := store.Query{Collection: plan.Collection.Name, Projection: plan.Projection}
	if q.Filter, err = marshal(plan.Filter(plan.Where)); err != nil {
		return false, err
	}
	if q.Sort, err = marshal(plan.Sort()); err != nil {
		return false, err
	}
	renewed, snapshot := x.At.IsZero() && x.After.Type != 0, e.store.Snapshot(x.At)
	err = snapshot.Scan(ctx, q, func(docs []bson.Raw) error {
		x.At, moved = snapshot.At(), true
		if renewed {
			x.Moments, renewed = append(x.Moments, Moment{x.After, x.At}), false
		}
		if err := visit(docs); err != nil {
			return err
		}
		last := docs[len(docs)-1].Lookup("_id")
		x.After = bson.RawValue{Type: last.Type, Value: append(x.After.Value[:0:0], last.Value...)}
		return nil
	})
	return moved, err
}
