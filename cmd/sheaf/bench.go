package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sheafdb/sheaf/internal/bench"
	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
)

// benchCommand measures a service.
type benchCommand struct {
	URL         string        `arg:"" optional:"" help:"The service to put load on. It must serve the collections that --write-schema writes, and gets documents in them."`
	Self        bool          `name:"self" help:"Measure this program: it is started on a private mongod in a folder that is deleted afterwards."`
	Against     string        `name:"against" placeholder:"PROGRAM" help:"With --self: measure another program in turns. It gets MONGODB_URI, takes the same requests, and prints \"listening on URL\"."`
	Operations  []string      `name:"operations" default:"get,list,create,update,transfer,invalid" help:"What to ask for: get, list, create, update, transfer, invalid, page, include, batch; with --self also guarded-get and guarded-create, which tell Sheaf with keys, rules and metrics against Sheaf without."`
	Connections []int         `name:"connections" default:"1,32,128" help:"Numbers of concurrent connections."`
	Rounds      int           `name:"rounds" default:"3" help:"How often each measurement is taken. What is shown are medians."`
	Duration    time.Duration `name:"duration" default:"2s" help:"Length of one measurement."`
	Rate        float64       `name:"rate" help:"Send so many requests a second whatever the answers (an open loop), and count latencies from when each was due. 0 sends the next when the last is answered."`
	Headers     []string      `name:"header" sep:"none" placeholder:"LINE" help:"A header of every request, such as 'Authorization: Bearer …'."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`
	Chart       string        `name:"chart" placeholder:"FILE" help:"Write a chart of the rate over the connections, as SVG."`
	Profile     string        `name:"profile" placeholder:"FILE" help:"With --self: write where the processor time of Sheaf goes over all measurements, for go tool pprof."`
	growthFlags
	taskFlags
	WriteSchema string `name:"write-schema" placeholder:"DIR" help:"Write the schema files of the benchmark's collections to a folder, and do nothing else."`
}

