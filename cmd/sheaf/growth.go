package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sheafdb/sheaf/internal/bench"
	"github.com/sheafdb/sheaf/internal/mongod"
)

// growthFlags say how far the service grows.
type growthFlags struct {
	Growth      bool  `name:"growth" help:"With --self: measure what a request costs as documents, collections and idle connections become more, instead of the operations."`
	Documents   []int `name:"documents" default:"10000,100000,1000000" help:"With --growth: numbers of documents of one collection."`
	Collections []int `name:"collections" default:"1,50,500" help:"With --growth: numbers of collections, of 1,000 documents each."`
	Idle        []int `name:"idle" default:"100,1000,10000" help:"With --growth: numbers of idle connections."`
}

func (f growthFlags) grows() bool {
	for _, numbers := range [][]int{f.Documents, f.Collections, f.Idle} {
		if len(numbers) == 0 || slices.Min(numbers) < 1 {
			return false
		}
	}
	return true
}

// measureGrowth measures this program as it grows, and prints the report.
func (c *benchCommand) measureGrowth(ctx context.Context, a *app) error {
	report := bench.GrowthReport{Machine: bench.ThisMachine(), Rounds: c.Rounds, Duration: c.Duration.Seconds()}
	meter := newBenchMeter(a.stderr)
	defer meter.finish()
	growth := &bench.Growth{Rounds: c.Rounds, Duration: c.Duration, Watch: meter.step}
	err := a.withBenchServer(ctx, func(folder string, server *mongod.Server) error {
		report.Machine.MongoDB = server.Binary().Version
		if err := c.growDocuments(ctx, growth, folder, server, &report); err != nil {
			return err
		}
		for _, collections := range slices.Sorted(slices.Values(c.Collections)) {
			if err := growCollections(ctx, growth, collections, folder, server, &report); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.write(a.stdout, report)
}

// growDocuments measures one collection as it grows, and then the connections:
// by a service that has just been started.
func (c *benchCommand) growDocuments(ctx context.Context, growth *bench.Growth, folder string, server *mongod.Server, report *bench.GrowthReport) error {
	schema := filepath.Join(folder, "one")
	if err := bench.WriteGrowthSchema(schema, 1); err != nil {
		return err
	}
	const database = "documents"
	documents := slices.Sorted(slices.Values(c.Documents))
	err := during(ctx, schema, database, server, func(s *bench.Service) error {
		grown := growth.Of(s, 1, 0)
		for _, n := range documents {
			rows, err := grown.Measure(ctx, n)
			if err != nil {
				return err
			}
			report.Documents = append(report.Documents, rows...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return during(ctx, schema, database, server, func(s *bench.Service) (err error) {
		report.Idle, err = growth.Of(s, 1, documents[len(documents)-1]).HoldIdle(ctx, c.Idle)
		return err
	})
}

// growCollections measures a number of collections: their making, a later start,
// and the operations.
func growCollections(ctx context.Context, growth *bench.Growth, collections int, folder string, server *mongod.Server, report *bench.GrowthReport) error {
	const documents = 1000
	name := fmt.Sprintf("collections-%d", collections)
	schema := filepath.Join(folder, name)
	if err := bench.WriteGrowthSchema(schema, collections); err != nil {
		return err
	}
	start := bench.StartRow{Collections: collections}
	err := during(ctx, schema, name, server, func(s *bench.Service) error {
		start.FirstStart = s.Ready().Seconds()
		return nil
	})
	if err != nil {
		return err
	}
	return during(ctx, schema, name, server, func(s *bench.Service) error {
		start.Start, start.Memory = s.Ready().Seconds(), s.Memory()
		report.Starts = append(report.Starts, start)
		rows, err := growth.Of(s, collections, 0).Measure(ctx, documents)
		report.Collections = append(report.Collections, rows...)
		return err
	})
}

// during runs this program as long as measure runs.
func during(ctx context.Context, schema, database string, server *mongod.Server, measure func(*bench.Service) error) error {
	s, err := startSelf(ctx, schema, database, server)
	if err != nil {
		return err
	}
	return errors.Join(measure(s), s.Stop())
}
