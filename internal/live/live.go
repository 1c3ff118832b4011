// Package live keeps the model of a running service up to date with its schema
// files. A new model serves once it compiles and the database has what it needs;
// until then the one before serves on.
package live

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Options are what a Keeper works with.
type Options struct {
	Engine *engine.Engine
	// Load compiles the schema files.
	Load func() (*schema.Model, error)
	// Prepare makes the database ready for a model, or finds that it is. An error
	// says why the model cannot serve yet, and what to do about it.
	Prepare func(context.Context, *schema.Model) error
	// Recorded returns the hash of the model that the database was last made ready
	// for.
	Recorded func(context.Context) (string, error)
	// Adopted is called when a model serves in the place of another; both are the
	// same where the files came to mean what they did before. Kept is called when
	// the one before serves on, once a reason.
	Adopted func(ctx context.Context, former, model *schema.Model)
	Kept    func(ctx context.Context, reason error)
}

const (
	// askEvery is how often the recorded model is asked for while one waits for
	// the database.
	askEvery = time.Second
	// lookEvery is after how many of those the database is looked at whatever is
	// recorded.
	lookEvery = 10
)

// Keeper keeps the model of an Engine up to date.
type Keeper struct {
	Options
	// stale is why the model is not that of the files; nil where it is.
	stale atomic.Pointer[string]

	// waiting is the model that the database is not ready for; nil for none.
	waiting *schema.Model
	// seen is what was recorded when the database was last looked at, asked how
	// often that was asked for since.
	seen  string
	asked int
}

// New returns a Keeper. It does nothing until Run.
func New(o Options) *Keeper { return &Keeper{Options: o} }

// Stale returns why the model that serves is not that of the schema files, "" where
// it is. It is safe for concurrent use.
func (k *Keeper) Stale() string {
	if reason := k.stale.Load(); reason != nil {
		return *reason
	}
	return ""
}

// Run loads the schema files whenever something comes through changed, until ctx
// is done.
func (k *Keeper) Run(ctx context.Context, changed <-chan struct{}) {
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			k.reload(ctx)
		case <-ask.C:
			if k.waiting != nil && k.moved(ctx) {
				k.adopt(ctx, k.waiting)
			}
		}
	}
}

func (k *Keeper) reload(ctx context.Context) {
	model, err := k.Load()
	if err != nil {
		k.waiting = nil
		k.keep(ctx, err)
		return
	}
	k.adopt(ctx, model)
}

// moved reports whether it is time to look at the database again.
func (k *Keeper) moved(ctx context.Context) bool {
	k.asked++
	recorded, err := k.Recorded(ctx)
	return err == nil && recorded != k.seen || k.asked >= lookEvery
}

// adopt lets a model serve if the database is ready for it.
func (k *Keeper) adopt(ctx context.Context, model *schema.Model) {
	former := k.Engine.Model()
	if model.Hash != former.Hash {
		k.waiting, k.asked = model, 0
		// Before Prepare looks: what is recorded while it does is seen the next time.
		if recorded, err := k.Recorded(ctx); err == nil {
			k.seen = recorded
		}
		if err := k.Prepare(ctx, model); err != nil {
			k.keep(ctx, err)
			return
		}
		k.Engine.SetModel(model)
	}
	k.waiting = nil
	k.stale.Store(nil)
	k.Adopted(ctx, former, k.Engine.Model())
}

// keep notes why the model that serves is not that of the files.
func (k *Keeper) keep(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	reason := sentence(err)
	if reason == k.Stale() {
		return
	}
	k.stale.Store(&reason)
	k.Kept(ctx, err)
}

// sentence is an error as whoever asks for the state of the service may see it.
func sentence(err error) string {
	if problems, ok := errors.AsType[*schema.Problems](err); ok {
		first, more, _ := strings.Cut(problems.Error(), "\n")
		if more != "" {
			first += " (and " + strconv.Itoa(strings.Count(more, "\n")+1) + " more)"
		}
		return first
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Detail
	}
	return err.Error()
}