// Run measures and prints the report.
func (c *benchCommand) Run(ctx context.Context, a *app) error {
	if c.WriteSchema != "" {
		return writeSchema(c.WriteSchema)
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.Growth {
		return c.measureGrowth(ctx, a)
	}
	report := bench.Report{Machine: bench.ThisMachine(), Rounds: c.Rounds, Duration: c.Duration.Seconds(), OpenRate: c.Rate}
	var err error
	if c.Self {
		err = c.measureSelf(ctx, a, &report)
	} else {
		err = c.measureURL(ctx, a, &report)
	}
	if err != nil {
		return err
	}
	return c.print(a.stdout, report)
}

func (c *benchCommand) check() error {
	switch {
	case c.Self == (c.URL != ""):
		return usageError("give the URL of a service, or --self")
	case c.Growth && (!c.Self || c.Against != ""):
		return usageError("--growth goes with --self, and not with --against")
	case c.Growth && !c.grows():
		return usageError("--documents, --collections and --idle take numbers from 1, such as 1,50,500")
	case (c.Against != "" || c.Profile != "") && !c.Self:
		return usageError("--against and --profile go with --self")
	case c.Growth && c.Profile != "":
		return usageError("--growth does not go with --profile")
	case c.Rounds < 1 || c.Duration <= 0 || c.Rate < 0:
		return usageError("--rounds, --duration and --rate cannot be negative, nor the first two 0")
	case len(c.Connections) == 0 || slices.Min(c.Connections) < 1:
		return usageError("--connections takes numbers from 1, such as 1,32")
	}
	for _, name := range c.Tasks {
		if _, ok := tasks[name]; !ok || !c.Self {
			return usageError(fmt.Sprintf("--tasks goes with --self and takes %s, not %q", strings.Join(slices.Sorted(maps.Keys(tasks)), ", "), name))
		}
	}
	for _, name := range c.Operations {
		if !slices.Contains(bench.Operations(), name) {
			return usageError(fmt.Sprintf("there is no operation %q; there are %s", name, strings.Join(bench.Operations(), ", ")))
		}
		if bench.Guarded(name) && !c.Self {
			return usageError(name + " goes with --self")
		}
	}
	return nil
}

func (c *benchCommand) measureURL(ctx context.Context, a *app, report *bench.Report) (err error) {
	service, err := bench.At(c.URL, c.Headers)
	if err != nil {
		return usageError(err.Error())
	}
	report.Rows, err = c.measure(ctx, a, bench.Services{Sheaf: service}, nil)
	return err
}

func (c *benchCommand) measure(ctx context.Context, a *app, s bench.Services, profiler *bench.Profiler) ([]bench.Row, error) {
	meter := newBenchMeter(a.stderr)
	defer meter.finish()
	return bench.Run(ctx, bench.Options{
		Operations: c.Operations, Connections: c.Connections, Rounds: c.Rounds, Duration: c.Duration, Rate: c.Rate, Watch: meter.show, Profiler: profiler,
	}, s)
}

// measureSelf starts a private mongod and, on it, this program and the other.
func (c *benchCommand) measureSelf(ctx context.Context, a *app, report *bench.Report) error {
	return a.withBenchServer(ctx, func(folder string, server *mongod.Server) (err error) {
		report.Machine.MongoDB = server.Binary().Version
		schema := filepath.Join(folder, "schema")
		if err := writeSchema(schema); err != nil {
			return err
		}
		profiler, err := c.profiler()
		if err != nil {
			return err
		}
		services, stop, err := c.start(ctx, folder, schema, server, profiler)
		defer func() { err = errors.Join(err, stop()) }()
		if err != nil {
			return err
		}
		sheaf := services.Sheaf
		idle := sheaf.Memory()
		if len(c.Operations) > 0 {
			report.Rows, err = c.measure(ctx, a, services, profiler)
		}
		if err == nil && profiler != nil {
			err = writeProfile(c.Profile, profiler)
		}
		if err == nil {
			err = c.measureTasks(ctx, folder, schema, server, report)
		}
		if err == nil {
			_, err = fmt.Fprintf(a.stderr, "sheaf: ready %d ms after its start, %.0f MB idle, %.0f MB after the load\n", sheaf.Ready().Milliseconds(), idle, sheaf.Memory())
		}
		return err
	})
}

// withBenchServer runs a private mongod for as long as measure runs, in a folder
// that is deleted afterwards.
func (a *app) withBenchServer(ctx context.Context, measure func(folder string, server *mongod.Server) error) (err error) {
	if err := a.settled(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "sheaf-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	const cacheGB = 1
	server, err := mongod.Start(ctx, mongod.Options{DataDir: filepath.Join(folder, "data"), CacheDir: a.config.Cache, Binary: a.config.MongoDB.Mongod,
		Admin: store.Admin, Progress: a.stderr, CacheSizeGB: cacheGB})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx))) }()
	return measure(folder, server)
}

func (c *benchCommand) print(w io.Writer, report bench.Report) error {
	if c.Chart != "" {
		if err := os.WriteFile(c.Chart, report.Chart(), 0o644); err != nil { //nolint:gosec // for everybody to see
			return fmt.Errorf("the chart cannot be written: %w", err)
		}
	}
	return c.write(w, report)
}

// write writes a report in the form that was asked for.
func (c *benchCommand) write(w io.Writer, report interface{ WriteText(w io.Writer) error }) error {
	if !c.JSON {
		return report.WriteText(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// writeSchema writes the schema files of the benchmark into a folder.
func writeSchema(folder string) error {
	if err := os.CopyFS(folder, bench.Schema()); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s has such files already", folder)
		}
		return fmt.Errorf("the schema files cannot be written: %w", err)
	}
	return nil
}

// benchMeter shows how far a run is, in one line.
type benchMeter struct {
	bar *progressbar.ProgressBar
}

func newBenchMeter(w io.Writer) *benchMeter {
	return &benchMeter{progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("preparing"), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(isTerminal(w)), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true))}
}

func (m *benchMeter) show(p bench.Progress) {
	if m.bar.GetMax() != p.Total {
		m.bar.ChangeMax(p.Total)
	}
	text := fmt.Sprintf("%s of %s at %d: %.0f/s", p.Operation, p.Service, p.Connections, p.Rate)
	if p.Errors > 0 {
		text += fmt.Sprintf(", %d errors", p.Errors)
	}
	m.bar.Describe(text)
	_ = m.bar.Set(p.Done) // a meter that cannot be shown is no failure
}

// step shows what is done next.
func (m *benchMeter) step(text string) {
	m.bar.Describe(text)
	_ = m.bar.Add(1) // likewise
}

func (m *benchMeter) finish() { _ = m.bar.Finish() }
