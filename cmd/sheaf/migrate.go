package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"text/tabwriter"

	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
)

// migrateCommand changes the database by the files of the migrations folder.
type migrateCommand struct {
	Plan   migratePlanCommand   `cmd:"" help:"Compare the schema with the database, and print the steps between them with their risks. Writes nothing."`
	New    migrateNewCommand    `cmd:"" help:"Write the steps between the database and the schema as migration files."`
	Verify migrateVerifyCommand `cmd:"" help:"Check the migration files against each other, the schema and the history."`
	Up     migrateUpCommand     `cmd:"" help:"Apply the migrations that are not applied."`
	Down   migrateDownCommand   `cmd:"" help:"Undo the migrations that were applied last."`
	Status migrateStatusCommand `cmd:"" help:"Tell what is applied, half done and pending, and who runs migrations now."`
}

type migrateUpCommand struct {
	To        string `placeholder:"NAME" help:"The last migration to apply; all where it is left out."`
	AllowDrop bool   `help:"Let steps delete what nothing brings back (their risk is contract)."`
}

// Run prints a line a migration that was applied.
func (c *migrateUpCommand) Run(ctx context.Context, a *app) error {
	return a.migrate(ctx, c.AllowDrop, func(o migrate.Options, migrations []*migrate.Migration) error {
		names, err := migrate.Up(ctx, o, migrations, c.To)
		return errors.Join(a.tellDone("applied", names, err), a.recordModel(ctx, o, err))
	})
}

type migrateDownCommand struct {
	To        string `xor:"end" placeholder:"NAME" help:"The last migration to stay applied."`
	Steps     int    `xor:"end" placeholder:"N" help:"How many migrations to undo; one where neither is named."`
	AllowDrop bool   `help:"Let steps delete collections."`
}

// Run prints a line a migration that was undone.
func (c *migrateDownCommand) Run(ctx context.Context, a *app) error {
	if c.Steps < 0 {
		return usageError("--steps is a number of migrations, 1 or more")
	}
	return a.migrate(ctx, c.AllowDrop, func(o migrate.Options, migrations []*migrate.Migration) error {
		names, err := migrate.Down(ctx, o, migrations, c.To, max(c.Steps, 1))
		return a.tellDone("undid", names, err)
	})
}

type migrateStatusCommand struct {
	JSON bool `help:"Print JSON."`
}

// Run prints a line a migration, in their order, and who runs some now.
func (c *migrateStatusCommand) Run(ctx context.Context, a *app) error {
	return a.migrate(ctx, false, func(o migrate.Options, migrations []*migrate.Migration) error {
		status, err := migrate.ReadStatus(ctx, o.Store, migrations)
		if err != nil {
			return err
		}
		if c.JSON {
			encoder := json.NewEncoder(a.stdout)
			encoder.SetIndent("", "  ")
			return encoder.Encode(status)
		}
		return a.tellStatus(status)
	})
}

func (a *app) tellStatus(status *migrate.Status) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, m := range status.Migrations {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", m.Name, m.Text())
	}
	if len(status.Migrations) == 0 {
		_, _ = fmt.Fprintf(w, "there are no migrations in %s\n", a.config.Migrations.Folder)
	}
	if l := status.Lease; l != nil {
		_, _ = fmt.Fprintf(w, "%s runs migrations since %s (lease %d, until %s unless it is renewed)\n",
			l.Who, l.Since.Format(timeLayout), l.Fence, l.ExpiresAt.Format(timeLayout))
	}
	return w.Flush()
}

const timeLayout = "2006-01-02T15:04:05Z07:00"

// migrate reads the migration files, opens the database and runs fn.
func (a *app) migrate(ctx context.Context, allowDrop bool, fn func(migrate.Options, []*migrate.Migration) error) (err error) {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	migrations, err := a.loadMigrations()
	if err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	progress := &migrateProgress{to: a.stderr}
	defer progress.finish()
	return fn(migrate.Options{
		Store: db.Store, Who: who(), AllowDrop: allowDrop, Rate: a.config.Migrations.Rate,
		Progress: progress.show, Waiting: progress.waiting,
	}, migrations)
}

// loadMigrations reads the folder of --migrations. Problems name files as the caller
// can open them.
func (a *app) loadMigrations() ([]*migrate.Migration, error) {
	migrations, err := migrate.Load(os.DirFS(a.config.Migrations.Folder))
	if problems, ok := errors.AsType[*schema.Problems](err); ok {
		return nil, locate(problems, a.config.Migrations.Folder)
	}
	return migrations, err
}

// who names the user and the machine, for the history.
func who() string {
	name, host := os.Getenv("USER"), "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// tellDone prints what was done before a run ended, and explains its error.
func (a *app) tellDone(did string, names []string, err error) error {
	for _, name := range names {
		_, _ = fmt.Fprintf(a.stdout, "%s %s\n", did, name)
	}
	if err == nil && len(names) == 0 {
		_, err := fmt.Fprintln(a.stdout, "nothing to do")
		return err
	}
	return explainRun(err)
}

// explainRun says where a run stopped, and what to do about it.
func explainRun(err error) error {
	if stopped, ok := errors.AsType[*migrate.Stopped](err); ok {
		return errors.New(stopped.Error() + "; what is done stays, and the same command again goes on from there")
	}
	if _, ok := errors.AsType[*migrate.FoundError](err); ok {
		return fmt.Errorf("%w\nnothing was changed", err)
	}
	if errors.Is(err, migrate.ErrInterrupted) {
		return errors.New("interrupted; nothing was changed")
	}
	return err
}

// recordModel notes after a run that the database is ready for the schema's model,
// where it is: services that wait for that then serve it. It needs no schema.
func (a *app) recordModel(ctx context.Context, o migrate.Options, failed error) error {
	if failed != nil || a.config.Schema == "" {
		return nil
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	db, err := migrate.Inspect(ctx, o.Store)
	if err != nil || db.RecordedHash == model.Hash {
		return err
	}
	for _, step := range migrate.Diff(model, db) {
		if step.Risk == migrate.Expand {
			_, err := fmt.Fprintln(a.stderr, "the database is still behind the schema: sheaf migrate plan says by what, and sheaf migrate new writes it down")
			return err
		}
	}
	return o.Store.RecordModel(ctx, model)
}
