package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/seed"
)

// seedCommand stores fixtures.
type seedCommand struct {
	Files []string `arg:"" name:"file" help:"Documents with names by collection, as YAML or JSON."`
}

// Run reads and checks all files before it opens the database.
func (c *seedCommand) Run(ctx context.Context, a *app) (err error) {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	files, err := c.read()
	if err != nil {
		return err
	}
	set, err := seed.Read(ctx, model, files)
	if err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	if err := a.prepare(ctx, db, model, silent{}); err != nil {
		return err
	}
	counts, err := set.Store(ctx, engine.New(db.Store, model), db.Store)
	if err != nil {
		return seedError(ctx, err, counts, set.Len())
	}
	_, err = fmt.Fprintf(a.stdout, "%d created, %d updated, %d unchanged\n", counts.Created, counts.Updated, counts.Unchanged)
	return err
}

func (c *seedCommand) read() ([]schema.File, error) {
	var files []schema.File
	for _, path := range c.Files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, usageError("cannot read the file: " + err.Error())
		}
		files = append(files, schema.File{Name: path, Text: text})
	}
	return files, nil
}

// seedError tells how far a seed came.
func seedError(ctx context.Context, err error, done seed.Counts, of int) error {
	uncertain := ""
	if fault.Is(err, fault.DatabaseUnavailable) || fault.Is(err, fault.Timeout) {
		uncertain = " (or a transaction more, of which the answer was lost)"
	}
	point := "nothing was stored" + uncertain
	if n := done.Created + done.Updated; n > 0 {
		point = fmt.Sprintf("%d of %d documents were seen to%s, and the same command again does the others", n+done.Unchanged, of, uncertain)
	}
	if problems, ok := errors.AsType[*schema.Problems](err); ok {
		problems.Note(schema.Problem{Message: point})
		return problems
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; %s", point)
	}
	return fmt.Errorf("%s; %s", plainText(err), point)
}
