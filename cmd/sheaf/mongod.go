package main

import (
	"context"
	"errors"
	"fmt"
)

// mongodCommand prints where the private mongod is, for a shell.
type mongodCommand struct{}

// Run prints the URI of the mongod that runs on the data folder. Where none
// runs it starts one, and stays with it until ctx is cancelled.
func (c *mongodCommand) Run(ctx context.Context, a *app) error {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	if !a.config.MongoDB.URI.IsZero() {
		return usageError("MONGODB_URI names the database, so there is no private mongod; unset it to run one")
	}
	if err := a.openLog(ctx); err != nil {
		return err
	}
	server, uri, err := a.privateMongod(ctx, false)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, uri)
	if server == nil {
		return err
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case <-server.Done():
			err = server.Err()
		}
	}
	return errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
}
