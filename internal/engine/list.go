package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/store"
)

// Page is a part of a list.
type Page struct {
	// Documents are not to be changed; they hold the memory of the whole page.
	Documents []bson.Raw
	// Next is the cursor of the page after it, empty for the last.
	Next string
}

// List reads a page. A page of large documents can end before its limit, at
// 16 MiB, and its cursor goes on from there.
func (e *Engine) List(ctx context.Context, plan *query.Plan) (*Page, error) {
	batch, err := e.store.FindBatch(ctx, store.Query{
		Collection: plan.Collection.Name, Filter: plan.Filter(plan.Where), Sort: plan.Sort, Limit: int64(plan.Limit) + 1,
	})
	if err != nil {
		return nil, err
	}
	page := &Page{Documents: batch.Documents}
	if len(page.Documents) > plan.Limit {
		page.Documents = page.Documents[:plan.Limit]
	}
	if n := len(page.Documents); n > 0 && (n < len(batch.Documents) || batch.More) {
		page.Next = plan.Next(page.Documents[n-1])
	}
	return page, nil
}
