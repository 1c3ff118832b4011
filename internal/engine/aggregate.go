package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// seenBy returns a pipeline whose first documents are what the caller of ctx sees:
// the rules come before the pipeline, or behind a search that MongoDB wants first.
// An aggregate that reads other collections is for those who may read all of them.
func seenBy(ctx context.Context, c *schema.Collection, a *schema.Aggregate, pipeline []bson.Raw) ([]bson.Raw, error) {
	seen, err := readable(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, name := range a.Others {
		if !c.Beside(name).Grant.Whole() {
			return nil, fault.New(fault.Forbidden, "the aggregate %s reads %s, and this caller may not read all of that", a.Name, name)
		}
	}
	if seen == nil {
		return pipeline, nil
	}
	stages, err := seen.stages(c)
	if err != nil {
		return nil, err
	}
	first := 0
	if mustBeFirst(pipeline[0]) {
		if first = 1; len(stages) > 1 {
			return nil, fault.New(fault.Forbidden, "the aggregate %s searches before anything else, and this caller does not see all fields of %s", a.Name, c.Name)
		}
	}
	return slices.Concat(pipeline[:first], stages, pipeline[first:]), nil
}

// stages are those that leave what the caller sees: the documents, and the fields
// of which it may speak.
func (p *permit) stages(c *schema.Collection) (stages []bson.Raw, err error) {
	add := func(stage bson.D) {
		raw, failed := marshal(stage)
		stages, err = append(stages, raw), errors.Join(err, failed)
	}
	conditions := bson.D{}
	if where := p.filter(); where != nil {
		conditions = where.BSON()
	}
	add(bson.D{{Key: "$match", Value: conditions}})
	if names, only := p.grant.Shown(c.Declared()); only {
		kept := bson.D{}
		for _, name := range names {
			kept = append(kept, bson.E{Key: name, Value: 1})
		}
		add(bson.D{{Key: "$project", Value: kept}})
	} else if len(names) > 0 {
		add(bson.D{{Key: "$unset", Value: names}})
	}
	return stages, err
}

// mustBeFirst reports whether MongoDB takes a stage only where it is the first:
// one that searches.
func mustBeFirst(stage bson.Raw) bool {
	if _, err := stage.LookupErr("$geoNear"); err == nil {
		return true
	}
	return bytes.Contains(stage, []byte("$text\x00"))
}

// Aggregate runs a pipeline that its aggregate has bound, and returns all that
// comes out. Where that is more than the aggregate may answer it is a
// ResultTooLarge fault, and a Forbidden one where the caller may not use a
// collection that it reads.
func (e *Engine) Aggregate(ctx context.Context, c *schema.Collection, a *schema.Aggregate, pipeline []bson.Raw) ([]bson.Raw, error) {
	if err := reachesAggregate(ctx, c, a); err != nil {
		return nil, err
	}
	pipeline, err := seenBy(ctx, c, a, pipeline)
	if err != nil {
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
