package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/folder"
	"github.com/sheafdb/sheaf/internal/live"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
)

// teller tells people what becomes of schema files and of the database.
type teller interface {
	// prepared tells what was done to the database for a model, and what is left.
	prepared(context.Context, *migrate.Readiness)
	// adopted tells of the model that serves from now on, which is the former where
	// the files mean what they did, kept of why the former serves on.
	adopted(ctx context.Context, former, model *schema.Model)
	kept(context.Context, error)
}

// keeper returns what keeps the model of an engine up to date with the schema
// files.
func (a *app) keeper(e *engine.Engine, db *database, told teller) *live.Keeper {
	return live.New(live.Options{
		Engine:   e,
		Load:     func() (*schema.Model, error) { return a.loadSchema("") },
		Prepare:  func(ctx context.Context, model *schema.Model) error { return a.prepare(ctx, db, model, told) },
		Recorded: db.Store.CurrentHash,
		Adopted:  told.adopted,
		Kept:     told.kept,
	})
}

// prepare makes the database ready for a model, or finds that it is, as
// SHEAF_MIGRATE says. A database that lacks what the model needs is an error.
func (a *app) prepare(ctx context.Context, db *database, model *schema.Model, told teller) error {
	var r *migrate.Readiness
	var err error
	switch a.config.Migrations.Mode {
	case config.MigrateAuto:
		r, err = migrate.Ready(ctx, migrate.Options{Store: db.Store, Who: who()}, model)
	case config.MigrateCheck:
		if err = db.Store.Prepare(ctx, model); err == nil {
			r, err = migrate.Check(ctx, db.Store, model)
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	told.prepared(ctx, r)
	return r.Behind()
}

// logTeller tells by the log.
type logTeller struct{ log *slog.Logger }

func (l logTeller) prepared(ctx context.Context, r *migrate.Readiness) {
	if len(r.Done) > 0 {
		l.log.InfoContext(ctx, "database made ready", "steps", migrate.Names(r.Done))
	}
	if len(r.Left) > 0 && r.Behind() == nil {
		l.log.WarnContext(ctx, "the database is not all that the schema files say; sheaf migrate plan shows it, sheaf migrate up mends it", "left", r.Lines())
	}
}

func (l logTeller) adopted(ctx context.Context, former, model *schema.Model) {
	l.log.InfoContext(ctx, "schema files read", "changed", former != model, "model", shortHash(model))
}

func (l logTeller) kept(ctx context.Context, reason error) {
	for line := range strings.SplitSeq(plainText(reason), "\n") {
		l.log.ErrorContext(ctx, "the model before serves on", "reason", line)
	}
}

// silent tells nobody.
type silent struct{}

func (silent) prepared(context.Context, *migrate.Readiness)          {}
func (silent) adopted(context.Context, *schema.Model, *schema.Model) {}
func (silent) kept(context.Context, error)                           {}

// shortHash is enough of a model's hash for people to tell it from others.
func shortHash(model *schema.Model) string { return model.Hash[:12] }

// follow has a keeper look at the schema files when they change, and at SIGHUP,
// until the function that it returns is called.
func (a *app) follow(ctx context.Context, keeper *live.Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	changed := make(chan struct{})
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var files <-chan struct{}
	if watcher, err := folder.Watch(a.config.Schema); err != nil {
		a.log.WarnContext(ctx, "the schema files are not watched; SIGHUP has them read again", "error", err)
	} else {
		files = watcher.Changes()
		running.Go(func() { watcher.Run(ctx) })
	}
	running.Go(func() { merge(ctx, changed, files, hangup) })
	running.Go(func() { keeper.Run(ctx, changed) })
	return func() {
		signal.Stop(hangup)
		cancel()
		running.Wait()
	}
}

// merge tells of changed files and of signals through one channel.
func merge(ctx context.Context, changed chan<- struct{}, files <-chan struct{}, signals <-chan os.Signal) {
	for {
		select {
		case <-files:
		case <-signals:
		case <-ctx.Done():
			return
		}
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}
