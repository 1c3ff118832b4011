package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// GrowthReport is what growth costs, in the form of its JSON.
type GrowthReport struct {
	Machine  Machine `json:"machine"`
	Rounds   int     `json:"rounds"`
	Duration float64 `json:"duration_s"`
	// Documents are the rows of one collection that grows, Collections those of
	// ever more collections.
	Documents   []GrowthRow `json:"documents"`
	Collections []GrowthRow `json:"collections"`
	Starts      []StartRow  `json:"starts"`
	Idle        []IdleRow   `json:"idle"`
}

// StartRow is what a number of collections costs a service that starts.
type StartRow struct {
	Collections int `json:"collections"`
	// FirstStart is the start that makes the collections, Start one that finds
	// them, both in seconds.
	FirstStart float64 `json:"first_start_s"`
	Start      float64 `json:"start_s"`
	// Memory is the resident memory after the start, in MB.
	Memory float64 `json:"memory_mb"`
}

// WriteText writes the report as tables.
func (r GrowthReport) WriteText(w io.Writer) error {
	m := r.Machine
	if _, err := fmt.Fprintf(w, "%d cores of %s, %s, %s, MongoDB %s; %d rounds of %g s, one request at a time\n\n",
		m.Cores, m.Processor, m.System, m.Go, m.MongoDB, r.Rounds, r.Duration); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	writeGrowth(table, "documents", r.Documents, func(row GrowthRow) int { return row.Documents })
	writeGrowth(table, "collections", r.Collections, func(row GrowthRow) int { return row.Collections })
	if len(r.Starts) > 0 {
		fmt.Fprintln(table, "collections\tfirst start s\tlater start s\tmemory MB\t")
	}
	for _, row := range r.Starts {
		fmt.Fprintf(table, "%d\t%.2f\t%.2f\t%.1f\t\n", row.Collections, row.FirstStart, row.Start, row.Memory)
	}
	if len(r.Idle) > 0 {
		fmt.Fprintln(table, "\nidle connections\tmemory MB\tkB each\t")
	}
	for _, row := range r.Idle {
		fmt.Fprintf(table, "%d\t%.1f\t%.1f\t\n", row.Connections, row.Memory, row.Each)
	}
	return table.Flush()
}

func writeGrowth(w io.Writer, title string, rows []GrowthRow, size func(GrowthRow) int) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w, title+"\toperation\tp50 ms\tp99 ms\tservice CPU µs\tMongoDB CPU µs\terrors\t")
	for _, row := range rows {
		f := row.Figures
		fmt.Fprintf(w, "%d\t%s\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t\n", size(row), row.Operation, f.P50, f.P99, f.ServiceCPU, f.MongoCPU, f.Errors)
	}
	fmt.Fprintln(w)
}
