package engine

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// resolve returns a filter with what it asks of related documents replaced by
// conditions on the documents themselves, which an index of the collection can
// serve: those related documents are looked for first, one command for each
// question. More than most of them are an InvalidParameter fault. where may be
// nil. Every read by a plan comes by here, so a collection that the caller may not
// use is refused here, a Forbidden fault.
func (e *Engine) resolve(ctx context.Context, c *schema.Collection, where *filter.Bound, most int) (*filter.Bound, error) {
	if err := reaches(auth.From(ctx), c.Name, ""); err != nil {
		return nil, err
	}
	if where == nil {
		return nil, nil //nolint:nilnil // as it came
	}
	r := resolver{engine: e, most: most}
	return where.Resolve(func(n *filter.Node) (*filter.Node, error) { return r.plain(ctx, c, n) })
}

// resolver answers what filters ask of related documents.
type resolver struct {
	engine *Engine
	most   int
}

// plain returns the condition on documents of a collection that holds where one
// on related documents does.
func (r resolver) plain(ctx context.Context, c *schema.Collection, n *filter.Node) (*filter.Node, error) {
	relation, ok := c.Relation(n.Path)
	if !ok { // the binder found it
		return nil, fault.New(fault.Internal, "the relation %q of a filter is gone", n.Path)
	}
	if err := reaches(auth.From(ctx), relation.Target, n.Pointer); err != nil {
		return nil, err
	}
	asked := n.Related()
	if n.Op == filter.Every {
		// Every related document fulfils it where there is none that does not.
		asked = filter.Where(filter.Combine(filter.Nor, asked.Root()))
	}
	where, err := r.engine.resolve(ctx, relation.Collection, asked, r.most)
	if err != nil {
		return nil, err
	}
	seen, err := readable(ctx, relation.Collection)
	if err != nil {
		return nil, err
	}
	related, err := r.related(ctx, c, relation, where.And(seen.filter()), n)
	if err != nil || n.Op == filter.Some || n.Op == filter.Is {
		return related, err
	}
	return filter.Combine(filter.Nor, related), nil
}

// related returns the condition of the documents that are related to one that
// where admits.
func (r resolver) related(ctx context.Context, c *schema.Collection, relation *schema.Relation, where *filter.Bound, n *filter.Node) (*filter.Node, error) {
	local, foreign := relation.Ends()
	if where.Empty() && holdsReference(c, relation) {
		// A reference leads to a document that is there.
		return filter.Compare(filter.Target{Stored: local}, filter.Ne, bson.RawValue{Type: bson.TypeNull}), nil
	}
	values, err := r.values(ctx, relation, where, foreign)
	switch {
	case err != nil:
		return nil, err
	case len(values) > r.most:
		return nil, tooMany(n, relation, r.most)
	}
	return filter.InValues(filter.Target{Stored: local}, values), nil
}

// holdsReference reports whether a relation goes by a field that refers to one
// document at most, which is sure to be there.
func holdsReference(c *schema.Collection, relation *schema.Relation) bool {
	return relation.Kind == schema.BelongsTo && !relation.ByMany && slices.ContainsFunc(c.References, func(ref schema.Reference) bool {
		return ref.Path == relation.By
	})
}

// values returns the different values at a path of the related documents that
// where admits, one more than there may be at most.
func (r resolver) values(ctx context.Context, relation *schema.Relation, where *filter.Bound, path string) ([]bson.RawValue, error) {
	conditions, err := marshal(where.And(query.Live(relation.Collection)).BSON())
	if err != nil {
		return nil, err
	}
	if path != "_id" {
		return r.engine.store.Distinct(ctx, relation.Target, conditions, path, arraysOn(relation), r.most+1)
	}
	docs, _, err := r.engine.store.FindBatch(ctx, store.Query{
		Collection: relation.Target, Filter: conditions, Projection: store.OnlyID, Limit: int64(r.most) + 1,
	})
	ids := make([]bson.RawValue, len(docs))
	for i, doc := range docs {
		ids[i] = doc.Lookup("_id")
	}
	return ids, err
}

// arraysOn returns the paths of the arrays on the way to the field that a
// relation goes by.
func arraysOn(relation *schema.Relation) []string {
	target, err := filter.Fields(relation.Collection.Fields)(relation.By)
	if err != nil { // the schema was compiled with it
		return nil
	}
	return target.Arrays
}

func tooMany(n *filter.Node, relation *schema.Relation, most int) error {
	var faults fault.List
	faults.Add(n.Pointer, "limit", "leads over more than %d documents of %s; narrow what is asked of them, or list %s with an include of these",
		most, relation.Target, relation.Target)
	return faults.Err(fault.InvalidParameter, "the filter leads over too many related documents")
}
