package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/bench"
	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
)

// start runs the services that the operations need. stop ends those that run, also
// where one did not start.
func (c *benchCommand) start(ctx context.Context, folder, schema string, server *mongod.Server, profiler *bench.Profiler) (s bench.Services, stop func() error, err error) {
	var running []*bench.Service
	stop = func() error {
		var errs []error
		for _, service := range slices.Backward(running) {
			errs = append(errs, service.Stop())
		}
		return errors.Join(errs...)
	}
	run := func(into **bench.Service, begin func() (*bench.Service, error)) {
		if err != nil {
			return
		}
		if *into, err = begin(); err == nil {
			running = append(running, *into)
		}
	}
	var environ []string
	if profiler != nil {
		environ = append(environ, "SHEAF_ADMIN_LISTEN="+strings.TrimPrefix(profiler.URL, "http://"))
	}
	run(&s.Sheaf, func() (*bench.Service, error) { return startSelf(ctx, schema, "bench", server, environ...) })
	if c.Against != "" {
		run(&s.Other, func() (*bench.Service, error) {
			return bench.Start(ctx, "by hand", c.Against, nil, nil, []string{"MONGODB_URI=" + server.URI()}, server.PID())
		})
	}
	if slices.ContainsFunc(c.Operations, bench.Guarded) {
		run(&s.Guarded, func() (*bench.Service, error) { return startGuarded(ctx, filepath.Join(folder, "guarded"), server) })
		run(&s.Open, func() (*bench.Service, error) { return startOpen(ctx, schema, server) })
	}
	return s, stop, err
}

// startSelf runs this program as production does, but for TLS to MongoDB.
func startSelf(ctx context.Context, schema, database string, server *mongod.Server, environ ...string) (*bench.Service, error) {
	return startWithKey(ctx, "sheaf", schema, database, server, environ...)
}

// profiler returns who profiles Sheaf, nil for nobody, with an address that is free.
func (c *benchCommand) profiler() (*bench.Profiler, error) {
	if c.Profile == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &bench.Profiler{URL: "http://" + listener.Addr().String()}, listener.Close()
}

func writeProfile(file string, profiler *bench.Profiler) error {
	taken, err := profiler.Profile()
	if err != nil {
		return err
	}
	return os.WriteFile(file, taken, 0o644) //nolint:gosec // for everybody to see
}

// startGuarded runs this program with rules in its schema, in a folder that is made.
func startGuarded(ctx context.Context, schema string, server *mongod.Server) (*bench.Service, error) {
	if err := bench.WriteGuardedSchema(schema); err != nil {
		return nil, err
	}
	return startWithKey(ctx, "guarded", schema, "guarded", server)
}

// startOpen runs this program for anybody, without metrics, and else as production
// does, which would refuse that.
func startOpen(ctx context.Context, schema string, server *mongod.Server) (*bench.Service, error) {
	return startSheaf(ctx, "open", nil, schema, "open", server, "SHEAF_ENV=development", "SHEAF_AUTH=open", "SHEAF_METRICS=false",
		"SHEAF_LOG_FORMAT=json", "SHEAF_LOG_LEVEL=info", "SHEAF_UNINDEXED=allow", "SHEAF_EXPLAIN=false")
}

func startWithKey(ctx context.Context, name, schema, database string, server *mongod.Server, environ ...string) (*bench.Service, error) {
	key, err := benchKey(ctx, database, server)
	if err != nil {
		return nil, err
	}
	return startSheaf(ctx, name, []string{"Authorization: Bearer " + key}, schema, database, server, append(environ, "SHEAF_ENV=production", "SHEAF_ALLOW_PLAINTEXT=true")...)
}

func startSheaf(ctx context.Context, name string, headers []string, schema, database string, server *mongod.Server, environ ...string) (*bench.Service, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return bench.Start(ctx, name, program, []string{"serve"}, headers, append(environ,
		"SHEAF_MIGRATE=auto", "SHEAF_LISTEN=127.0.0.1:0", "SHEAF_SCHEMA="+schema, "MONGODB_URI="+server.URI(), "MONGODB_DATABASE="+database), server.PID())
}

// benchKey makes an API key: production serves nobody without one.
func benchKey(ctx context.Context, database string, server *mongod.Server) (text string, err error) {
	s, err := store.Open(ctx, store.Options{URI: server.URI(), Database: database})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	id := auth.NewKeyID()
	text, hash := auth.NewSecret(id)
	return text, s.CreateKey(ctx, auth.Key{ID: id, Name: "bench", Secrets: []auth.Secret{{Hash: hash}}, CreatedAt: time.Now()})
}
