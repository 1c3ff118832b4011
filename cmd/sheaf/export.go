package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// exportCommand writes the documents of a collection to a file.
type exportCommand struct {
	Collection string `arg:"" help:"The collection, as the schema names it."`
	File       string `arg:"" optional:"" default:"-" help:"Where to; it is there once it is whole, and FILE.part until then. - is the standard output."`
	Format     string `name:"format" enum:"ndjson,ejson" default:"ndjson" help:"ndjson is the JSON of the API, ejson MongoDB's canonical Extended JSON; one document a line in both."`
	Filter     string `name:"filter" placeholder:"JSON" help:"Conditions as a list takes them."`
	Select     string `name:"select" placeholder:"FIELDS" help:"Fields, separated by commas; each with - before it for all but those."`
	Deleted    string `name:"deleted" enum:"no,include,only" default:"no" help:"Documents that were deleted and are kept: no leaves them out, include has them too, only has them alone."`
	Resume     bool   `name:"resume" help:"Go on where the same export stopped before."`
}

// Run exports, and prints the counts on standard error.
func (c *exportCommand) Run(ctx context.Context, a *app) error {
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
	plan, err := c.plan(a, collection)
	if err != nil {
		return err
	}
	out, err := c.open(a, collection)
	if err != nil {
		return err
	}
	return errors.Join(c.from(ctx, a, model, plan, out), out.close())
}

// plan reads what is to be exported.
func (c *exportCommand) plan(a *app, collection *schema.Collection) (*query.Plan, error) {
	values := url.Values{}
	if c.Filter != "" {
		values.Set("filter", c.Filter)
	}
	if c.Select != "" {
		values.Set("select", c.Select)
	}
	if c.Deleted != "no" {
		values.Set("deleted", c.Deleted)
	}
	plan, err := query.ParseExport(values, listLimits(a.config.HTTP)).Plan(collection)
	if err == nil {
		return plan, nil
	}
	text := "--filter, --select or --deleted is not valid"
	for _, item := range fault.From(err).Items {
		text += "; " + item.Pointer + " " + item.Detail
	}
	return nil, usageError(text)
}

// exportPatience is how long an export waits for a database that cannot be reached.
const exportPatience = 30 * time.Second

// from opens the database and exports.
func (c *exportCommand) from(ctx context.Context, a *app, model *schema.Model, plan *query.Plan, out *exportFile) (err error) {
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	size := int64(-1)
	if plan.Where == nil {
		if n, err := db.Store.EstimatedCount(ctx, plan.Collection.Name); err == nil {
			size = n
		}
	}
	x := &engine.Export{Plan: plan, After: out.after, At: out.at, Patience: exportPatience}
	meter, started := newMeter(a.stderr, c.Collection, size), time.Now()
	err = engine.New(db.Store, model).Export(ctx, x, func(docs []bson.Raw) error {
		if err := out.write(docs, x.At); err != nil {
			return err
		}
		meter.show(out.documents, out.documents, "")
		return nil
	})
	if err == nil {
		err = out.finish()
	}
	meter.finish()
	c.tell(a.stderr, x, out, err == nil, time.Since(started))
	return c.explain(err)
}

// tell says how much was exported, and as of when; of an export that stopped, up
// to where.
func (c *exportCommand) tell(w io.Writer, x *engine.Export, out *exportFile, whole bool, took time.Duration) {
	switch {
	case whole:
		_, _ = fmt.Fprintf(w, "exported %d documents, %d bytes, in %.3fs\n", out.documents, out.size, took.Seconds())
	case x.After.Type == 0:
		_, _ = fmt.Fprintln(w, "sheaf: stopped before the first document")
	case out.resumable():
		_, _ = fmt.Fprintf(w, "sheaf: stopped after the id %s, with %d documents in %s; the same command with --resume goes on from there\n",
			bsonjson.AppendValue(nil, x.After), out.documents, out.part)
	default:
		_, _ = fmt.Fprintf(w, "sheaf: stopped after the id %s, with %d documents written; what is left has greater ids\n",
			bsonjson.AppendValue(nil, x.After), out.documents)
	}
	for _, moment := range x.Moments {
		_, _ = fmt.Fprintf(w, "sheaf: MongoDB kept that moment no longer: the documents after the id %s are as of %s\n",
			bsonjson.AppendValue(nil, moment.After), time.Unix(int64(moment.At.T), 0).UTC().Format(time.RFC3339))
	}
}

func (c *exportCommand) explain(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return errors.New(plainText(err))
	}
	return err
}
