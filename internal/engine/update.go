package engine

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/update"
)

// patch is a change that is computed from the stored document: of operators, or
// a JSON Patch.
type patch interface {
	Apply(current bson.Raw, now time.Time) (bson.Raw, error)
}

// preparePatch compiles the body of Update and JSONPatch. A body that is no
// object, or no array, is noted.
func (op *operation) preparePatch(w Write, faults *fault.List) (err error) {
	options := update.Options{Now: op.now, Extended: w.Extended, Pointer: op.pointer}
	if op.verb == JSONPatch {
		op.patch, err = update.CompilePatch(w.Body, op.view, options, faults)
	} else {
		err = op.prepareOperators(w, options, faults)
	}
	if !fault.Is(err, fault.ValidationFailed) {
		return err
	}
	for _, item := range fault.From(err).Items {
		faults.Add(op.pointer+item.Pointer, item.Code, "%s", item.Detail)
	}
	return nil
}

// prepareOperators also writes the change as one that MongoDB makes by itself,
// where that can be.
func (op *operation) prepareOperators(w Write, options update.Options, faults *fault.List) error {
	before := len(faults.Items)
	operators, err := update.CompileOperators(w.Body, op.view, options, faults)
	if err != nil || len(faults.Items) > before {
		return err
	}
	op.patch = operators
	if direct, ok := operators.Direct(op.now); ok {
		op.makeDirect(direct)
	}
	return nil
}

// makeDirect has MongoDB make the change by itself, unless its document is needed
// before or a history is kept.
func (op *operation) makeDirect(direct update.Direct) {
	if op.precondition.NoneMatch != nil || op.collection.History != nil || op.limited() {
		return
	}
	if op.collection.SoftDelete != nil {
		direct.Guard = store.OnlyLive(direct.Guard)
	}
	op.direct = &direct
}

// update carries out a direct change: by one command where MongoDB can hold the
// rules, else, and where that changed nothing, as every other change. That also
// finds out why.
func (e *Engine) update(ctx context.Context, op *operation) (Result, error) {
	match := op.precondition.Match
	if !op.placed() || op.movesShard() || match != nil && !match.Any && len(match.List) == 0 {
		return e.change(ctx, op)
	}
	change := store.Change{ID: op.id, Guard: op.direct.Guard, Update: op.direct.Update, Shard: op.shard, VersionOnly: op.minimal}
	if op.require != nil {
		change.Require = op.require.bson
	}
	if match != nil && !match.Any {
		change.Versions = match.List
	}
	doc, err := e.store.Update(ctx, op.collection.Name, change)
	if err != nil || doc != nil {
		return op.result(doc), err
	}
	return e.change(ctx, op)
}
