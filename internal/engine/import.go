package engine

import (
	"context"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/importer"
)

// Import puts the documents of a stream into a collection, as importer.Run has it,
// Forbidden where the caller may not use the collection.
func (e *Engine) Import(ctx context.Context, o importer.Options) (importer.Counts, error) {
	if err := reaches(auth.From(ctx), o.Collection.Name, ""); err != nil {
		return importer.Counts{}, err
	}
	o.Store = e.store
	return importer.Run(ctx, o)
}
