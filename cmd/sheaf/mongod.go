package main

type mongodCommand struct{}

func (c *mongodCommand) Run(a *app) error { return nil }
