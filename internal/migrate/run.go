package migrate

import (
	"context"
	"slices"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// Options say how steps are carried out.
type Options struct {
	Store *store.Store
	// Who is told to others, and kept in the history: user@host.
	Who string
	// AllowDrop lets steps delete what nothing brings back.
	AllowDrop bool
	// Rate bounds the documents a second that a step over documents looks at; 0 is
	// no bound.
	Rate int
	// Wait makes the run wait for as long as others have the lease; else it waits
	// only until it is known whether they live.
	Wait bool
	// LeaseTime is how long a lease lasts that is not renewed, 10 s by default.
	LeaseTime time.Duration
	// Progress is told of every step and every range of documents, Waiting of who
	// has the lease when it must be waited for; nil for nobody.
	Progress func(Progress)
	Waiting  func(store.Holder)

	// atOnce is how many documents a range has at most, 1,000 by default.
	atOnce int
}

// Progress is how far a run is.
type Progress struct {
	Migration string
	// Undoing is set where the down steps run.
	Undoing bool
	// Step is what is done, the Number-th of Steps.
	Step          Step
	Number, Steps int
	// Point is how far a step over documents is, nil for other steps.
	Point *store.MigrationPoint
	// Done is set once the step is done.
	Done bool
}

// Up applies the migrations that are not applied, in their order, up to and with the
// one named to; an empty to stands for all. It goes on where an earlier run stopped.
// It returns the names of those that it applied.
//
// What is refused is refused before anything changes: a file that was changed after
// it was applied, documents that are in the way of a step, steps that delete where
// o.AllowDrop is not set. A run that ends before its end returns a *Stopped.
//
// A cancelled ctx ends it at the next safe point.
func Up(ctx context.Context, o Options, migrations []*Migration, to string) ([]string, error) {
	return run(ctx, o, func(history history) ([]task, error) { return history.up(migrations, to) })
}

// Down undoes the migrations that were applied last: so many, or all that come after
// the one named to. It is as Up, and refuses besides what cannot be undone.
func Down(ctx context.Context, o Options, migrations []*Migration, to string, count int) ([]string, error) {
	return run(ctx, o, func(history history) ([]task, error) { return history.down(migrations, to, count) })
}

// task is one migration that is to be applied or undone, or the rest of that.
type task struct {
	migration *Migration
	undoing   bool
	// record is what there is of it, the zero record where it was never begun.
	record store.MigrationRecord
}

func (t task) steps() []Step {
	if t.undoing {
		return t.migration.Down
	}
	return t.migration.Up
}

// states are those of a task that is under way, and done.
func (t task) states() (doing, done store.MigrationState) {
	if t.undoing {
		return store.Undoing, store.Undone
	}
	return store.Applying, store.Applied
}

// left are the steps that were not done by an earlier run.
func (t task) left() []Step {
	if doing, _ := t.states(); t.record.State != doing {
		return t.steps()
	}
	return t.steps()[min(int(t.record.Step), len(t.steps())):]
}

// run carries out the tasks that choose makes of the history.
func run(ctx context.Context, o Options, choose func(history) ([]task, error)) ([]string, error) {
	// What is refused for its input, and that there is nothing to do, is told
	// whoever has the lease.
	if tasks, err := chosen(ctx, o, choose); err != nil || len(tasks) == 0 {
		return nil, err
	}
	h, err := take(ctx, o)
	if err != nil {
		return nil, err
	}
	defer h.release()
	tasks, err := chosen(ctx, o, choose)
	if err != nil {
		return nil, err
	}
	if err := found(ctx, o.Store, tasks); err != nil {
		return nil, err
	}
	var done []string
	for _, t := range tasks {
		r := &runner{Options: o, hold: h, stop: ctx, task: t, began: time.Now()}
		if err := r.run(); err != nil {
			return done, r.stopped(err)
		}
		done = append(done, t.migration.Name)
	}
	return done, nil
}

func chosen(ctx context.Context, o Options, choose func(history) ([]task, error)) ([]task, error) {
	history, err := readHistory(ctx, o.Store)
	if err != nil {
		return nil, err
	}
	tasks, err := choose(history)
	if err != nil {
		return nil, err
	}
	return tasks, permitted(tasks, o.AllowDrop)
}

// runner carries out one task.
type runner struct {
	Options
	*hold
	task
	// stop ends when the run is to stop at the next safe point.
	stop context.Context
	// began is when this run took the migration up, spent how many milliseconds
	// earlier runs took.
	began time.Time
	spent int64
	// changed is set once a step of this run changed documents.
	changed bool
	// kept says that the history of the documents of the present step is kept.
	kept bool
}

func (r *runner) run() error {
	if err := r.begin(); err != nil {
		return err
	}
	for _, done := r.states(); r.record.State != done; {
		if r.stop.Err() != nil {
			return ErrInterrupted
		}
		if err := r.step(); err != nil {
			return err
		}
	}
	return nil
}

// begin notes that the migration is under way. One that an earlier run left is gone
// on with.
func (r *runner) begin() error {
	next := r.record
	if doing, _ := r.states(); next.State != doing {
		next = store.MigrationRecord{
			Name: r.migration.Name, State: doing, Steps: int32(len(r.steps())), StartedAt: time.Now(), Writes: next.Writes,
		}
	}
	r.spent = next.Milliseconds
	next.Checksum, next.Who, next.Fence = r.migration.Checksum, r.Who, r.Fence()
	return r.save(next)
}

// step carries out the next step, and notes that it is done.
func (r *runner) step() error {
	if int(r.record.Step) < len(r.steps()) {
		r.tell(false)
		if err := r.carryOut(r.steps()[r.record.Step]); err != nil {
			return err
		}
		r.tell(true)
	}
	next := r.record
	next.Point = nil
	if next.Step++; int(next.Step) >= len(r.steps()) {
		next.Step = int32(len(r.steps()))
		_, next.State = r.states()
		next.FinishedAt = time.Now()
	}
	return r.save(next)
}

func (r *runner) carryOut(step Step) error {
	if step.Kind == Update {
		r.changed = true
		return r.documents(step)
	}
	if r.changed { // what the documents have become was not known before
		if err := foundBy(r.stop, r.Store, []Step{step}); err != nil {
			return err
		}
	}
	return store.Persist(r.stop, func(int) error {
		ctx, cancel, err := r.confirm(!step.long())
		if err != nil {
			return err
		}
		defer cancel()
		return step.apply(ctx, r.Store)
	})
}

// save stores the record that follows the present one.
func (r *runner) save(next store.MigrationRecord) error {
	return store.Persist(r.stop, func(int) error { return r.attempt(next, nil) })
}

// attempt stores the record that follows the present one, and what fn does besides, in
// one transaction under the lease. Where it finds that an earlier attempt has stored
// it, whose answer was lost, it stores nothing and takes the record as it is: so it
// is stored once, whatever becomes of the connection.
func (r *runner) attempt(next store.MigrationRecord, fn func(context.Context, *store.MigrationRecord) error) error {
	next.Writes++
	next.Milliseconds = r.spent + time.Since(r.began).Milliseconds()
	ctx, cancel := context.WithTimeout(r.ctx, saveTime)
	defer cancel()
	follows := true
	err := r.InTransaction(ctx, func(ctx context.Context) (err error) {
		if fn != nil {
			err = fn(ctx, &next)
		}
		if err == nil {
			follows, err = r.Store.PutMigration(ctx, &next)
		}
		if err == nil && !follows {
			err = errMoved
		}
		return err
	})
	if !follows {
		next, err = r.Store.Migration(ctx, r.migration.Name)
	}
	if err == nil {
		r.record = next
	}
	return err
}

// saveTime bounds one transaction. MongoDB ends those that are open for longer than
// a minute.
const saveTime = 30 * time.Second

// errMoved ends a transaction that is not needed any more.
var errMoved = fault.New(fault.RequirementFailed, "the record of the migration is another one by now")

func (r *runner) tell(done bool) {
	if r.Progress == nil {
		return
	}
	number := int(r.record.Step)
	r.Progress(Progress{
		Migration: r.migration.Name, Undoing: r.undoing, Step: r.steps()[number], Number: number + 1, Steps: len(r.steps()),
		Point: r.record.Point, Done: done,
	})
}

// repeatable reports whether no step minds to meet documents that it changed, or that
// the step which it undoes did not change.
func repeatable(steps []Step) bool {
	return !slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == Update && !s.Change.repeatable() })
}
