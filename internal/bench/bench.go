// Package bench puts load on services and measures what comes back: the rate,
// the latencies, the processor time a request, and the errors. It is what
// `sheaf bench` runs, alone or in turns with a hand-written service.
//
// Absolute figures are those of the machine, whose processors the generator,
// the services and MongoDB share. What it is for are the ratios of measurements
// that were taken in turns.
package bench

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

//go:embed schema
var files embed.FS

// Schema returns the schema folder of the collections that the operations use.
func Schema() fs.FS {
	folder, err := fs.Sub(files, "schema")
	if err != nil { // the folder is embedded
		panic(err)
	}
	return folder
}

// WriteGuardedSchema writes the schema file of the items into a folder, which it
// makes, with rules of access: only the key may read them that made them.
func WriteGuardedSchema(folder string) error {
	text, err := files.ReadFile("schema/" + items + ".yaml")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // holds nothing secret
		return err
	}
	return os.WriteFile(filepath.Join(folder, items+".yaml"), append(text, guards...), 0o644) //nolint:gosec // likewise
}

const guards = `  ownerId: {type: string, required: true, max_length: 100}
access:
  read:   [{role: admin}, {where: {ownerId: $auth.sub}}]
  create: [{role: admin}, {where: {active: true}, set: {ownerId: $auth.sub}}]
  update: [{role: admin}, {where: {ownerId: $auth.sub}, fields: {except: [ownerId]}}]
  delete: [{role: admin}]
`

// Options say what to measure.
type Options struct {
	// Operations are some of the names that Operations returns, Connections numbers of concurrent
	// connections: every one is measured with every other.
	Operations  []string
	Connections []int
	// Rounds is how often each measurement is taken, Duration how long one takes.
	Rounds   int
	Duration time.Duration
	// Rate makes the load an open loop of so many requests a second, whose
	// latencies count from when a request was due; 0 for a closed one.
	Rate float64
	// Watch is told a few times a second how far the run is; nil for nobody.
	Watch func(Progress)
	// Profiler profiles Services.Sheaf while it is measured; nil for no profile.
	Profiler *Profiler
}

// Progress is how far a run is.
type Progress struct {
	Service, Operation string
	Connections        int
	// Done of Total measurements are taken. Rate is that of the one under way,
	// in requests a second, Errors are its answers that were not as expected.
	Done, Total int
	Rate        float64
	Errors      int64
}

// Services are those that are measured.
type Services struct {
	// Sheaf is as production is. Other is the hand-written one, nil for none.
	Sheaf, Other *Service
	// Guarded is Sheaf with keys, rules and metrics, Open without any of them; they
	// are nil where no operation asks for them.
	Guarded, Open *Service
}

// Run measures every operation on two services in turns, where there are two that
// have it.
func Run(ctx context.Context, o Options, s Services) ([]Row, error) {
	operations := selected(o.Operations)
	if err := prepare(ctx, operations, s); err != nil {
		return nil, err
	}
	var pairs []pair
	for _, op := range operations {
		for _, connections := range op.at(o.Connections) {
			pairs = append(pairs, op.pair(s, connections))
		}
	}
	r := runner{options: o, profiled: s.Sheaf, total: countMeasurements(pairs, o.Rounds)}
	rows := make([]Row, 0, len(pairs))
	for _, p := range pairs {
		row, err := r.row(ctx, p)
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func selected(names []string) []*operation {
	var found []*operation
	for _, op := range operations {
		if slices.Contains(names, op.name) {
			found = append(found, op)
		}
	}
	return found
}

// prepare gives every service what the operations need that it is asked for.
func prepare(ctx context.Context, operations []*operation, services Services) error {
	for _, s := range []*Service{services.Sheaf, services.Other, services.Guarded, services.Open} {
		asked := slices.DeleteFunc(slices.Clone(operations), func(op *operation) bool { return !slices.Contains(op.asks(services), s) })
		if err := seed(ctx, s, asked); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// pair is what is measured in turns. b.service is nil where there is only one.
type pair struct {
	operation   *operation
	connections int
	a, b        contestant
}

// contestant is one of a pair.
type contestant struct {
	service *Service
	request request
	status  int
}

func countMeasurements(pairs []pair, rounds int) int {
	n := 0
	for _, p := range pairs {
		n += rounds
		if p.b.service != nil {
			n += rounds
		}
	}
	return n
}

// runner takes the measurements of a run, one after the other.
type runner struct {
	options     Options
	profiled    *Service
	done, total int
}

// row measures a pair, in rounds that take turns at who is first.
func (r *runner) row(ctx context.Context, p pair) (Row, error) {
	var a, b []Sample
	for round := range r.options.Rounds {
		order := []*contestant{&p.a, &p.b}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			if c.service == nil {
				continue
			}
			sample, err := r.measure(ctx, p, *c)
			if err != nil {
				return Row{}, fmt.Errorf("%s, %s at %d connections: %w", c.service.Name, p.operation.name, p.connections, err)
			}
			if c == &p.a {
				a = append(a, sample)
			} else {
				b = append(b, sample)
			}
		}
	}
	return newRow(p, a, b), nil
}

func (r *runner) measure(ctx context.Context, p pair, c contestant) (sample Sample, err error) {
	l := &load{contestant: c, connections: p.connections, duration: r.options.Duration, rate: r.options.Rate}
	stop := r.watch(p, c, l)
	defer stop()
	r.done++
	if r.options.Profiler == nil || c.service != r.profiled {
		return l.run(ctx)
	}
	err = r.options.Profiler.During(ctx, l.duration, func() (err error) {
		sample, err = l.run(ctx)
		return err
	})
	return sample, err
}

const watchInterval = 250 * time.Millisecond

// watch tells of a measurement until it is stopped.
func (r *runner) watch(p pair, c contestant, l *load) (stop func()) {
	if r.options.Watch == nil {
		return func() {}
	}
	progress := Progress{Service: c.service.Name, Operation: p.operation.name, Connections: p.connections, Done: r.done, Total: r.total}
	began, end, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				progress.Rate = float64(l.answered.Load()) / time.Since(began).Seconds()
				progress.Errors = l.failed.Load()
				r.options.Watch(progress)
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
