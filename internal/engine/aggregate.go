package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Aggregate runs a pipeline that its aggregate has bound, and returns all that
// comes out. Where that is more than the aggregate may answer it is a
// ResultTooLarge fault, and a Forbidden one where the caller may not use a
// collection that it reads.
func (e *Engine) Aggregate(ctx context.Context, c *schema.Collection, a *schema.Aggregate, pipeline []bson.Raw) ([]bson.Raw, error) {
	if err := reachesAggregate(ctx, c, a); err != nil {
		return nil, err
	}
	if a.Timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, a.Timeout)
		defer cancel()
		ctx = bounded
	}
	limit, err := marshal(bson.D{{Key: "$limit", Value: int64(a.MaxDocuments) + 1}})
	if err != nil {
		return nil, err
	}
	docs, more, err := e.store.Aggregate(ctx, c.Name, append(pipeline, limit), a.MaxDocuments+1)
	switch {
	case err != nil:
		return nil, err
	case len(docs) > a.MaxDocuments:
		return nil, fault.New(fault.ResultTooLarge, "the aggregate may answer %d documents, and there are more", a.MaxDocuments)
	case more:
		return nil, fault.New(fault.ResultTooLarge, "the result is larger than 16 MiB")
	}
	return docs, nil
}
