package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// migratePlanCommand tells what is between the schema and the database.
type migratePlanCommand struct {
	JSON     bool          `help:"Print JSON."`
	ExitCode bool          `help:"End with exit code 3 where there are steps, and with 4 where stored documents are in the way of some."`
	FindTime time.Duration `default:"1m" placeholder:"1m" help:"Longest time that the search for documents that are in the way may take; 0s leaves it out."`
}

// The exit codes of plan --exit-code.
const (
	exitSteps    = 3
	exitFindings = 4
)

// Run prints the steps, and what is in their way.
func (c *migratePlanCommand) Run(ctx context.Context, a *app) error {
	var outcome error
	err := a.withModelAndDatabase(ctx, func(model *schema.Model, db *store.Store) error {
		state, err := migrate.Inspect(ctx, db)
		if err != nil {
			return err
		}
		steps := migrate.Diff(model, state)
		findings, err := c.find(ctx, db, steps)
		if err != nil {
			return err
		}
		if c.JSON {
			err = encodeJSON(a.stdout, planJSON(steps, findings))
		} else {
			err = printPlan(a.stdout, steps, findings)
		}
		outcome = c.outcome(steps, findings)
		return err
	})
	if err == nil {
		err = outcome
	}
	return err
}

// find searches for the documents that are in the way, for as long as it may.
func (c *migratePlanCommand) find(ctx context.Context, db *store.Store, steps []migrate.Step) ([]migrate.Finding, error) {
	if c.FindTime <= 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.FindTime)
	defer cancel()
	return migrate.Find(ctx, db, steps)
}

func (c *migratePlanCommand) outcome(steps []migrate.Step, findings []migrate.Finding) error {
	switch {
	case !c.ExitCode || len(steps) == 0:
		return nil
	case len(findings) > 0:
		return quietExit(exitFindings)
	}
	return quietExit(exitSteps)
}

// withModelAndDatabase compiles the schema and opens the database for fn.
func (a *app) withModelAndDatabase(ctx context.Context, fn func(*schema.Model, *store.Store) error) (err error) {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	return fn(model, db.Store)
}

func encodeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// printPlan prints a table of the steps, and below it what is to be known of them.
func printPlan(w io.Writer, steps []migrate.Step, findings []migrate.Finding) error {
	if len(steps) == 0 {
		_, err := fmt.Fprintln(w, "the database is as the schema asks for")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "#\tRISK\tSTEP")
	for i, step := range steps {
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\n", i+1, step.Risk, step.Title())
	}
	err := table.Flush()
	for i, step := range steps {
		for _, text := range []string{todo(step), step.Note, irreversible(step)} {
			if text != "" {
				_, _ = fmt.Fprintf(w, "\nstep %d: %s\n", i+1, text)
			}
		}
	}
	for _, f := range findings {
		_, _ = fmt.Fprintf(w, "\n%s\n", findingText(f))
	}
	_, printErr := fmt.Fprintf(w, "\n%s\n", advice(steps))
	return errors.Join(err, printErr)
}

func todo(s migrate.Step) string {
	if s.Change == nil {
		return ""
	}
	return s.Change.Todo
}

func irreversible(s migrate.Step) string {
	if s.Irreversible == "" {
		return ""
	}
	return "cannot be undone: " + s.Irreversible
}

// findingText is a finding with a line for each of the first documents.
func findingText(f migrate.Finding) string {
	text := fmt.Sprintf("step %d is in doubt: %s", f.Step+1, f.Unknown)
	if f.Unknown == "" {
		text = fmt.Sprintf("step %d will be refused: %d %s of %s %s", f.Step+1, f.Count, plural(int(f.Count), "document"), f.Collection, f.Problem)
	}
	for _, offender := range f.First {
		text += "\n  " + offender.Text()
	}
	return text
}

// advice says what to run.
func advice(steps []migrate.Step) string {
	for _, step := range steps {
		if step.Risk == migrate.Expand {
			return "the database is behind the schema; sheaf migrate new NAME writes the steps down, and sheaf migrate up carries them out"
		}
	}
	return "the database serves the schema as it is; sheaf migrate new NAME writes the steps down, and sheaf migrate up carries them out"
}

// The JSON of a plan.
type (
	planOutput struct {
		Steps    []stepOutput    `json:"steps"`
		Findings []findingOutput `json:"findings"`
	}
	stepOutput struct {
		Risk         string          `json:"risk"`
		Title        string          `json:"title"`
		Step         json.RawMessage `json:"step"`
		Irreversible string          `json:"irreversible,omitempty"`
		Note         string          `json:"note,omitempty"`
	}
	findingOutput struct {
		// Step is the place of the step among steps, from 0.
		Step       int              `json:"step"`
		Collection string           `json:"collection"`
		Problem    string           `json:"problem,omitempty"`
		Count      int64            `json:"count"`
		First      []offenderOutput `json:"first,omitempty"`
		Unknown    string           `json:"unknown,omitempty"`
	}
	offenderOutput struct {
		ID     json.RawMessage `json:"id"`
		Errors []fault.Item    `json:"errors"`
	}
)

func planJSON(steps []migrate.Step, findings []migrate.Finding) planOutput {
	out := planOutput{Steps: []stepOutput{}, Findings: []findingOutput{}}
	for _, s := range steps {
		out.Steps = append(out.Steps, stepOutput{s.Risk.String(), s.Title(), s.JSON(), s.Irreversible, s.Note})
	}
	for _, f := range findings {
		found := findingOutput{Step: f.Step, Collection: f.Collection, Problem: f.Problem, Count: f.Count, Unknown: f.Unknown}
		for _, offender := range f.First {
			found.First = append(found.First, offenderOutput{offender.IDJSON(), offender.Items})
		}
		out.Findings = append(out.Findings, found)
	}
	return out
}
