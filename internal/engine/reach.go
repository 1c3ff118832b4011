package engine

import (
	"context"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// A caller can be one of some collections alone. Here is what refuses the others;
// every read and write that is asked for comes by: reads with the collections of
// their plan, writes as they are prepared. What the service does by itself to keep
// references whole, to look for what a write refers to and to carry a delete on, is
// nobody's asking.

// reaches refuses a collection that a caller may not use. pointer leads to where
// the client named it, "" for the path.
func reaches(p *auth.Principal, collection, pointer string) error {
	if p.Reaches(collection) {
		return nil
	}
	e := fault.New(fault.Forbidden, "the caller may not use the collection %s", collection)
	if pointer != "" {
		e.Items = []fault.Item{{Pointer: pointer, Code: "collection", Detail: "leads to " + collection + ", which the caller may not use"}}
	}
	return e
}

// reachesPlan refuses a plan that reads what the caller may not: its collection
// and what it includes, before anything is read. What its filter asks of related
// documents is refused where that is resolved, and so is the collection, for those
// who include nothing.
func reachesPlan(ctx context.Context, plan *query.Plan) error {
	p := auth.From(ctx)
	if p == nil || p.Collections == nil {
		return nil
	}
	if err := reaches(p, plan.Collection.Name, ""); err != nil {
		return err
	}
	return reachesIncludes(p, plan.Includes)
}

func reachesIncludes(p *auth.Principal, includes []*query.Include) error {
	for _, include := range includes {
		if err := reaches(p, include.Relation.Target, include.Pointer); err != nil {
			return err
		}
		if err := reachesIncludes(p, include.Plan.Includes); err != nil {
			return err
		}
	}
	return nil
}

// reachesAggregate refuses an aggregate that reads what the caller may not.
func reachesAggregate(ctx context.Context, c *schema.Collection, a *schema.Aggregate) error {
	p := auth.From(ctx)
	if err := reaches(p, c.Name, ""); err != nil {
		return err
	}
	for _, other := range a.Others {
		if err := reaches(p, other, ""); err != nil {
			return err
		}
	}
	return nil
}
