package migrate

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// apply carries out a step that is one command, and does nothing where that was
// done before.
func (s Step) apply(ctx context.Context, db *store.Store) error {
	switch s.Kind {
	case CreateCollection:
		return db.CreateCollection(ctx, s.Collection, s.Validator)
	case DropCollection:
		return db.DropCollection(ctx, s.Collection)
	case RenameCollection:
		return db.RenameCollection(ctx, s.Collection, s.To)
	case ShardCollection:
		return db.ShardCollection(ctx, s.Collection, s.ShardKey)
	case CreateIndex:
		return db.CreateIndex(ctx, s.Collection, s.Index)
	case DropIndex:
		return db.DropIndex(ctx, s.Collection, s.IndexName())
	case SetValidator:
		return db.SetValidator(ctx, s.Collection, s.Validator)
	}
	return fault.New(fault.Internal, "a step %s is not one command", s.Kind)
}

// long reports whether the command of a step can take longer than a lease lasts.
// It does no harm when another run does the same meanwhile.
func (s Step) long() bool { return s.Kind == CreateIndex || s.Kind == ShardCollection }

// applyParallel is how many collections Apply sees to at once.
const applyParallel = 8

// Apply carries out steps that are in no migration file: such as need no record, as
// each is one command. It does so under the lease, and side by side for different
// collections. All are tried; the error joins those of the collections.
func Apply(ctx context.Context, o Options, steps []Step) error {
	for _, step := range steps {
		if step.Kind == Update || step.Kind == RenameCollection {
			return fault.New(fault.Internal, "a step %s needs a migration file", step.Kind)
		}
	}
	if len(steps) == 0 {
		return nil
	}
	h, err := take(ctx, o)
	if err != nil {
		return err
	}
	defer h.release()
	return h.applyAll(ctx, o.Store, byCollection(steps))
}

func (h *hold) applyAll(ctx context.Context, db *store.Store, groups [][]Step) error {
	if _, _, err := h.confirm(false); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)() // a lease that is lost ends it too
	failed := make([]error, len(groups))
	var group errgroup.Group
	group.SetLimit(applyParallel)
	for i, steps := range groups {
		group.Go(func() error {
			for _, step := range steps {
				if err := step.apply(ctx, db); err != nil {
					failed[i] = fmt.Errorf("%s: %w", step.Collection, err)
					return nil
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(failed...)
}

// byCollection groups steps, and keeps their order within a collection.
func byCollection(steps []Step) [][]Step {
	var groups [][]Step
	place := make(map[string]int)
	for _, step := range steps {
		at, there := place[step.Collection]
		if !there {
			at = len(groups)
			place[step.Collection], groups = at, append(groups, nil)
		}
		groups[at] = append(groups[at], step)
	}
	return groups
}
