package main

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
)

// settledDatabase is settled for the commands that use the database.
func (a *app) settledDatabase() error {
	a.report.CheckDatabase()
	return a.settled()
}

// database is what a command stores in.
type database struct {
	Store *store.Store
	// Server is the private mongod that this process runs; nil where the
	// database is another's.
	Server *mongod.Server
	// URI is where the database is. It can hold a password.
	URI string
}

// openDatabase connects to the MongoDB of the settings or else to a private one,
// which it starts on the data folder. Where own is false and another Sheaf runs
// one there, it is that one; else that is an error. What is opened is to be
// closed. The observer is told of every command; nil for nobody.
func (a *app) openDatabase(ctx context.Context, own bool, o *observe.Observer) (*database, error) {
	d := &database{URI: a.config.MongoDB.URI.Reveal()}
	var err error
	if a.config.MongoDB.URI.IsZero() {
		if d.Server, d.URI, err = a.privateMongod(ctx, own); err != nil {
			return nil, err
		}
	}
	if d.Store, err = store.Open(ctx, storeOptions(a.config, d.URI, o)); err != nil {
		return nil, errors.Join(err, d.Close(ctx))
	}
	return d, nil
}

// Close closes the connections and stops a mongod that is the process's own. It
// does so even where ctx is cancelled, within limits of its own.
func (d *database) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if d.Store != nil {
		errs = append(errs, d.Store.Close(ctx))
	}
	if d.Server != nil {
		errs = append(errs, d.Server.Stop(ctx))
	}
	return errors.Join(errs...)
}

// privateMongod starts a mongod on the data folder. Where own is false it looks
// for one that runs there first, and returns its URI alone.
func (a *app) privateMongod(ctx context.Context, own bool) (*mongod.Server, string, error) {
	if !own {
		if uri, ok, err := mongod.Attach(ctx, a.config.Data); ok || err != nil {
			return nil, uri, err
		}
	}
	server, err := mongod.Start(ctx, mongod.Options{
		DataDir:  a.config.Data,
		CacheDir: a.config.Cache,
		Binary:   a.config.MongoDB.Mongod,
		Admin:    store.Admin,
		Log:      a.log,
		Progress: a.stderr,
	})
	if err == nil {
		return server, server.URI(), nil
	}
	if !own {
		// Another Sheaf can have taken the folder since it was looked at.
		if uri, ok, attachErr := mongod.Attach(ctx, a.config.Data); ok && attachErr == nil {
			return nil, uri, nil
		}
	}
	return nil, "", err
}

func storeOptions(c *config.Config, uri string, o *observe.Observer) store.Options {
	return store.Options{
		URI:            uri,
		Database:       c.MongoDB.Database,
		CAFile:         c.MongoDB.CAFile,
		NoCoalescing:   !c.MongoDB.Coalesce,
		MaxPool:        c.MongoDB.PoolMax,
		MinPool:        c.MongoDB.PoolMin,
		MaxIdle:        idleTime(c.MongoDB.PoolIdleTimeout),
		ConnectTimeout: c.MongoDB.PoolConnectionTimeout,
		SelectTimeout:  c.MongoDB.ServerSelectionTimeout,
		Timeout:        c.HTTP.RequestTimeout,
		KeyLifetime:    c.Transactions.KeyLifetime,
		RetryTime:      c.Transactions.RetryTime,
		Observer:       o,
		SlowThreshold:  c.Log.SlowThreshold,
	}
}

// idleTime is what the store takes for the setting, in which zero means for ever.
func idleTime(setting time.Duration) time.Duration {
	if setting == 0 {
		return math.MaxInt64
	}
	return setting
}
