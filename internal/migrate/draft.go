package migrate

import (
	"fmt"
	"slices"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// phases are the risks that one migration file may have together: a rollout of
// several instances can stop between two files.
var phases = []struct {
	name  string
	risks []Risk
	tells string
}{
	{"expand", []Risk{Expand}, "Old and new instances work before and after it: apply it, then start the new ones."},
	{"tighten", []Risk{Backfill, Tighten}, "Apply it when no instance of the old schema runs any more: it makes MongoDB refuse what those may write."},
	{"contract", []Risk{Contract}, "Apply it when nothing needs what it deletes: sheaf migrate up --allow-drop."},
}

// Draft makes migrations of the steps from a database to a model: one for each
// phase of a rollout that has any. They are numbered from number on.
func Draft(steps []Step, db *Database, number int, name string) []Drafted {
	var drafts []Drafted
	state := db.clone()
	for _, phase := range phases {
		up := slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return !slices.Contains(phase.risks, s.Risk) })
		if len(up) == 0 {
			continue
		}
		m := &Migration{Up: up, Down: undo(up, state, db)}
		drafts = append(drafts, Drafted{Migration: m, phase: phase.name, comments: []string{phase.tells}})
	}
	for i := range drafts {
		if of := name; len(drafts) > 1 {
			drafts[i].File = FileName(number+i, of+"_"+drafts[i].phase)
		} else {
			drafts[i].File = FileName(number, of)
		}
	}
	return drafts
}

// Baseline makes a migration of what a database holds already of collections
// that migrations are to be written for: it changes nothing there, and makes an
// empty database the same. ok is false where there is none of them.
func Baseline(model *schema.Model, db *Database, number int) (d Drafted, ok bool) {
	m := &Migration{}
	for _, c := range db.Collections {
		if _, declared := model.Lookup(c.Name); declared || db.Declared.Has(c.Name, nil) {
			m.Up = append(m.Up, create(c)...)
		}
	}
	d = Drafted{Migration: m, comments: []string{
		"What the database held when the first migration was written. There it changes nothing;",
		"an empty database comes to be the same."}}
	m.File, m.OneWay = FileName(number, "baseline"), true
	return d, len(m.Up) > 0
}

// Drafted is a migration that has no file yet.
type Drafted struct {
	*Migration
	phase    string
	comments []string
}

// Text is the file.
func (d Drafted) Text() []byte {
	comments := slices.Clone(d.comments)
	for _, reason := range d.Irreversible() {
		if !d.OneWay {
			comments = append(comments, "It cannot be undone: "+reason+".")
		}
	}
	for _, step := range d.Up {
		if step.Change != nil && step.Change.Todo != "" {
			comments = append(comments, "It does not run before its steps marked todo are written.")
			break
		}
	}
	return AppendFile(nil, d.Migration, comments...)
}

// Verification is what is wrong with the migration files.
type Verification struct {
	// Problems are what has to be mended, a sentence each.
	Problems []string `json:"problems"`
	// Warnings are what may be meant.
	Warnings []string `json:"warnings"`
}

// Verify checks migration files against each other and against a model. It carries
// them out in memory, on an empty database, and compares what comes of it with
// what the model asks for.
func Verify(migrations []*Migration, model *schema.Model) Verification {
	v := Verification{Problems: []string{}, Warnings: []string{}}
	for i, m := range migrations {
		if i > 0 && m.Number != migrations[i-1].Number+1 {
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s comes after %s: there is a gap in the numbers", m.File, migrations[i-1].File))
		}
		for k, step := range m.Up {
			if step.Change != nil && step.Change.Todo != "" {
				v.Problems = append(v.Problems, fmt.Sprintf("%s, step %d of up is to be written by hand: %s", m.File, k+1, step.Change.Todo))
			}
		}
	}
	db, err := Replay(migrations)
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
		return v
	}
	v.compare(db, model)
	return v
}

// compare notes how the state that migrations make differs from a model's.
func (v *Verification) compare(db *Database, model *schema.Model) {
	for _, step := range Diff(model, DeclareAll(db)) {
		if step.Kind == Update {
			continue // of documents there are none
		}
		v.Problems = append(v.Problems, "after all migrations the schema still asks for: "+step.Title())
	}
}

// DeclareAll returns the state as one in which a model declared everything, so that
// Diff drops what another model does not declare.
func DeclareAll(db *Database) *Database {
	declared := db.clone()
	declared.Declared = nil
	for _, c := range db.Collections {
		declared.Declared = append(declared.Declared, declaredBy(c)...)
	}
	return declared
}

// AddHistory notes how the history of a database and the files differ.
func (v *Verification) AddHistory(s *Status) {
	waiting := ""
	for _, m := range s.Migrations {
		switch {
		case m.Missing:
			v.Problems = append(v.Problems, m.Name+" was applied to the database, and there is no file of it")
		case m.Changed:
			v.Problems = append(v.Problems, m.Name+" was changed after it was applied to the database")
		case m.State == pending:
			waiting = m.Name
			v.Warnings = append(v.Warnings, m.Name+" is not applied to the database")
		case waiting != "":
			v.Problems = append(v.Problems, m.Name+" was applied to the database, and "+waiting+", which comes before, was not")
		case m.State != string(store.Applied):
			v.Warnings = append(v.Warnings, m.Name+" is half done in the database: sheaf migrate up goes on with it")
		}
	}
}
