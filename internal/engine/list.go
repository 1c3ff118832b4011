package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/store"
)

// List returns a page. It costs one command, another one where the plan asks for
// a count, and one for each relation of its filter and its includes. A page of
// large documents ends early, at MongoDB's 16 MiB.
func (e *Engine) List(ctx context.Context, plan *query.Plan) (query.Page, error) {
	if err := reachesPlan(ctx, plan); err != nil {
		return query.Page{}, err
	}
	where, q, err := e.listQuery(ctx, plan)
	if err != nil {
		return query.Page{}, err
	}
	docs, more, err := e.store.FindBatch(ctx, q)
	if err != nil {
		return query.Page{}, err
	}
	page := plan.Page(docs, more)
	if page.Documents, err = e.include(ctx, plan, page.Documents); err != nil {
		return query.Page{}, err
	}
	page.Total, err = e.total(ctx, plan, where)
	return page, err
}

// Read returns the document with an id, with what the plan includes. Its errors
// are those of Get and of the includes.
func (e *Engine) Read(ctx context.Context, plan *query.Plan, id bson.RawValue, shard bson.Raw, p Precondition) (bson.Raw, error) {
	if err := reachesPlan(ctx, plan); err != nil {
		return nil, err
	}
	seen, doc, err := e.get(ctx, plan, id, shard, p)
	if err != nil {
		return nil, err
	}
	if len(plan.Includes) == 0 {
		doc, _ = seen.shown(doc)
		return doc, nil
	}
	docs, err := e.include(ctx, plan, []bson.Raw{doc})
	if err != nil {
		return nil, err
	}
	return docs[0], nil
}

// listQuery is the command of a plan, for one document more than the page holds.
func (e *Engine) listQuery(ctx context.Context, plan *query.Plan) (*filter.Bound, store.Query, error) {
	where, err := e.resolve(ctx, plan.Collection, plan.Where, plan.Limits.RelatedValues)
	if err != nil {
		return nil, store.Query{}, err
	}
	seen, err := readable(ctx, plan.Collection)
	if err != nil {
		return nil, store.Query{}, err
	}
	where = where.And(seen.filter())
	conditions, err := marshal(plan.Filter(where))
	if err != nil {
		return nil, store.Query{}, err
	}
	q := store.Query{Collection: plan.Collection.Name, Filter: conditions, Projection: plan.Projection, Limit: int64(plan.Limit) + 1}
	if sort := plan.Sort(); len(sort) > 0 {
		q.Sort, err = marshal(sort)
	}
	return where, q, err
}

func (e *Engine) total(ctx context.Context, plan *query.Plan, where *filter.Bound) (*int64, error) {
	var total int64
	var err error
	switch plan.Count {
	case query.Exact:
		total, err = e.count(ctx, plan, where)
	case query.Estimate:
		total, err = e.store.EstimatedCount(ctx, plan.Collection.Name)
	default:
		return nil, nil //nolint:nilnil // not asked for
	}
	return &total, err
}

func (e *Engine) count(ctx context.Context, plan *query.Plan, where *filter.Bound) (int64, error) {
	conditions := bson.D{}
	if where != nil {
		conditions = where.BSON()
	}
	raw, err := marshal(conditions)
	if err != nil {
		return 0, err
	}
	return e.store.Count(ctx, plan.Collection.Name, raw)
}

func marshal(doc bson.D) (bson.Raw, error) { return bson.Marshal(doc) }

// Explanation says how a list is found.
type Explanation struct {
	// Command is what MongoDB gets.
	Command bson.Raw
	// Stages are those of the winning plan, the last one first; Index is empty
	// where none is used.
	Stages []string
	Index  string
	// KeysExamined and DocumentsExamined were looked at to return Returned.
	KeysExamined, DocumentsExamined, Returned int64
	// Milliseconds is the time in MongoDB.
	Milliseconds int64
}

// Explain carries a list out and returns how it was found. What MongoDB looks at
// on its way tells of documents that the caller may not see, so it is Forbidden to
// who may not see all.
func (e *Engine) Explain(ctx context.Context, plan *query.Plan) (Explanation, error) {
	if !plan.Collection.Grant.Whole() {
		return Explanation{}, fault.New(fault.Forbidden, "how a list is found is told to callers who may read all of %s", plan.Collection.Name)
	}
	_, q, err := e.listQuery(ctx, plan)
	if err != nil {
		return Explanation{}, err
	}
	command, reply, err := e.store.Explain(ctx, q)
	if err != nil {
		return Explanation{}, err
	}
	var x Explanation
	if x.Command, err = marshal(command); err != nil {
		return x, err
	}
	x.stages(reply.Lookup("queryPlanner", "winningPlan"))
	x.KeysExamined, _ = reply.Lookup("executionStats", "totalKeysExamined").AsInt64OK()
	x.DocumentsExamined, _ = reply.Lookup("executionStats", "totalDocsExamined").AsInt64OK()
	x.Returned, _ = reply.Lookup("executionStats", "nReturned").AsInt64OK()
	x.Milliseconds, _ = reply.Lookup("executionStats", "executionTimeMillis").AsInt64OK()
	return x, nil
}

// stages walks a plan. The slot-based engine has it within queryPlan.
func (x *Explanation) stages(plan bson.RawValue) {
	stage, ok := plan.DocumentOK()
	if !ok {
		return
	}
	if inner, ok := stage.Lookup("queryPlan").DocumentOK(); ok {
		stage = inner
	}
	if name, ok := stage.Lookup("stage").StringValueOK(); ok {
		x.Stages = append(x.Stages, name)
	}
	if index, ok := stage.Lookup("indexName").StringValueOK(); ok && x.Index == "" {
		x.Index = index
	}
	x.stages(stage.Lookup("inputStage"))
	if inputs, ok := stage.Lookup("inputStages").ArrayOK(); ok {
		values, _ := inputs.Values()
		for _, input := range values {
			x.stages(input)
		}
	}
}
