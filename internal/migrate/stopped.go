package migrate

import (
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// ErrInterrupted is why a run stopped whose context was cancelled.
var ErrInterrupted = errors.New("interrupted")

// errLost is why a run stops that was held up for longer than its lease lasts.
var errLost = fmt.Errorf("another run has taken over, since this one was held up: %w", store.ErrLeaseLost)

// Stopped says that a run ended before its end, where, and why. What it did stays,
// and the same again goes on from there.
type Stopped struct {
	Migration string
	Undoing   bool
	// Step is the one that was under way or is next, the Number-th of Steps; Number
	// is 0 where none was begun.
	Step          Step
	Number, Steps int
	// Point is how far a step over documents is, nil for other steps.
	Point *store.MigrationPoint
	Err   error
}

// stopped says where the run is.
func (r *runner) stopped(err error) error {
	if r.ctx.Err() != nil || errors.Is(err, store.ErrLeaseLost) {
		err = errLost
	}
	s := &Stopped{Migration: r.migration.Name, Undoing: r.undoing, Steps: len(r.steps()), Err: err}
	doing, _ := r.states()
	if at := int(r.record.Step); r.record.State == doing && at < len(r.steps()) {
		s.Step, s.Number, s.Point = r.steps()[at], at+1, r.record.Point
	}
	return s
}

// Error is the place and the reason.
func (s *Stopped) Error() string { return s.Where() + ": " + plain(s.Err) }

// Unwrap returns why the run stopped.
func (s *Stopped) Unwrap() error { return s.Err }

// Where is the exact place, as a part of a sentence.
func (s *Stopped) Where() string {
	what := "stopped in " + s.Migration
	if s.Undoing {
		what = "stopped in the undoing of " + s.Migration
	}
	if s.Number == 0 {
		return what + " before its first step"
	}
	where := fmt.Sprintf("%s at step %d of %d, %s%s", what, s.Number, s.Steps, s.Step.Title(), pointText(s.Point))
	if s.Point != nil && store.Passes(s.Err) {
		where += " (or a range further, of which the answer was lost)"
	}
	return where
}

// pointText says how far a step over documents is.
func pointText(p *store.MigrationPoint) string {
	switch {
	case p == nil:
		return ""
	case p.After.IsZero():
		return ", before the first document"
	}
	return fmt.Sprintf(", after %d of about %d documents, the last with id %s", p.Read, max(p.Total, p.Read), idText(p.After))
}

// idText is an id as clients write it, and as MongoDB's shell does where that is
// not plain.
func idText(id bson.RawValue) string {
	if text, ok := id.StringValueOK(); ok {
		return fmt.Sprintf("%q", text)
	}
	if object, ok := id.ObjectIDOK(); ok {
		return object.Hex()
	}
	if n, ok := id.AsInt64OK(); ok && id.Type != bson.TypeDouble {
		return fmt.Sprint(n)
	}
	return id.String()
}

// plain is an error for a reader, who may know what the database says of it.
func plain(err error) string {
	_, named := errors.AsType[*DocumentError](err)
	e, ok := errors.AsType[*fault.Error](err)
	if named || !ok {
		return err.Error()
	}
	text := e.Detail
	for _, item := range e.Items {
		text += fmt.Sprintf("; %s %s", item.Pointer, item.Detail)
	}
	if cause := e.Unwrap(); cause != nil && len(e.Items) == 0 {
		text += ": " + strings.ReplaceAll(cause.Error(), "\n", " ")
	}
	return text
}

// DocumentError is why a step cannot change a document.
type DocumentError struct {
	Collection string
	ID         bson.RawValue
	Err        error
}

// Error names the document, and what is wrong with it.
func (e *DocumentError) Error() string {
	return fmt.Sprintf("the document of %s with id %s cannot be changed: %s", e.Collection, idText(e.ID), plain(e.Err))
}

// Unwrap returns what is wrong with the document.
func (e *DocumentError) Unwrap() error { return e.Err }
