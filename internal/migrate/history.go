package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/store"
)

// history is what there is of migrations, by name.
type history map[string]store.MigrationRecord

func readHistory(ctx context.Context, db *store.Store) (history, error) {
	records, err := db.Migrations(ctx)
	if err != nil {
		return nil, err
	}
	h := make(history, len(records))
	for _, record := range records {
		h[record.Name] = record
	}
	return h, nil
}

// up returns what is to be done so that the migrations are applied, up to and with
// the one named to.
func (h history) up(migrations []*Migration, to string) ([]task, error) {
	if err := h.accepts(migrations, to); err != nil {
		return nil, err
	}
	var tasks []task
	for _, m := range migrations {
		if h[m.Name].State != store.Applied {
			tasks = append(tasks, task{migration: m, record: h[m.Name]})
		}
		if m.Name == to {
			break
		}
	}
	return tasks, turnable(tasks)
}

// down returns what is to be done so that the last count migrations are undone, or
// all that come after the one named to.
func (h history) down(migrations []*Migration, to string, count int) ([]task, error) {
	if err := h.accepts(migrations, to); err != nil {
		return nil, err
	}
	if err := h.present(migrations); err != nil {
		return nil, err
	}
	var tasks []task
	for _, m := range slices.Backward(migrations) {
		if m.Name == to || to == "" && len(tasks) == count {
			break
		}
		if state := h[m.Name].State; state != "" && state != store.Undone {
			tasks = append(tasks, task{migration: m, undoing: true, record: h[m.Name]})
		}
	}
	if err := undoable(tasks); err != nil {
		return nil, err
	}
	return tasks, turnable(tasks)
}

// accepts refuses a name that no migration has, and files that were changed after
// they were applied.
func (h history) accepts(migrations []*Migration, to string) error {
	names := make([]string, len(migrations))
	for i, m := range migrations {
		names[i] = m.Name
	}
	if to != "" && !slices.Contains(names, to) {
		return fault.New(fault.InvalidParameter, "there is no migration %q%s", to, nearest.Hint(to, names))
	}
	var refused reasons
	for _, m := range migrations {
		if h.changed(m) {
			record := h[m.Name]
			refused.add("%s was changed after it was %s by %s at %s: put the file back as it was, and write what is new into a further migration (sheaf migrate new)",
				m.Name, pastOf(record.State), record.Who, clock(record.StartedAt))
		}
	}
	return refused.err()
}

// changed reports whether the file of a migration is another than the one that was
// applied.
func (h history) changed(m *Migration) bool {
	record := h[m.Name]
	return record.State != "" && record.State != store.Undone && record.Checksum != m.Checksum
}

func pastOf(state store.MigrationState) string {
	if state == store.Applied {
		return "applied"
	}
	return "begun"
}

// present refuses to undo where the file of an applied migration is missing: it
// would have to be undone first.
func (h history) present(migrations []*Migration) error {
	var refused reasons
	for _, name := range h.missing(migrations) {
		refused.add("%s is applied, and there is no file of it: its down steps are not known", name)
	}
	return refused.err()
}

// missing are the names of what is applied and has no file, sorted.
func (h history) missing(migrations []*Migration) []string {
	var names []string
	for name, record := range h {
		there := slices.ContainsFunc(migrations, func(m *Migration) bool { return m.Name == name })
		if !there && record.State != store.Undone {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// undoable refuses what cannot be undone.
func undoable(tasks []task) error {
	var refused reasons
	for _, t := range tasks {
		for _, reason := range t.migration.Irreversible() {
			refused.add("%s cannot be undone: %s", t.migration.Name, reason)
		}
	}
	return refused.err()
}

// turnable refuses to turn around a migration that is half done in the other
// direction, where its pipelines would meet documents that they were not meant for.
func turnable(tasks []task) error {
	var refused reasons
	for _, t := range tasks {
		if half := t.undoing && t.record.State == store.Applying || !t.undoing && t.record.State == store.Undoing; !half || repeatable(t.steps()) {
			continue
		}
		was, command := "applied", "sheaf migrate up"
		if !t.undoing {
			was, command = "undone", "sheaf migrate down"
		}
		refused.add("%s is half %s, and the other direction has a pipeline that would meet documents which it was not written for: finish it by %s first", t.migration.Name, was, command)
	}
	return refused.err()
}

// permitted refuses steps that are not filled in, and such as delete where that is
// not allowed.
func permitted(tasks []task, drop bool) error {
	var refused reasons
	for _, t := range tasks {
		for _, step := range t.left() {
			if step.Kind == Update && step.Change.Todo != "" {
				refused.add("%s is not finished: %s", t.migration.Name, step.Change.Todo)
			}
			if t.deletes(step) && !drop {
				refused.add("%s: %s deletes what nothing brings back: say --allow-drop if that is meant", t.migration.Name, step.Title())
			}
		}
	}
	return refused.err()
}

// deletes reports whether a step deletes what nothing brings back. On the way down
// that is a collection alone: the rest is what the way up made.
func (t task) deletes(step Step) bool {
	return step.Kind == DropCollection || !t.undoing && step.Risk == Contract
}

// reasons gathers why something is refused, all at once.
type reasons []string

func (r *reasons) add(format string, args ...any) { *r = append(*r, fmt.Sprintf(format, args...)) }

func (r reasons) err() error {
	if len(r) == 0 {
		return nil
	}
	return fault.New(fault.RequirementFailed, "%s", strings.Join(r, "\n"))
}
