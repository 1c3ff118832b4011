package engine

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Batch is what is carried out as one.
type Batch struct {
	Writes []Write
	// Faults are what is wrong with the writes as far as who read them knows: they
	// are told before those that are found here. A Write without a Collection is
	// one of which enough is told.
	Faults fault.List
	// Rollback has everything carried out, and nothing stored.
	Rollback bool
}

// Apply carries out all writes or none, and returns their results in order.
func (e *Engine) Apply(ctx context.Context, writes ...Write) ([]Result, error) {
	return e.ApplyBatch(ctx, Batch{Writes: writes})
}

// Check holds the writes of a batch against the rules, and stores nothing: it
// fails as ApplyBatch does before anything is asked of the database.
func Check(ctx context.Context, b Batch) error {
	return newPlan(ctx, b.Writes...).prepare(&b.Faults)
}

// ApplyBatch carries out all writes of a batch or none, and returns their
// results in order.
//
// Everything that can be checked without stored state is checked first, for all
// writes: a ValidationFailed lists every fault of the input at once. One write
// goes out plainly, several in one transaction. Before that comes a Forbidden for
// collections that the caller may not use.
func (e *Engine) ApplyBatch(ctx context.Context, b Batch) ([]Result, error) {
	p := newPlan(ctx, b.Writes...)
	results, err := e.applyPlan(ctx, p, b)
	for i := range results {
		results[i] = p.ops[i].shown(results[i])
	}
	return results, err
}

func (e *Engine) applyPlan(ctx context.Context, p *plan, b Batch) ([]Result, error) {
	if err := p.prepare(&b.Faults); err != nil {
		return nil, err
	}
	if err := e.allocateIDs(ctx, p.ops); err != nil {
		return nil, err
	}
	if err := e.settle(ctx, p); err != nil {
		return nil, err
	}
	if len(p.ops) == 1 && !b.Rollback {
		result, err := e.run(ctx, p.ops[0])
		result.ID = p.ops[0].id
		return []Result{result}, located(err, p.ops[0])
	}
	if !b.Rollback && p.groupable() && e.store.CoalescesIn(ctx) {
		results, err := e.groups.Do(ctx, p)
		return results, sharing(err)
	}
	return e.transact(ctx, p, b.Rollback)
}

var errRollback = errors.New("nothing is to be stored")

// transact carries out the operations of a plan in one transaction.
func (e *Engine) transact(ctx context.Context, p *plan, rollback bool) ([]Result, error) {
	var results []Result
	err := e.store.InTransaction(ctx, func(ctx context.Context) error {
		if err := e.store.Queue(ctx, p.changed()); err != nil {
			return err
		}
		r := attempt{Engine: e, plan: p, results: make([]Result, len(p.ops))}
		p.size = 0
		if err := r.all(ctx); err != nil {
			return err
		}
		results = r.results
		if rollback {
			return errRollback
		}
		return nil
	})
	if errors.Is(err, errRollback) {
		err = nil
	}
	return results, err
}

// allocateIDs completes the new documents of collections whose ids the service
// gives out.
func (e *Engine) allocateIDs(ctx context.Context, ops []*operation) error {
	waiting := make(map[string][]*operation)
	for _, root := range ops {
		for _, op := range root.all() {
			if op.awaitsID {
				waiting[op.collection.Name] = append(waiting[op.collection.Name], op)
			}
		}
	}
	for name, ops := range waiting {
		first, err := e.store.NextIDs(ctx, name, len(ops))
		if err != nil {
			return err
		}
		for i, op := range ops {
			op.setID(first + int64(i))
		}
	}
	return nil
}

// settle prepares the operations anew that mention what was not known before ids
// were allocated.
func (e *Engine) settle(ctx context.Context, p *plan) error {
	for i, op := range p.ops {
		if !op.provisional || op.late {
			continue
		}
		final, err := e.realize(ctx, p, i, p.document)
		if err != nil {
			return err
		}
		p.ops[i] = final
	}
	return nil
}

// realize prepares an operation with what it mentions, as document tells. It has
// the ids that were allocated for it before.
func (e *Engine) realize(ctx context.Context, p *plan, i int, document func(int) bson.Raw) (*operation, error) {
	var faults fault.List
	op, err := p.operation(i, document, &faults)
	if err == nil {
		err = faults.Err(fault.ValidationFailed, "what is referred to does not fit")
	}
	if err == nil {
		err = op.refused()
	}
	if err != nil {
		return nil, err
	}
	op.inherit(p.ops[i])
	return op, e.allocateIDs(ctx, []*operation{op})
}

// inherit takes over the ids that were allocated for an earlier form of the
// operation.
func (op *operation) inherit(former *operation) {
	ids := make(map[string][]bson.RawValue)
	for _, f := range former.all() {
		if f.allocated {
			ids[f.collection.Name] = append(ids[f.collection.Name], f.id)
		}
	}
	for _, each := range op.all() {
		if list := ids[each.collection.Name]; each.awaitsID && len(list) > 0 {
			each.setID(list[0].Int64())
			ids[each.collection.Name] = list[1:]
		}
	}
}
