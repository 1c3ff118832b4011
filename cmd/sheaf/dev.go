package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
)

// devCommand is the service for those who write schema files.
type devCommand struct{}

// Run serves as serve does, and prints for people what becomes of the schema files
// and the database as they change. The log has warnings alone, where no other level
// was asked for.
func (c *devCommand) Run(ctx context.Context, a *app) error {
	a.report.CheckAuth()
	if a.config.Profile == config.Production {
		return usageError("dev is not for production: serve is, and sheaf migrate up")
	}
	if err := a.settledDatabase(); err != nil {
		return err
	}
	a.config.Migrations.Mode = config.MigrateAuto
	if !a.report.Given("log-level") {
		a.config.Log.Level = "warn"
	}
	if err := a.openLog(ctx); err != nil {
		return err
	}
	desk := &devDesk{out: a.stderr}
	desk.say("watching %s", a.config.Schema)
	return a.runService(ctx, desk, desk.requests(), observe.Log(a.log, a.config.Log.SlowThreshold))
}

// devDesk prints for the one who develops.
type devDesk struct {
	mu  sync.Mutex
	out io.Writer
}

// say prints a line with the time before it, and lines that belong to it under it.
func (d *devDesk) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = fmt.Fprintf(d.out, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// prepared prints what was done to the database, and what is left to the developer.
func (d *devDesk) prepared(_ context.Context, r *migrate.Readiness) {
	if len(r.Done) > 0 {
		d.say("the database has changed%s", under(migrate.Names(r.Done)))
	}
	if len(r.Left) > 0 {
		d.say("left to a migration: write it by sheaf migrate new NAME, apply it by sheaf migrate up%s", under(r.Lines()))
	}
}

func (d *devDesk) adopted(_ context.Context, former, model *schema.Model) {
	if former == model {
		d.say("the schema is as before")
		return
	}
	d.say("the schema has changed%s", under(schema.Changes(former, model)))
}

func (d *devDesk) kept(_ context.Context, reason error) {
	d.say("the schema before serves on%s", under(strings.Split(plainText(reason), "\n")))
}

// under is lines that belong to the one before.
func under(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		out.WriteString("\n          " + line)
	}
	return out.String()
}

// requests prints a line a request.
func (d *devDesk) requests() observe.Subscriber {
	return observe.Subscriber{Request: func(_ context.Context, r observe.Request) {
		d.say("%d %s %s  %s", r.Status, r.Method, r.Path, r.Duration.Round(100*time.Microsecond))
	}}
}
