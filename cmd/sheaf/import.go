package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/importer"
	"github.com/sheafdb/sheaf/internal/schema"
)

// importCommand puts the documents of a file into a collection.
type importCommand struct {
	Collection string `arg:"" help:"The collection, as the schema names it."`
	File       string `arg:"" help:"NDJSON, a JSON array, or JSON documents in a row; MongoDB's Extended JSON too. - is the standard input."`
	Mode       string `name:"mode" enum:"create,upsert,merge" default:"create" help:"What becomes of a document that is there already: create leaves it, and refuses another content; upsert replaces it; merge changes it by a merge patch (RFC 7396)."`
	Refused    string `name:"refused" placeholder:"PATH" help:"File for the documents that are refused, with reasons: FILE.refused.ndjson where it is left out."`
}

// Run imports the file and prints the counts. Documents that are refused are an
// error; the others are imported all the same.
func (c *importCommand) Run(ctx context.Context, a *app) error {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	collection, ok := model.Lookup(c.Collection)
	if !ok {
		return unknownCollection(model, c.Collection)
	}
	input, size, err := c.open(a)
	if err != nil {
		return err
	}
	defer func() { _ = input.Close() }()
	return c.into(ctx, a, model, importer.Options{Collection: collection, Mode: modes[c.Mode], Input: input}, size)
}

var modes = map[string]importer.Mode{"create": importer.Create, "upsert": importer.Upsert, "merge": importer.Merge}

// open opens the file. Its size is -1 where it is not known.
func (c *importCommand) open(a *app) (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(a.stdin), -1, nil
	}
	file, err := os.Open(c.File)
	if err != nil {
		return nil, 0, usageError("cannot read the file: " + err.Error())
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if refused, e := os.Stat(c.refusedPath()); e == nil && err == nil && os.SameFile(info, refused) {
		err = errors.New("it is also where refused documents would go; name another by --refused")
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, usageError(fmt.Sprintf("cannot import %s: %v", c.File, err))
	}
	if !info.Mode().IsRegular() {
		return file, -1, nil
	}
	return file, info.Size(), nil
}

func (c *importCommand) refusedPath() string {
	switch {
	case c.Refused != "":
		return c.Refused
	case c.File == "-":
		return filepath.Base(c.Collection) + ".refused.ndjson"
	}
	return c.File + ".refused.ndjson"
}

// into opens the database, sees to its collections and imports.
func (c *importCommand) into(ctx context.Context, a *app, model *schema.Model, o importer.Options, size int64) (err error) {
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	if err := a.prepare(ctx, db, model, silent{}); err != nil {
		return err
	}
	started := time.Now()
	meter := newMeter(a.stderr, c.Collection, size, progressbar.OptionShowBytes(true))
	refused := &refusedFile{path: c.refusedPath(), named: c.Refused != ""}
	o.Store, o.Now, o.Progress, o.Told = db.Store, started, showImport(meter), refused.told
	counts, err := importer.Run(ctx, o)
	meter.finish()
	_, dangling := errors.AsType[*importer.DanglingError](err)
	if whole := err == nil || dangling; !whole {
		c.tellPoint(a.stderr, counts, err)
	}
	err = errors.Join(c.explain(err), refused.close(err == nil || dangling))
	return errors.Join(err, c.summary(a.stdout, counts, time.Since(started)))
}

// tellPoint says how far an import came that did not come to its end.
func (c *importCommand) tellPoint(w io.Writer, n importer.Counts, why error) {
	next := "the same command again"
	if _, ok := errors.AsType[*importer.InputError](why); ok { // it would end there again
		next = "the same command on good input"
	}
	_, _ = fmt.Fprintf(w, "sheaf: stopped after line %d, byte %d of %s: all before is dealt with, and %s goes on from there\n", n.Line, n.Bytes, inputName(c.File), next)
}

func inputName(file string) string {
	if file == "-" {
		return "the standard input"
	}
	return file
}

// summary prints the counts, and is an error where documents were refused.
func (c *importCommand) summary(w io.Writer, n importer.Counts, took time.Duration) error {
	changed := ""
	if c.Mode != "create" {
		changed = fmt.Sprintf("changed %d, ", n.Changed)
	}
	_, err := fmt.Fprintf(w, "read %d, imported %d, %salready there %d, refused %d, in %.1fs\n",
		n.Read, n.Imported, changed, n.Present, n.Refused, took.Seconds())
	if n.Refused > 0 {
		return errors.Join(err, fmt.Errorf("%d %s refused; %s has the reasons", n.Refused, wereDocuments(n.Refused), c.refusedPath()))
	}
	return err
}

func wereDocuments(n int64) string {
	if n == 1 {
		return "document was"
	}
	return "documents were"
}

// explain says what to do about input that cannot be read.
func (c *importCommand) explain(err error) error {
	if e, ok := errors.AsType[*importer.InputError](err); ok && e.Filter != "" {
		return fmt.Errorf("%w; try %s %s | sheaf import %s -", e, e.Filter, c.File, c.Collection)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return errors.New(plainText(err))
	}
	return err
}
