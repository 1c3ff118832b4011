package engine

import (
	"context"
	"slices"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/importer"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Import puts the documents of a stream into a collection, as importer.Run has it.
// It fails as MayImport.
func (e *Engine) Import(ctx context.Context, o importer.Options) (importer.Counts, error) {
	if err := e.MayImport(ctx, o.Collection, o.Mode); err != nil {
		return importer.Counts{}, err
	}
	o.Store, o.Collection = e.store, o.Collection.Declared()
	return importer.Run(ctx, o)
}

// MayImport is Forbidden to a caller who may not use the collection, or whose rules
// are held against each document: an import keeps what the service else decides,
// such as versions, and tells of what is there.
func (e *Engine) MayImport(ctx context.Context, c *schema.Collection, mode importer.Mode) error {
	caller := auth.From(ctx)
	if err := reaches(caller, c.Name, ""); err != nil {
		return err
	}
	actions := []schema.Action{schema.Reading, schema.Creating}
	if mode != importer.Create {
		actions = append(actions, schema.Updating)
	}
	for _, a := range actions {
		if err := mayAll(caller, c, a); err != nil {
			return err
		}
	}
	for _, ref := range c.References {
		if !c.Beside(ref.To).Grant.Whole() {
			return fault.New(fault.Forbidden, "the documents of %s refer to %s, and an import is for callers who may read all of that", c.Name, ref.To)
		}
	}
	return nil
}

// mayAll refuses a caller whose rules of an action admit some documents alone, or
// some of their fields.
func mayAll(caller *auth.Principal, c *schema.Collection, a schema.Action) error {
	denied := func(f *fault.Error) error {
		return fault.Wrap(&Denial{Action: a, Collection: c.Name}, f.Code, "%s", f.Detail)
	}
	if err := c.Allows(a); err != nil {
		return denied(fault.From(err))
	}
	p := permitOf(caller, c, a)
	if p == nil || slices.ContainsFunc(p.rules, func(s settled) bool { return s.where == nil && s.Fields == nil && s.set == nil }) {
		return nil
	}
	return denied(fault.New(fault.Forbidden, "this caller may %s some documents of %s alone, or some of their fields, and an import asks for all", a, c.Name))
}
