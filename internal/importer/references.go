package importer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// An import stores documents whose references lead nowhere: what they lead to
// can come later in the same input, or with the next import. So references are
// looked at beside, batch by batch, and those that led nowhere once more at the
// end. It does not keep what it has found from being deleted meanwhile.

// maxUnresolved bounds the ids that are kept to be looked at once more.
const maxUnresolved = 100_000

// DanglingError tells that all is imported, and that some references lead to no
// document.
type DanglingError struct {
	// References is how many there are; of some imports there are More.
	References int64
	More       bool
	// Line and Pointer lead to the first, which should lead to a document of To.
	Line        int64
	Pointer, To string
}

// Error says what to do.
func (e *DanglingError) Error() string {
	count := "1 reference leads"
	if e.References != 1 || e.More {
		count = fmt.Sprintf("%d references lead", e.References)
	}
	if e.More {
		count = "at least " + count
	}
	return fmt.Sprintf("%s to no document, the first by %s in line %d, to %s; the documents are imported, so import what they refer to as well",
		count, e.Pointer, e.Line, e.To)
}

// unresolved is an id that no document had when it was looked for.
type unresolved struct {
	id         bson.RawValue
	references int64
	// line and pointer lead to the first reference to it.
	line    int64
	pointer string
}

// resolver looks for what references lead to.
type resolver struct {
	store      *store.Store
	collection *schema.Collection
	// left are the ids that were not found, by collection and key, kept of them.
	left map[string]map[string]*unresolved
	kept int
	more bool
}

func newResolver(s *store.Store, c *schema.Collection) *resolver {
	return &resolver{store: s, collection: c, left: map[string]map[string]*unresolved{}}
}

// batch looks at the references of the documents of a batch that are stored.
func (r *resolver) batch(ctx context.Context, documents []*document) error {
	if len(r.collection.References) == 0 {
		return nil
	}
	met := map[string]map[string]*unresolved{}
	for _, d := range documents {
		if d.outcome == Pending || d.outcome == Refused {
			continue
		}
		for _, ref := range r.collection.Refs(d.decoded.Body) {
			to, key := r.collection.References[ref.Reference].To, store.IDKey(ref.ID)
			if met[to] == nil {
				met[to] = map[string]*unresolved{}
			}
			if met[to][key] == nil {
				met[to][key] = &unresolved{id: ref.ID, line: d.line, pointer: ref.Pointer}
			}
			met[to][key].references++
		}
	}
	if err := r.drop(ctx, met); err != nil {
		return err
	}
	r.keep(met)
	return nil
}

// drop takes the ids out that documents have.
func (r *resolver) drop(ctx context.Context, among map[string]map[string]*unresolved) error {
	for to, ids := range among {
		var list []bson.RawValue
		for _, u := range ids {
			list = append(list, u.id)
		}
		for some := range slices.Chunk(list, batchDocuments) {
			err := store.Persist(ctx, func(int) error {
				there, err := r.store.Existing(ctx, to, some, false)
				for key := range there {
					delete(ids, key)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *resolver) keep(met map[string]map[string]*unresolved) {
	for to, ids := range met {
		if r.left[to] == nil {
			r.left[to] = map[string]*unresolved{}
		}
		for key, u := range ids {
			switch before := r.left[to][key]; {
			case before != nil:
				before.references += u.references
			case r.kept == maxUnresolved:
				r.more = true
			default:
				u.id.Value = slices.Clone(u.id.Value)
				r.left[to][key], r.kept = u, r.kept+1
			}
		}
	}
}

// end looks once more for what was not found, and tells what is not there.
func (r *resolver) end(ctx context.Context) error {
	if err := r.drop(ctx, r.left); err != nil {
		return err
	}
	e := &DanglingError{More: r.more}
	for to, ids := range r.left {
		for _, u := range ids {
			e.References += u.references
			if e.Line == 0 || u.line < e.Line || u.line == e.Line && strings.Compare(u.pointer, e.Pointer) < 0 {
				e.Line, e.Pointer, e.To = u.line, u.pointer, to
			}
		}
	}
	if e.References == 0 {
		return nil
	}
	return e
}
