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
// It fails with Forbidden where the caller may not use the collection, or where
// its rules are held against each document: an import keeps what the service else
// decides, such as versions, and tells of what is there.
func (e *Engine) Import(ctx context.Context, o importer.Options) (importer.Counts, error) {
	caller := auth.From(ctx)
	if err := reaches(caller, o.Collection.Name, ""); err != nil {
		return importer.Counts{}, err
	}
	actions := []schema.Action{schema.Reading, schema.Creating}
	if o.Mode != importer.Create {
		actions = append(actions, schema.Updating)
	}
	for _, a := range actions {
		if err := mayAll(caller, o.Collection, a); err != nil {
			return importer.Counts{}, err
		}
	}
	o.Store = e.store
	return importer.Run(ctx, o)
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
