package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Readiness is how a database stands to a model.
type Readiness struct {
	// Done are the steps that were carried out, Left those that are to be.
	Done, Left []Step
	// Findings are what stored documents have against steps of Left, as far as that
	// was looked for; they name a step by its place there.
	Findings []Finding

	model    *schema.Model
	recorded string
}

// Check returns how a database stands to a model. It changes nothing that the model
// speaks of.
func Check(ctx context.Context, s *store.Store, model *schema.Model) (*Readiness, error) {
	db, err := Inspect(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Readiness{Left: Diff(model, db), model: model, recorded: db.RecordedHash}, nil
}

// readyTries is how often Ready looks at the database: what other instances do at
// the same time can make steps needless, or others needful.
const readyTries = 4

// Ready makes a database ready for a model as far as that is safe: it carries out
// what adds, and what tightens where no stored document is in the way. Where all is
// there already it only reads.
//
// What it leaves is in the Readiness: also what only a migration can do. Several
// instances may be at it at once; they wait for each other.
func Ready(ctx context.Context, o Options, model *schema.Model) (*Readiness, error) {
	if err := o.Store.Prepare(ctx, model); err != nil {
		return nil, err
	}
	o.Wait = true
	var done []Step
	for try := 1; ; try++ {
		r, err := Check(ctx, o.Store, model)
		if err != nil {
			return nil, err
		}
		safe, err := r.safe(ctx, o.Store)
		if err != nil {
			return nil, err
		}
		if len(safe) == 0 || try == readyTries {
			r.Done = done
			return r, r.record(ctx, o.Store)
		}
		if err := Apply(ctx, o, safe); err == nil {
			done = append(done, safe...)
		} else if try == readyTries-1 || ctx.Err() != nil {
			return nil, err
		}
	}
}

// safe returns the steps of Left that may be carried out at once, and notes what is
// in the way of the others.
func (r *Readiness) safe(ctx context.Context, s *store.Store) ([]Step, error) {
	var tight []Step
	var places []int
	for i, step := range r.Left {
		if step.Risk == Tighten && step.Kind != Update {
			tight, places = append(tight, step), append(places, i)
		}
	}
	findings, err := Find(ctx, s, tight)
	if err != nil {
		return nil, err
	}
	refused := map[int]bool{}
	for _, f := range findings {
		if f.Count == 0 && f.Unknown == "" {
			continue
		}
		f.Step = places[f.Step]
		r.Findings = append(r.Findings, f)
		// What is dropped for an index goes with it.
		for at := f.Step; !refused[at]; at-- {
			refused[at] = true
			if at == 0 || r.Left[f.Step].Kind != CreateIndex || r.Left[at-1].Kind != DropIndex {
				break
			}
		}
	}
	var safe []Step
	for i, step := range r.Left {
		if (step.Risk == Expand || step.Risk == Tighten) && step.Kind != Update && !refused[i] {
			safe = append(safe, step)
		}
	}
	return safe, nil
}

// record notes the model as the one that the database is ready for. It does not
// while something is to be dropped that only the model before tells of.
func (r *Readiness) record(ctx context.Context, s *store.Store) error {
	forgotten := func(step Step) bool { return step.Kind == DropCollection || step.Kind == DropIndex }
	if r.recorded == r.model.Hash || slices.ContainsFunc(r.Left, forgotten) || r.Behind() != nil {
		return nil
	}
	return s.RecordModel(ctx, r.model)
}

// Behind returns a *BehindError where the model cannot serve from the database as
// it is, else nil.
func (r *Readiness) Behind() error {
	missing := slices.DeleteFunc(slices.Clone(r.Left), func(step Step) bool { return step.Risk != Expand })
	if len(missing) == 0 {
		return nil
	}
	return &BehindError{Missing: missing}
}

// Lines tells what is left, a line a step, each with what is in its way under it.
func (r *Readiness) Lines() []string {
	var lines []string
	for i, step := range r.Left {
		lines = append(lines, step.Risk.String()+": "+step.Title())
		for _, f := range r.Findings {
			if f.Step == i {
				lines = append(lines, "  "+f.text())
			}
		}
	}
	return lines
}

func (f Finding) text() string {
	if f.Unknown != "" {
		return f.Unknown
	}
	text := fmt.Sprintf("%s: %d %s", f.Problem, f.Count, documentsWord(f.Count))
	if len(f.First) > 0 {
		text += ", first " + f.First[0].Text()
	}
	return text
}

// BehindError is a database that lacks what a model needs.
type BehindError struct {
	// Missing are the steps that would add it.
	Missing []Step
}

// maxTold bounds the steps that an error names.
const maxTold = 3

// Error names some of what is missing, and what to do.
func (e *BehindError) Error() string {
	var names []string
	for _, step := range e.Missing[:min(len(e.Missing), maxTold)] {
		names = append(names, step.Title())
	}
	more := ""
	if n := len(e.Missing) - maxTold; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("the database is behind the schema files (%s%s): run sheaf migrate up; sheaf migrate plan shows all steps, and sheaf migrate new writes them down",
		strings.Join(names, ", "), more)
}

// Names tells steps in a few words each.
func Names(steps []Step) []string {
	names := make([]string, len(steps))
	for i, step := range steps {
		names[i] = step.Title()
	}
	return names
}
