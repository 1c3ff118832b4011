package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/introspect"
	"github.com/sheafdb/sheaf/internal/schema"
)

// schemaPullCommand writes schema files for a database that is there.
type schemaPullCommand struct {
	Out         string   `name:"out" default:"schema" placeholder:"DIR" help:"The folder that the files are written to, one a collection."`
	Collections []string `name:"collection" placeholder:"NAME" help:"Only these collections; those of the service's own are always left out."`
	Sample      int      `name:"sample" default:"10000" placeholder:"N" help:"How many documents of a collection are read; all where there are no more."`
	Force       bool     `name:"force" help:"Write over files that are there."`
}

// pullTimeout bounds what is asked of the database.
const pullTimeout = time.Hour

// Run looks at the database, and writes the files when all is known.
func (c *schemaPullCommand) Run(ctx context.Context, a *app) (err error) {
	if c.Sample < 1 {
		return usageError("--sample takes a number from 1")
	}
	if err := a.settledDatabase(); err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	limited, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	result, err := introspect.Run(limited, db.Store, introspect.Options{Collections: c.Collections, Sample: c.Sample, Progress: c.progress(a.stderr)})
	if err != nil {
		return pullError(ctx, err)
	}
	if err := c.write(result.Files); err != nil {
		return err
	}
	return c.tell(a.stdout, result)
}

// pullError says plainly why nothing was written.
func pullError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; nothing was written")
	case fault.Is(err, fault.UnknownCollection):
		return usageError(fault.From(err).Detail)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fmt.Errorf("%s; nothing was written", plainText(err))
	}
	return err
}

// progress shows the collection that is looked at, to people alone.
func (c *schemaPullCommand) progress(w io.Writer) func(string, int, int) {
	if !isTerminal(w) {
		return nil
	}
	return func(name string, place, of int) {
		_, _ = fmt.Fprintf(w, "\r\x1b[K%d/%d %s", place, of, name)
		if place == of {
			_, _ = fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// write writes all files, or none where one is there already.
func (c *schemaPullCommand) write(files []schema.File) error {
	var there []string
	for _, file := range files {
		path := filepath.Join(c.Out, file.Name)
		if _, err := os.Lstat(path); err == nil && !c.Force {
			there = append(there, path)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("%s there already, and nothing was written; name another folder by --out, or write over with --force", isOrAre(there))
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("the folder cannot be made: %w", err)
	}
	for i, file := range files {
		if err := writeWhole(filepath.Join(c.Out, file.Name), file.Text); err != nil {
			return fmt.Errorf("%w; %d of %d files were written", err, i, len(files))
		}
	}
	return nil
}

func isOrAre(paths []string) string {
	if len(paths) == 1 {
		return paths[0] + " is"
	}
	return strings.Join(paths, ", ") + " are"
}

// writeWhole writes a file so that there is never a part of it.
func writeWhole(path string, text []byte) error {
	part := path + ".part"
	err := os.WriteFile(part, text, 0o644) //nolint:gosec // for everybody to read
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return nil
}

// tell prints what was written, and what no schema file can say.
func (c *schemaPullCommand) tell(w io.Writer, result *introspect.Result) error {
	var out strings.Builder
	for i, found := range result.Found {
		fmt.Fprintf(&out, "%s: %d of %d documents read\n", filepath.Join(c.Out, result.Files[i].Name), found.Read, found.Documents)
		for _, limit := range found.Limits {
			fmt.Fprintf(&out, "  %s\n", limit)
		}
	}
	for _, skipped := range result.Skipped {
		fmt.Fprintf(&out, "%s: no file, %s\n", skipped.Name, skipped.Reason)
	}
	if len(result.Found)+len(result.Skipped) == 0 {
		out.WriteString("the database has no collections\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
