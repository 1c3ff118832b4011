package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is a whole run, in the form of its JSON.
type Report struct {
	Machine  Machine `json:"machine"`
	Rounds   int     `json:"rounds"`
	Duration float64 `json:"duration_s"`
	// OpenRate is the rate of an open loop in requests a second, 0 for a closed
	// one.
	OpenRate float64 `json:"open_rate,omitempty"`
	Rows     []Row   `json:"rows"`
	// Tasks are the command lines that were run.
	Tasks []TaskRow `json:"tasks,omitempty"`
}

// Machine is what the figures are of.
type Machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Go        string `json:"go"`
	System    string `json:"system"`
	MongoDB   string `json:"mongodb,omitempty"`
}

// ThisMachine describes the machine that the generator runs on.
func ThisMachine() Machine {
	return Machine{Processor: processorName(), Cores: runtime.NumCPU(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
}

func processorName() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(info), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Row is one operation at one number of connections.
type Row struct {
	Operation   string  `json:"operation"`
	Connections int     `json:"connections"`
	Sheaf       Figures `json:"sheaf"`
	// Other are those of the hand-written service. Base are those of the request
	// to Sheaf itself that the operation's cost is told against.
	Other *Figures `json:"other,omitempty"`
	Base  *Figures `json:"base,omitempty"`
	// Open are those of Sheaf without keys, rules and metrics, where Sheaf are those
	// with them.
	Open *Figures `json:"open,omitempty"`
	// Ratio is Sheaf's rate over the other's; P99Ratio likewise of the 99th
	// percentile of latency, where less is better. Cost is the median latency
	// over that of Base.
	Ratio    *Spread `json:"ratio,omitempty"`
	P99Ratio *Spread `json:"p99_ratio,omitempty"`
	Cost     *Spread `json:"cost,omitempty"`
	// Kept is Sheaf's rate over that of Open.
	Kept *Spread `json:"kept,omitempty"`
}

// Figures are the medians over the rounds.
type Figures struct {
	Rate float64 `json:"per_second"`
	// The latencies are in milliseconds.
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	// ServiceCPU and MongoCPU are microseconds of processor time a request, 0
	// where they are not known.
	ServiceCPU float64 `json:"service_cpu_us"`
	MongoCPU   float64 `json:"mongo_cpu_us"`
	// Errors are the answers of all rounds with another status than expected.
	Errors     int64  `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
}

// Spread is a ratio over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func newRow(p pair, a, b []Sample) Row {
	row := Row{Operation: p.operation.name, Connections: p.connections, Sheaf: figures(a)}
	if len(b) == 0 {
		return row
	}
	second := figures(b)
	if p.operation.base != nil {
		row.Base, row.Cost = &second, spreadOf(a, b, func(s Sample) float64 { return s.P50.Seconds() })
		return row
	}
	rate := func(s Sample) float64 { return s.Rate }
	if p.operation.guarded {
		row.Open, row.Kept = &second, spreadOf(a, b, rate)
		return row
	}
	row.Other = &second
	row.Ratio = spreadOf(a, b, rate)
	row.P99Ratio = spreadOf(a, b, func(s Sample) float64 { return s.P99.Seconds() })
	return row
}

func figures(samples []Sample) Figures {
	over := func(of func(Sample) float64) float64 {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = of(s)
		}
		return median(values)
	}
	milliseconds := func(of func(Sample) time.Duration) float64 {
		return over(func(s Sample) float64 { return of(s).Seconds() * 1e3 })
	}
	each := func(of func(Sample) time.Duration) float64 {
		return over(func(s Sample) float64 { return of(s).Seconds() * 1e6 / float64(max(s.Answers, 1)) })
	}
	f := Figures{
		Rate: over(func(s Sample) float64 { return s.Rate }),
		P50:  milliseconds(func(s Sample) time.Duration { return s.P50 }), P90: milliseconds(func(s Sample) time.Duration { return s.P90 }),
		P99: milliseconds(func(s Sample) time.Duration { return s.P99 }), P999: milliseconds(func(s Sample) time.Duration { return s.P999 }),
		ServiceCPU: each(func(s Sample) time.Duration { return s.ServiceCPU }), MongoCPU: each(func(s Sample) time.Duration { return s.MongoCPU }),
	}
	for _, s := range samples {
		f.Errors += s.Errors
		if f.FirstError == "" {
			f.FirstError = s.FirstError
		}
	}
	return f
}

// spreadOf is the ratio of a to b, round by round: both were measured one right
// after the other.
func spreadOf(a, b []Sample, of func(Sample) float64) *Spread {
	ratios := make([]float64, len(a))
	for i := range ratios {
		ratios[i] = of(a[i]) / of(b[i])
	}
	return &Spread{Median: median(ratios), Min: slices.Min(ratios), Max: slices.Max(ratios)}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// WriteText writes the report as tables.
func (r Report) WriteText(w io.Writer) error {
	m := r.Machine
	if _, err := fmt.Fprintf(w, "%d cores of %s, %s, %s, MongoDB %s; %d rounds of %g s\n\n", m.Cores, m.Processor, m.System, m.Go, m.MongoDB, r.Rounds, r.Duration); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	r.writeFigures(table)
	r.writeRatios(table)
	r.writeKept(table)
	r.writeCosts(table)
	r.writeTasks(table)
	if err := table.Flush(); err != nil {
		return err
	}
	return r.writeErrors(w)
}

func (r Report) writeFigures(w io.Writer) {
	if len(r.Rows) == 0 {
		return
	}
	fmt.Fprintln(w, "operation\tconnections\tservice\trate/s\tp50 ms\tp99 ms\tp99.9 ms\tservice CPU µs\tMongoDB CPU µs\terrors\t")
	line := func(row Row, service string, f *Figures) {
		if f != nil {
			fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t\n",
				row.Operation, row.Connections, service, f.Rate, f.P50, f.P99, f.P999, f.ServiceCPU, f.MongoCPU, f.Errors)
		}
	}
	for _, row := range r.Rows {
		if row.Open != nil {
			line(row, "guarded", &row.Sheaf)
		} else {
			line(row, sheafName, &row.Sheaf)
		}
		line(row, "by hand", row.Other)
		line(row, "its base", row.Base)
		line(row, "open", row.Open)
	}
}

func (r Report) writeRatios(w io.Writer) {
	if !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Ratio != nil }) {
		return
	}
	fmt.Fprintln(w, "\noperation\tconnections\trate, times by hand\tspread\tp99, times by hand\tspread\tservice CPU, times by hand\t")
	for _, row := range r.Rows {
		if row.Ratio != nil {
			fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f–%.2f\t%.2f\t%.2f–%.2f\t%.2f\t\n", row.Operation, row.Connections,
				row.Ratio.Median, row.Ratio.Min, row.Ratio.Max, row.P99Ratio.Median, row.P99Ratio.Min, row.P99Ratio.Max,
				row.Sheaf.ServiceCPU/max(row.Other.ServiceCPU, 1))
		}
	}
}

func (r Report) writeKept(w io.Writer) {
	if !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Kept != nil }) {
		return
	}
	fmt.Fprintln(w, "\nwith keys, rules and metrics\tconnections\trate, times without\tspread\tservice CPU, times without\t")
	for _, row := range r.Rows {
		if row.Kept != nil {
			fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f–%.2f\t%.2f\t\n", row.Operation, row.Connections,
				row.Kept.Median, row.Kept.Min, row.Kept.Max, row.Sheaf.ServiceCPU/max(row.Open.ServiceCPU, 1))
		}
	}
}

// bases say what the cost of an operation is told against.
var bases = map[string]string{
	"page": "page 1,000 over page 1", "include": "20 posts with their authors over without", "batch": "a transaction of 100 creates over one of 2",
}

func (r Report) writeCosts(w io.Writer) {
	if !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Cost != nil }) {
		return
	}
	fmt.Fprintln(w, "\ncost\ttimes\tspread\t")
	for _, row := range r.Rows {
		if row.Cost != nil {
			fmt.Fprintf(w, "%s\t%.2f\t%.2f–%.2f\t\n", bases[row.Operation], row.Cost.Median, row.Cost.Min, row.Cost.Max)
		}
	}
}

func (r Report) writeErrors(w io.Writer) error {
	for _, row := range r.Rows {
		for _, f := range []*Figures{&row.Sheaf, row.Other, row.Base, row.Open} {
			if f == nil || f.Errors == 0 {
				continue
			}
			if _, err := fmt.Fprintf(w, "\n%s at %d connections: %d answers were not as expected; the first: %s\n", row.Operation, row.Connections, f.Errors, f.FirstError); err != nil {
				return err
			}
		}
	}
	return nil
}
