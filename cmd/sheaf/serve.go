package main

import "context"

type serveCommand struct{}

func (c *serveCommand) Run(ctx context.Context, a *app) error { return a.settledDatabase() }
