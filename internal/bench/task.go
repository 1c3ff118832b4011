package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TaskRow is one command line that is run, rather than a request that is sent.
type TaskRow struct {
	Task string `json:"task"`
	// Size is how many there are of what the task is about: documents, collections.
	Size int `json:"size"`
	// Seconds are medians over the rounds: of the task, and of what it is held
	// against, 0 where there is nothing.
	Seconds float64 `json:"seconds"`
	Against float64 `json:"against_seconds,omitempty"`
	// Ratio is the rate of the task over that of what it is held against.
	Ratio *Spread `json:"ratio,omitempty"`
	// Memory is the most that the command held, in MB; 0 where the system does not
	// tell.
	Memory float64 `json:"memory_mb"`
}

// NewTaskRow makes a row of rounds: the seconds of the task, and of what it is held
// against in the same round, nil for nothing.
func NewTaskRow(task string, size int, seconds, against []float64, memory float64) TaskRow {
	row := TaskRow{Task: task, Size: size, Seconds: median(seconds), Memory: memory}
	if len(against) == 0 {
		return row
	}
	row.Against = median(against)
	ratios := make([]float64, len(seconds))
	for i := range ratios {
		ratios[i] = against[i] / seconds[i]
	}
	row.Ratio = &Spread{Median: median(ratios), Min: slices.Min(ratios), Max: slices.Max(ratios)}
	return row
}

// Task is what a command that was run printed, took and held.
type Task struct {
	Stdout, Stderr string
	Took           time.Duration
	// Memory is the most that it held, in MB.
	Memory float64
}

// RunTask runs a program to its end.
func RunTask(ctx context.Context, program string, args, environ []string) (Task, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(), environ...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	began := time.Now()
	err := command.Run()
	task := Task{Stdout: out.String(), Stderr: errs.String(), Took: time.Since(began), Memory: peakMemory(command.ProcessState)}
	if err != nil {
		return task, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(task.Stderr))
	}
	return task, nil
}

// LoopSeconds is what a loop of the hand-written program took.
func LoopSeconds(task Task) (float64, error) {
	return strconv.ParseFloat(strings.TrimSpace(task.Stdout), 64)
}

// WriteItems writes documents of 0.4 kB to a file, one a line, as the hand-written
// program makes them: of the collection that Items names, with ids that rise.
func WriteItems(path string, count int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := range count {
		_, _ = fmt.Fprintf(w, `{"id":"%024x","sku":"sku-%d","name":"A plain thing of wood and brass","email":"maker@example.com","price":19.5,"stock":%d,"active":true,`+
			`"made":"2026-01-31T12:00:00.000Z","tags":["wood","brass","plain"],"address":{"street":"12 Long Street","city":"Lund","zip":"22100"},`+
			`"note":"Made by hand, and sold as it is: no two are the same, and none is perfect."}`+"\n", i+1, i, i)
	}
	if err := w.Flush(); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// Items is the collection of the documents that WriteItems writes.
const Items = items

func (r Report) writeTasks(w io.Writer) {
	if len(r.Tasks) == 0 {
		return
	}
	fmt.Fprintln(w, "\ntask\tsize\tseconds\tbare driver seconds\trate, times bare\tspread\tmemory MB\t")
	for _, row := range r.Tasks {
		against, ratio, spread := "", "", ""
		if row.Ratio != nil {
			against = fmt.Sprintf("%.2f", row.Against)
			ratio, spread = fmt.Sprintf("%.2f", row.Ratio.Median), fmt.Sprintf("%.2f–%.2f", row.Ratio.Min, row.Ratio.Max)
		}
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%s\t%s\t%s\t%.0f\t\n", row.Task, row.Size, row.Seconds, against, ratio, spread, row.Memory)
	}
}
