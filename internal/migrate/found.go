package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/store"
)

// FoundError lists stored documents that are in the way of steps.
type FoundError struct {
	// Steps are those that were asked about; a Finding names one by its place.
	Steps    []Step
	Findings []Finding
}

// found refuses tasks that stored documents are in the way of.
func found(ctx context.Context, db *store.Store, tasks []task) error {
	var steps []Step
	for _, t := range tasks {
		steps = append(steps, t.left()...)
	}
	return foundBy(ctx, db, steps)
}

func foundBy(ctx context.Context, db *store.Store, steps []Step) error {
	findings, err := Find(ctx, db, steps)
	if err != nil {
		return err
	}
	// What could not be found out, the steps will meet.
	findings = slices.DeleteFunc(findings, func(f Finding) bool { return f.Count == 0 })
	if len(findings) == 0 {
		return nil
	}
	return &FoundError{Steps: steps, Findings: findings}
}

// Error has a line a finding, with the first documents.
func (e *FoundError) Error() string {
	var lines []string
	for _, f := range e.Findings {
		lines = append(lines, fmt.Sprintf("%s: %s: %d %s", e.Steps[f.Step].Title(), f.Problem, f.Count, documentsWord(f.Count)))
		for _, offender := range f.First {
			lines = append(lines, "  "+offender.Text())
		}
	}
	return strings.Join(lines, "\n")
}

// Text is one line about the document.
func (o Offender) Text() string {
	var items []string
	for _, item := range o.Items {
		items = append(items, strings.TrimSpace(item.Pointer+" "+item.Detail))
	}
	return "id " + idText(o.ID) + ": " + strings.Join(items, "; ")
}

// IDJSON is the id in Extended JSON.
func (o Offender) IDJSON() []byte { return bsonjson.AppendExtendedValue(nil, o.ID) }

func documentsWord(n int64) string {
	if n == 1 {
		return "document"
	}
	return "documents"
}
