package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/sheafdb/sheaf/internal/bench"
	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
)

// taskFlags are those of the command lines that are measured.
type taskFlags struct {
	Tasks     []string `name:"tasks" placeholder:"TASK" help:"With --self: run these command lines too, beside loops of the driver alone where --against has them: import, export, export-unordered. The last two are the same export, beside a cursor in the order of ids, as an export goes, and beside one without an order. And plan, of 200 collections, beside nothing."`
	TaskSizes []int    `name:"task-sizes" default:"10000,200000,1000000" help:"Documents of imports and exports."`
}

// tasks are the command lines that can be measured, in their order.
var tasks = map[string]func(*taskBench, int) (bench.TaskRow, error){"import": (*taskBench).imports, "export": (*taskBench).exports, "export-unordered": (*taskBench).exportsUnordered, "plan": (*taskBench).plans}

// planCollections is how many collections a plan looks at.
const planCollections = 200

// taskBench runs command lines on a private mongod.
type taskBench struct {
	*benchCommand
	ctx             context.Context //nolint:containedctx // it is that of one run
	program, schema string
	folder          string
	server          *mongod.Server
}

// measureTasks measures what --tasks names, at each size.
func (c *benchCommand) measureTasks(ctx context.Context, folder, schema string, server *mongod.Server, report *bench.Report) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	b := &taskBench{benchCommand: c, ctx: ctx, program: program, schema: schema, folder: folder, server: server}
	for _, name := range c.Tasks {
		sizes := c.TaskSizes
		if name == "plan" {
			sizes = []int{planCollections}
		}
		for _, size := range sizes {
			row, err := tasks[name](b, size)
			if err != nil {
				return err
			}
			report.Tasks = append(report.Tasks, row)
		}
	}
	return nil
}

func (b *taskBench) environ(database string) []string {
	return []string{"SHEAF_SCHEMA=" + b.schema, "MONGODB_URI=" + b.server.URI(), "MONGODB_DATABASE=" + database, "SHEAF_LOG_LEVEL=error"}
}

// sheaf runs this program in a database.
func (b *taskBench) sheaf(database string, args ...string) (bench.Task, error) {
	return bench.RunTask(b.ctx, b.program, args, b.environ(database))
}

// loop runs one of the driver alone; 0 where there is no program that has it.
func (b *taskBench) loop(database string, args ...string) (float64, error) {
	if b.Against == "" {
		return 0, nil
	}
	task, err := bench.RunTask(b.ctx, b.Against, args, b.environ(database))
	if err != nil {
		return 0, err
	}
	return bench.LoopSeconds(task)
}

// imports measures an import of documents with ids into a collection with a unique
// index, beside inserts of ready BSON into an equal one. They take turns at
// who is first.
func (b *taskBench) imports(size int) (bench.TaskRow, error) {
	file := filepath.Join(b.folder, "items.ndjson")
	if err := bench.WriteItems(file, size); err != nil {
		return bench.TaskRow{}, err
	}
	var seconds, against []float64
	memory := 0.0
	own := func() error {
		task, err := b.sheaf("task_sheaf", "import", bench.Items, file)
		seconds, memory = append(seconds, task.Took.Seconds()), max(memory, task.Memory)
		return err
	}
	bare := func() error {
		// The collection is made as the import makes its own.
		if _, err := b.sheaf("task_bare", "import", bench.Items, os.DevNull); err != nil || b.Against == "" {
			return err
		}
		took, err := b.loop("task_bare", "insert", strconv.Itoa(size))
		against = append(against, took)
		return err
	}
	err := b.rounds(own, bare)
	return bench.NewTaskRow("import", size, seconds, against, memory), err
}

// rounds runs two in turns, on databases that are new each time.
func (b *taskBench) rounds(own, bare func() error) error {
	for round := range b.Rounds {
		first, second := own, bare
		if round%2 == 1 {
			first, second = bare, own
		}
		err := errors.Join(first(), second())
		for _, database := range []string{"task_sheaf", "task_bare"} {
			err = errors.Join(err, store.Drop(b.ctx, b.server.URI(), database))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var exportTook = regexp.MustCompile(`in ([0-9.]+)s`)

// exports measures an export, beside a cursor that reads the same documents in the
// same order.
func (b *taskBench) exports(size int) (bench.TaskRow, error) {
	return b.exportsBeside("export", size, "read", "by-id")
}

// exportsUnordered measures it beside a cursor that takes the documents as they lie.
func (b *taskBench) exportsUnordered(size int) (bench.TaskRow, error) {
	return b.exportsBeside("export-unordered", size, "read")
}

func (b *taskBench) exportsBeside(task string, size int, loop ...string) (bench.TaskRow, error) {
	file := filepath.Join(b.folder, "items.ndjson")
	err := bench.WriteItems(file, size)
	if err == nil {
		_, err = b.sheaf("task_export", "import", bench.Items, file)
	}
	var seconds, against []float64
	memory := 0.0
	for round := 0; err == nil && round < 2*b.Rounds; round++ {
		if round%2 == 0 {
			var took float64
			if took, err = b.loop("task_export", loop...); b.Against != "" {
				against = append(against, took)
			}
			continue
		}
		var ran bench.Task
		if ran, err = b.sheaf("task_export", "export", bench.Items, os.DevNull); err != nil {
			break
		}
		match := exportTook.FindStringSubmatch(ran.Stderr)
		if match == nil {
			return bench.TaskRow{}, fmt.Errorf("an export printed %q", ran.Stderr)
		}
		took, _ := strconv.ParseFloat(match[1], 64)
		seconds, memory = append(seconds, took), max(memory, ran.Memory)
	}
	if err != nil {
		return bench.TaskRow{}, err
	}
	return bench.NewTaskRow(task, size, seconds, against, memory), store.Drop(b.ctx, b.server.URI(), "task_export")
}

// plans measures a plan of collections that are as the schema asks for.
func (b *taskBench) plans(size int) (bench.TaskRow, error) {
	const database = "task_plan"
	folder := filepath.Join(b.folder, "plan")
	flags := []string{"--schema", folder, "--migrations", filepath.Join(folder, "migrations")}
	err := bench.WriteGrowthSchema(folder, size)
	for _, args := range [][]string{{"new", "all", "--from", "files"}, {"up"}} {
		if err == nil {
			_, err = b.sheaf(database, append(append([]string{"migrate"}, args...), flags...)...)
		}
	}
	var seconds []float64
	memory := 0.0
	for range b.Rounds {
		if err != nil {
			return bench.TaskRow{}, err
		}
		var task bench.Task
		task, err = b.sheaf(database, append([]string{"migrate", "plan"}, flags...)...)
		seconds, memory = append(seconds, task.Took.Seconds()), max(memory, task.Memory)
	}
	return bench.NewTaskRow("plan", size, seconds, nil, memory), errors.Join(err, store.Drop(b.ctx, b.server.URI(), database))
}
