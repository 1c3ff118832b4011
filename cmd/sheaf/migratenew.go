package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// migrateNewCommand writes migration files.
type migrateNewCommand struct {
	Name  string `arg:"" help:"What the migration is called: lower-case letters, digits, _ and -."`
	From  string `default:"database" enum:"database,files" help:"What the schema is compared with: the database, or what the migration files make of an empty one (where development applies changes by itself)."`
	Empty bool   `help:"Write a file without steps, for steps of your own."`
}

var migrationName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,80}$`)

// Run prints the names of the files that it wrote.
func (c *migrateNewCommand) Run(ctx context.Context, a *app) error {
	if !migrationName.MatchString(c.Name) {
		return usageError(fmt.Sprintf("a migration is called by lower-case letters, digits, _ and -, such as user_ages, and not %q", c.Name))
	}
	if c.Empty || c.From == "files" {
		return c.offline(a)
	}
	migrations, err := a.settledMigrations()
	if err != nil {
		return err
	}
	return a.withModelAndDatabase(ctx, func(model *schema.Model, db *store.Store) error {
		state, err := migrate.Inspect(ctx, db)
		if err != nil {
			return err
		}
		return a.draft(model, state, migrations, c.Name)
	})
}

// settledMigrations is loadMigrations for a command that begins.
func (a *app) settledMigrations() ([]*migrate.Migration, error) {
	if err := a.settled(); err != nil {
		return nil, err
	}
	return a.loadMigrations()
}

// offline writes files without a look at the database.
func (c *migrateNewCommand) offline(a *app) error {
	migrations, err := a.settledMigrations()
	if err != nil {
		return err
	}
	if c.Empty {
		m := &migrate.Migration{File: migrate.FileName(migrate.NextNumber(migrations), c.Name)}
		return a.writeDrafts([]migrate.Drafted{{Migration: m}})
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	state, err := migrate.Replay(migrations)
	if err != nil {
		return fmt.Errorf("the migration files do not fit each other: %w", err)
	}
	return a.draft(model, migrate.DeclareAll(state), migrations, c.Name)
}

// draft writes the steps from a state to the model. The first files of a database
// that holds collections already begin with what it holds.
func (a *app) draft(model *schema.Model, state *migrate.Database, migrations []*migrate.Migration, name string) error {
	steps := migrate.Diff(model, state)
	if len(steps) == 0 {
		_, err := fmt.Fprintln(a.stdout, "there is nothing to write: no step is between them"+a.missedByFiles(model, migrations))
		return err
	}
	number := migrate.NextNumber(migrations)
	var drafts []migrate.Drafted
	if baseline, ok := migrate.Baseline(model, state, number); ok && len(migrations) == 0 {
		drafts, number = append(drafts, baseline), number+1
	}
	return a.writeDrafts(append(drafts, migrate.Draft(steps, state, number, name)...))
}

// missedByFiles says that the migration files do not hold what the database does.
func (a *app) missedByFiles(model *schema.Model, migrations []*migrate.Migration) string {
	state, err := migrate.Replay(migrations)
	if err != nil || len(migrate.Diff(model, migrate.DeclareAll(state))) == 0 {
		return ""
	}
	return "; but the migration files do not make it of an empty database: --from files compares with those"
}

// writeDrafts writes files that are not there yet.
func (a *app) writeDrafts(drafts []migrate.Drafted) error {
	folder := a.config.Migrations.Folder
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return usageError("cannot make the folder of the migrations: " + err.Error())
	}
	for _, draft := range drafts {
		path := filepath.Join(folder, draft.File)
		if err := writeNew(path, draft.Text()); err != nil {
			return fmt.Errorf("cannot write the migration: %w", err)
		}
		if _, err := fmt.Fprintln(a.stdout, path); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
