package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/folder"
	"github.com/sheafdb/sheaf/internal/live"
	"github.com/sheafdb/sheaf/internal/schema"
)

// keeper returns what keeps the model of an engine up to date with the schema
// files.
func (a *app) keeper(e *engine.Engine, db *database) *live.Keeper {
	return live.New(live.Options{
		Engine:   e,
		Load:     func() (*schema.Model, error) { return a.loadSchema("") },
		Prepare:  func(ctx context.Context, model *schema.Model) error { return a.prepare(ctx, db, model) },
		Recorded: db.Store.CurrentHash,
		Adopted: func(ctx context.Context, former, model *schema.Model) {
			a.log.InfoContext(ctx, "schema files read", "changed", former != model, "model", shortHash(model))
		},
		Kept: func(ctx context.Context, reason error) {
			for line := range strings.SplitSeq(plainText(reason), "\n") {
				a.log.ErrorContext(ctx, "the model before serves on", "reason", line)
			}
		},
	})
}

// shortHash is enough of a model's hash for people to tell it from others.
func shortHash(model *schema.Model) string { return model.Hash[:12] }

// prepare makes the database ready for a model.
func (a *app) prepare(ctx context.Context, db *database, model *schema.Model) error {
	report, err := db.Store.Provision(ctx, model)
	if err != nil {
		return err
	}
	if !report.Empty() {
		a.log.InfoContext(ctx, "collections made ready", "collections", report.Collections, "validators", report.Validators, "indexes", report.Indexes)
	}
	return db.Store.RecordModel(ctx, model)
}

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
