// Package seed stores fixtures: documents with names, by collection, that refer
// to one another by these.
//
// A fixture keeps its id: what is derived from its name where ids are generated,
// and else what it was given first. A collection of the service's own remembers
// which fixture is stored under which id, and as what, so that the same files
// again store nothing, and a changed fixture replaces its document.
package seed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Counts is what became of the fixtures.
type Counts struct {
	Created, Updated, Unchanged int
	// Transactions is how many took part in it.
	Transactions int
}

// fixture is a document of a file.
type fixture struct {
	collection *schema.Collection
	name       string
	// key is the name in its file, node the document.
	key, node *schema.Node
	// given is the id that stands in the document, the zero value for none.
	given bson.RawValue

	// id is the zero value until it is known.
	id   bson.RawValue
	body []byte
	hash string
	// refers are the fixtures that the document refers to.
	refers []*fixture
	// known is set where the memory has it, stored where the document is there.
	known, stored bool
	unchanged     bool
}

// Set are the fixtures of some files, which fit a model.
type Set struct {
	model    *schema.Model
	fixtures []*fixture
	// byName has them by collection and name.
	byName   map[string]map[string]*fixture
	problems schema.Problems
	// astray are the places of names that lead nowhere.
	astray map[schema.Problem]bool
}

// Len is how many fixtures there are.
func (s *Set) Len() int { return len(s.fixtures) }

// maxTogether is how many fixtures one transaction stores.
const maxTogether = 1000

// Store stores the fixtures: as many as fit into one transaction all or none,
// and else those that others refer to first. What is in the way is *Problems
// with the places in the files; any other error is of the database. The counts
// are those of what was stored.
func (s *Set) Store(ctx context.Context, e *engine.Engine, db *store.Store) (Counts, error) {
	var counts Counts
	if err := s.prepare(ctx, db); err != nil {
		return counts, err
	}
	for some := range slices.Chunk(s.inOrder(), maxTogether) {
		changed := slices.DeleteFunc(slices.Clone(some), func(f *fixture) bool { return f.unchanged })
		if len(changed) > 0 {
			if err := s.storeSome(ctx, e, db, changed); err != nil {
				return counts, err
			}
			counts.Transactions++
		}
		for _, f := range some {
			switch {
			case f.unchanged:
				counts.Unchanged++
			case f.stored:
				counts.Updated++
			default:
				counts.Created++
			}
		}
	}
	return counts, nil
}

// prepare finds out what is stored, and gives every fixture its id.
func (s *Set) prepare(ctx context.Context, db *store.Store) error {
	if err := s.recall(ctx, db); err != nil {
		return err
	}
	if err := s.identify(ctx, db); err != nil {
		return err
	}
	if err := s.find(ctx, db); err != nil {
		return err
	}
	for _, f := range s.fixtures {
		s.write(f)
		own := sha256.Sum256(f.body)
		hash := hex.EncodeToString(own[:])
		f.unchanged = f.known && f.stored && f.hash == hash
		f.hash = hash
		if f.stored && !f.known && !f.collection.ID.Generated() {
			s.problems.Add(f.key, "%s has a document with the id of %s, which was not stored as a fixture; give this one another id, or delete that", f.collection.Name, f.name)
		}
	}
	return s.problems.Err()
}

// identify gives ids to the fixtures that have none yet.
func (s *Set) identify(ctx context.Context, db *store.Store) error {
	waiting := map[string][]*fixture{}
	for _, f := range s.fixtures {
		switch {
		case f.known && f.given.Type != 0 && store.IDKey(f.given) != store.IDKey(f.id):
			s.problems.Add(f.key, "the id of %s in %s was another before, and an id never changes; give the document another name too", f.name, f.collection.Name)
		case f.known:
		case f.given.Type != 0:
			f.id = f.given
		case f.collection.ID == schema.Increment:
			waiting[f.collection.Name] = append(waiting[f.collection.Name], f)
		case f.collection.ID == schema.String:
			f.id = bsonjson.StringValue(f.name)
		default:
			sum := sha256.Sum256([]byte("sheaf seed\x00" + f.collection.Name + "\x00" + f.name))
			f.id = f.collection.ID.Derive([16]byte(sum[:16]))
		}
	}
	for name, list := range waiting {
		first, err := db.NextIDs(ctx, name, len(list))
		if err != nil {
			return err
		}
		for i, f := range list {
			f.id = bsonjson.IntValue(first + int64(i))
		}
	}
	return nil
}

// find notes which documents are there.
func (s *Set) find(ctx context.Context, db *store.Store) error {
	for _, list := range s.byCollection() {
		for some := range slices.Chunk(list, maxTogether) {
			ids := make([]bson.RawValue, len(some))
			for i, f := range some {
				ids[i] = f.id
			}
			there, err := db.Existing(ctx, some[0].collection.Name, ids, false)
			if err != nil {
				return err
			}
			for _, f := range some {
				f.stored = there.Has(f.id)
			}
		}
	}
	return nil
}

func (s *Set) byCollection() map[string][]*fixture {
	lists := map[string][]*fixture{}
	for _, f := range s.fixtures {
		lists[f.collection.Name] = append(lists[f.collection.Name], f)
	}
	return lists
}

// inOrder returns the fixtures so that each comes after those that it refers to,
// where they do not refer to one another.
func (s *Set) inOrder() []*fixture {
	var list []*fixture
	seen := map[*fixture]bool{}
	var visit func(*fixture)
	visit = func(f *fixture) {
		if seen[f] {
			return
		}
		seen[f] = true
		for _, other := range f.refers {
			visit(other)
		}
		list = append(list, f)
	}
	for _, f := range s.fixtures {
		visit(f)
	}
	return list
}

// storeSome stores fixtures in one transaction: new documents at once, so that
// they may refer to each other in any order, after changed ones that refer to
// nothing, which can give up unique values, and before the other changed ones.
func (s *Set) storeSome(ctx context.Context, e *engine.Engine, db *store.Store, some []*fixture) error {
	rank := func(f *fixture) int {
		switch {
		case !f.stored:
			return 1
		case len(f.collection.References) == 0:
			return 0
		}
		return 2
	}
	slices.SortStableFunc(some, func(a, b *fixture) int { return rank(a) - rank(b) })
	writes := make([]engine.Write, len(some))
	for i, f := range some {
		writes[i] = f.asWrite(i)
	}
	err := db.InTransaction(ctx, func(ctx context.Context) error {
		if _, err := e.Apply(ctx, writes...); err != nil {
			return err
		}
		return remember(ctx, db, some)
	})
	return s.located(err, some)
}

func (f *fixture) asWrite(i int) engine.Write {
	place := fmt.Sprintf("/%d", i)
	w := engine.Write{Verb: engine.Create, Collection: f.collection, Body: f.body, Place: place, Pointer: place, Minimal: true}
	if f.stored {
		w.Verb = engine.Replace
	}
	if f.stored || f.given.Type == 0 {
		w.ID = f.id
	}
	return w
}

// errElsewhere tells that another seed stored the same fixtures meanwhile.
var errElsewhere = errors.New("another seed stores the same fixtures; try again when it is done")

// located turns faults of writes into problems with places in the files.
func (s *Set) located(err error, of []*fixture) error {
	told := fault.From(err)
	if err == nil || len(told.Items) == 0 {
		return err
	}
	s.place(told.Items, of)
	if len(s.problems) == 0 {
		return err
	}
	return s.problems.Err()
}
