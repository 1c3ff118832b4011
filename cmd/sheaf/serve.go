package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sheafdb/sheaf/internal/api"
	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/limit"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// serveCommand is the service.
type serveCommand struct{}

// Run serves until ctx is cancelled. It says that it listens once MongoDB
// answers and has the collections and indexes of the schema.
func (c *serveCommand) Run(ctx context.Context, a *app) error {
	a.report.CheckAuth()
	if err := a.settledDatabase(); err != nil {
		return err
	}
	if err := a.openLog(ctx); err != nil {
		return err
	}
	return a.runService(ctx, logTeller{a.log}, observe.Log(a.log, a.config.Log.SlowThreshold))
}

// runService opens the database and serves until ctx is cancelled.
func (a *app) runService(ctx context.Context, told teller, subscribers ...observe.Subscriber) error {
	tuneCollector()
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	seen, err := a.openInstruments(ctx, subscribers)
	if err != nil {
		return err
	}
	database, err := a.openDatabase(ctx, true, seen.observer)
	if err == nil {
		err = a.serve(ctx, model, database, seen, told)
		err = errors.Join(err, database.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(err, seen.Close())
}

// serve prepares the database for the model and answers requests; a model that
// the schema files come to hold takes its place. It ends when ctx does, and with an
// error when the private mongod ends before.
func (a *app) serve(ctx context.Context, model *schema.Model, db *database, seen *instruments, told teller) error {
	if err := a.prepare(ctx, db, model, told); err != nil {
		return err
	}
	who, err := a.authenticator(ctx, db.Store)
	if err != nil {
		return err
	}
	keeper := a.keeper(engine.New(db.Store, model), db, told)
	seen.watch(db.Store, keeper.Engine, keeper)
	service := api.New(keeper.Engine, api.Options{
		BodyLimit: int64(a.config.HTTP.BodyLimit),
		Timeout:   a.config.HTTP.RequestTimeout,
		Transfers: api.TransferLimits{
			Open: a.config.HTTP.TransfersMax, Idle: a.config.HTTP.TransferIdleTimeout, ImportBytes: int64(a.config.HTTP.ImportLimit),
		},
		Admission: admission(a.config.HTTP),
		Origins:   a.config.HTTP.Origins(),
		Limits:    listLimits(a.config.HTTP),
		Auth:      who, PublicDocs: a.config.Auth.PublicDocs,
		Sessions: engine.SessionLimits{
			Open: a.config.Transactions.SessionsMax, Idle: a.config.Transactions.SessionIdleTimeout, Lifetime: a.config.Transactions.SessionLifetime,
		},
		Instance:  a.config.Transactions.Instance,
		Explain:   a.config.HTTP.Explain,
		Unindexed: api.Policy(a.config.HTTP.Unindexed),
		Stale:     keeper.Stale,
		Version:   versionName(),
		Observer:  seen.observer,
		Metrics:   seen.public,
		Log:       a.log,
	})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer watch(db, cancel)()
	defer a.follow(ctx, keeper)()
	err = serveHTTP(ctx, a.config.HTTP, service, stages{a.invite(model), service.Drain, service.Stop}, a.stdout, a.log)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// admission is what the settings say of how many may ask; they are checked.
func admission(c config.HTTP) api.Admission {
	proxies, _ := limit.ParseProxies(c.TrustedProxies)
	return api.Admission{
		Concurrent: int64(c.RequestsMax), Proxies: proxies,
		Callers: limit.NewRates(float64(c.CallerRate), c.CallerBurst), Addresses: limit.NewRates(float64(c.AddressRate), c.AddressBurst),
	}
}

func listLimits(c config.HTTP) query.Limits {
	return query.Limits{
		DefaultLimit: c.ListLimit, MaxLimit: c.ListLimitMax,
		IncludeDepth: c.IncludeDepth, IncludedDocuments: c.IncludeLimit, IncludedBytes: int64(c.IncludeSize), RelatedValues: c.RelatedLimit,
	}
}

// watch cancels when the private mongod ends on its own, until it is told to
// stop watching.
func watch(db *database, cancel context.CancelCauseFunc) (stop func()) {
	if db.Server == nil {
		return func() {}
	}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-db.Server.Done():
			cancel(fmt.Errorf("the private mongod ended: %w", db.Server.Err()))
		case <-stopped:
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}

// invite returns what tells a developer what to try first; nothing in the other
// profiles.
func (a *app) invite(model *schema.Model) func(url string) {
	if a.config.Profile != config.Development || len(model.Collections) == 0 {
		return func(string) {}
	}
	return func(url string) {
		_, _ = fmt.Fprintf(a.stderr, "try     curl %s/v1/%s\nread    %s/docs\n", url, model.Collections[len(model.Collections)-1].Name, url)
	}
}
