package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kong"

	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/observe"
)

// grammar is the command line: the settings, which every command takes, and the
// commands, each in the file of its name.
type grammar struct {
	Config config.Config `embed:""`

	Serve   serveCommand   `cmd:"" help:"Serve the collections of the schema folder over HTTP."`
	Migrate migrateCommand `cmd:"" help:"Change the database by migration files, step by step."`
	Dev     devCommand     `cmd:"" help:"Serve while schema files are written: apply what is safe, and tell what is not."`
	Schema  schemaCommand  `cmd:"" help:"Check and show schema files."`
	Import  importCommand  `cmd:"" help:"Import the documents of a JSON or NDJSON file into a collection."`
	Keys    keysCommand    `cmd:"" help:"Create, list, revoke and rotate API keys."`
	Export  exportCommand  `cmd:"" help:"Export the documents of a collection to a file, as they are at one moment."`
	Seed    seedCommand    `cmd:"" help:"Store documents with names, which refer to one another, from files: again and again without doing it twice."`
	Bench   benchCommand   `cmd:"" help:"Put load on a service and measure the rate, the latencies and the errors."`
	Mongod  mongodCommand  `cmd:"" help:"Print the URI of the data folder's private mongod; start it where none runs."`
	Show    configCommand  `cmd:"" name:"config" help:"Print the effective settings and where each comes from."`
	Health  healthCommand  `cmd:"" help:"Ask the service on this machine whether it is ready, as a health check of a container."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

const description = "A validated document store over MongoDB. Settings come from flags, the environment, a .env file and the profile, in this order."

// app is what the commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	config *config.Config
	report *config.Report
	log    *slog.Logger
}

// run parses the command line, reads the settings and runs the command.
func (a *app) run(ctx context.Context, args, environ []string) error {
	cli, reader, helped := &grammar{}, config.NewReader(environ), false
	parser, err := kong.New(cli, reader,
		kong.Name("sheaf"), kong.Description(description),
		kong.Writers(a.stdout, a.stderr), kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{FlagsLast: true, Compact: true}))
	if err != nil {
		return fmt.Errorf("the command line is ill defined: %w", err)
	}
	command, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return err
	}
	a.config, a.report = &cli.Config, reader.Read(&cli.Config)
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(a)
}

// settled returns an error where a setting is faulty. A command that uses the
// database calls settledDatabase in its place.
func (a *app) settled() error { return a.report.Err() }

// openLog makes the log, and writes to it what the settings gave reason to warn
// of.
func (a *app) openLog(ctx context.Context) error {
	log, err := observe.NewLogger(a.stderr, a.config.Log.Format, a.config.Log.Level)
	if err != nil {
		return err
	}
	a.log = log
	for _, warning := range a.report.Warnings() {
		log.WarnContext(ctx, warning)
	}
	return nil
}
