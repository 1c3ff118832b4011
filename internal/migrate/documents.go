package migrate

import (
	"cmp"
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

const (
	// rangeDocuments and rangeBytes bound what one transaction changes.
	rangeDocuments = 1000
	rangeBytes     = 8 << 20
	// rangesASecond is how many ranges a bounded rate is spread over at least.
	rangesASecond = 4
	// scanTime bounds the reading of the ids of a range.
	scanTime = time.Minute
	// missedTime bounds the search through a whole collection.
	missedTime = time.Hour
)

// documents carries out a step over the documents of a collection, in ranges by id.
// A range is changed, and the point reached is stored, in one transaction: so each
// document is changed once, wherever a run ends, by whatever pipeline. Ranges that
// other writes are in the way of, or that take too long, become smaller.
//
// Meanwhile instances of before may store further documents, of which some have ids
// that come before the point reached. Where the change tells by itself which documents
// are still to be changed, those are changed at the end.
func (r *runner) documents(step Step) error {
	if err := r.start(step); err != nil {
		return err
	}
	if err := r.find(scanTime, func(ctx context.Context) (err error) {
		r.kept, err = r.Store.KeepsHistory(ctx, step.Collection)
		return err
	}); err != nil {
		return err
	}
	change, pace := step.Change.transformation(), pace{rate: r.Rate, atOnce: cmp.Or(r.atOnce, rangeDocuments)}
	for size := pace.most(); ; {
		part, err := r.next(step, change, size)
		if err != nil || len(part.ids) == 0 {
			return err
		}
		before := r.record.Point.Changed
		if err := r.change(step, change, &part); err != nil {
			return r.blame(step, change, part.ids, err)
		}
		if part.missed && r.record.Point.Changed == before {
			return nil // what the change selects and leaves as it is would be found for ever
		}
		r.tell(false)
		if !pace.keep(r.stop, len(part.ids)) {
			return ErrInterrupted
		}
		size = min(2*len(part.ids), pace.most())
	}
}

// part is what one transaction changes.
type part struct {
	ids []bson.RawValue
	// missed says that the ids do not follow the point reached, but come before it.
	missed bool
}

// start notes that the step is under way.
func (r *runner) start(step Step) error {
	if r.record.Point != nil {
		return nil
	}
	next := r.record
	next.Point = &store.MigrationPoint{}
	err := store.Persist(r.stop, func(int) (err error) {
		next.Point.Total, err = r.Store.EstimatedCount(r.ctx, step.Collection)
		return err
	})
	if err != nil {
		return err
	}
	return r.save(next)
}

// next returns the range that follows the point reached and, where there is none,
// documents before it that are still to be changed.
func (r *runner) next(step Step, change store.Transformation, size int) (p part, err error) {
	err = r.find(scanTime, func(ctx context.Context) error {
		p.ids, err = r.Store.IDsAfter(ctx, step.Collection, r.record.Point.After, size, rangeBytes)
		return err
	})
	if err != nil || len(p.ids) > 0 || !step.Change.selective() {
		return p, err
	}
	p.missed = true
	err = r.find(missedTime, func(ctx context.Context) error {
		p.ids, err = r.Store.IDsOf(ctx, step.Collection, change.Filter, size, rangeBytes)
		return err
	})
	return p, err
}

func (r *runner) find(limit time.Duration, fn func(context.Context) error) error {
	return store.Persist(r.stop, func(int) error {
		ctx, cancel := context.WithTimeout(r.ctx, limit)
		defer cancel()
		return fn(ctx)
	})
}

// change changes a part, or as much of it as goes at once, and stores the point
// reached. It leaves in the part what it took.
func (r *runner) change(step Step, change store.Transformation, p *part) error {
	before := *r.record.Point
	fn := func(ctx context.Context, next *store.MigrationRecord) error {
		changed, err := r.transform(ctx, step, change, p.ids)
		point := before
		point.Changed += changed
		if !p.missed {
			point.After = p.ids[len(p.ids)-1]
			point.Read += int64(len(p.ids))
		}
		next.Point = &point
		return err
	}
	return store.Persist(r.stop, func(int) error {
		for {
			err := r.attempt(r.record, fn)
			if len(p.ids) == 1 || !tooMuch(err) {
				return err
			}
			p.ids = p.ids[:len(p.ids)/2]
		}
	})
}

func (r *runner) transform(ctx context.Context, step Step, change store.Transformation, ids []bson.RawValue) (int64, error) {
	if r.kept {
		return r.Store.TransformKept(ctx, step.Collection, ids, change, r.Who)
	}
	return r.Store.Transform(ctx, step.Collection, ids, change)
}

// tooMuch reports whether a smaller range may succeed.
func tooMuch(err error) bool {
	return fault.Is(err, fault.WriteConflict) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.PayloadTooLarge)
}

// errProbe undoes what was only tried.
var errProbe = errors.New("only tried")

// blame finds the first document of a range that a change fails on.
func (r *runner) blame(step Step, change store.Transformation, ids []bson.RawValue, failed error) error {
	if store.Passes(failed) || errors.Is(failed, store.ErrLeaseLost) {
		return failed
	}
	for len(ids) > 1 && r.stop.Err() == nil {
		half := ids[:len(ids)/2]
		err := r.try(step, change, half)
		switch {
		case err == nil:
			ids = ids[len(half):]
		case store.Passes(err) || errors.Is(err, store.ErrLeaseLost):
			return failed
		default:
			ids, failed = half, err
		}
	}
	if len(ids) > 1 {
		return failed
	}
	if err := r.try(step, change, ids); err != nil {
		failed = err
	}
	return &DocumentError{Collection: step.Collection, ID: ids[0], Err: failed}
}

func (r *runner) try(step Step, change store.Transformation, ids []bson.RawValue) error {
	ctx, cancel := context.WithTimeout(r.ctx, saveTime)
	defer cancel()
	err := r.InTransaction(ctx, func(ctx context.Context) error {
		if _, err := r.transform(ctx, step, change, ids); err != nil {
			return err
		}
		return errProbe
	})
	if errors.Is(err, errProbe) {
		return nil
	}
	return err
}

// pace holds a bound on the documents a second.
type pace struct {
	rate int
	// atOnce is how many documents a range has at most.
	atOnce int
	due    time.Time
}

// most is how many documents a range may have.
func (p *pace) most() int {
	if p.rate == 0 {
		return p.atOnce
	}
	return min(max(p.rate/rangesASecond, 1), p.atOnce)
}

// keep waits until the next range may begin, and reports whether ctx lasted.
func (p *pace) keep(ctx context.Context, documents int) bool {
	if p.rate == 0 {
		return ctx.Err() == nil
	}
	if now := time.Now(); p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(time.Duration(documents) * time.Second / time.Duration(p.rate))
	return pause(ctx, time.Until(p.due))
}
