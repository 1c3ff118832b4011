package schema

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// A view is the model as one kind of callers knows it: each collection with its
// Grant, and without the fields and relations that these callers may not speak
// of. So what names one of those is refused by the same code, and in the same
// words, as what names nothing at all.

// views keeps those that were made, by the mask of their callers.
type views struct {
	mu   sync.RWMutex
	made map[uint64]*Model
}

// maxViews bounds the views that are kept; who has more kinds of callers waits
// for theirs to be made.
const maxViews = 1000

// As returns the model as a caller knows it: the model itself where no rule says
// otherwise.
func (m *Model) As(caller Caller) *Model {
	if !m.ruled {
		return m
	}
	mask := m.vocabulary.mask(caller)
	m.views.mu.RLock()
	view := m.views.made[mask]
	m.views.mu.RUnlock()
	if view != nil {
		return view
	}
	view = m.view(mask)
	m.views.mu.Lock()
	defer m.views.mu.Unlock()
	if other := m.views.made[mask]; other != nil {
		return other
	}
	if m.views.made == nil {
		m.views.made = map[uint64]*Model{}
	}
	if len(m.views.made) < maxViews {
		m.views.made[mask] = view
	}
	return view
}

func (m *Model) view(mask uint64) *Model {
	view := &Model{Hash: m.Hash, Files: m.Files, byName: maps.Clone(m.byName)}
	for _, c := range m.Collections {
		own := *c
		own.origin, own.Model, own.Grant = c, view, c.grant(m.vocabulary, mask)
		own.narrow()
		view.Collections = append(view.Collections, &own)
		view.byName[c.Name] = &own
	}
	for _, c := range view.Collections {
		c.Relations = c.knownRelations(c.Relations)
		c.CreateFields = createFields(c)
	}
	return view
}

// Declared returns the collection as its file declares it, which a view narrows.
func (c *Collection) Declared() *Collection {
	if c.origin == nil {
		return c
	}
	return c.origin
}

// Beside returns another collection as the caller of this one knows it.
func (c *Collection) Beside(name string) *Collection {
	other, _ := c.Model.Lookup(name)
	return other
}

// Readable fails where the caller may read no document, whatever is stored.
func (c *Collection) Readable() error { return c.Allows(Reading) }

// Allows fails where there is no document that the caller could do something
// with.
func (c *Collection) Allows(a Action) error {
	if c.Grant.Admits(a) {
		return nil
	}
	return fault.New(fault.Forbidden, "no rule lets this caller %s documents of %s", a, c.Name)
}

// narrow leaves out what the caller may not speak of.
func (c *Collection) narrow() {
	if c.Grant == nil {
		return
	}
	c.ChangeFields = c.only(c.ChangeFields, func(name string) bool { return c.Grant.Names(name) || c.Grant.writes(Updating, name) })
	c.creatable = c.only(c.creatable, func(name string) bool { return c.Grant.Names(name) || c.Grant.writes(Creating, name) })
	known := c.only(c.Fields, c.Grant.Names)
	if known == c.Fields {
		return
	}
	top := *c.rules
	top.shape = &bsonjson.Shape{Kind: bsonjson.Object, Fields: known}
	top.members = slices.DeleteFunc(slices.Clone(top.members), func(r *rules) bool { return !c.Grant.Names(r.name) })
	c.rules, c.Fields = &top, known
	c.Indexes = slices.DeleteFunc(slices.Clone(c.Indexes), func(index Index) bool { return !c.names(index) })
	c.KeyFields = keyFields(c)
}

// only returns those of some fields that the caller knows. What is left is never
// open: a field that is hidden must not come back as one that nobody declared.
func (c *Collection) only(fields *bsonjson.Fields, known func(string) bool) *bsonjson.Fields {
	left := slices.DeleteFunc(slices.Clone(fields.All()), func(f bsonjson.Field) bool { return !known(f.Name) })
	if len(left) == len(fields.All()) && c.Grant.hidesNothing(known) {
		return fields
	}
	return bsonjson.NewFields(left, false)
}

// hidesNothing reports whether every field that a rule names is known: an open
// collection's rules can name fields that are not declared.
func (g *Grant) hidesNothing(known func(string) bool) bool {
	const unnamed = "\x00" // stands for all that no rule names
	if !known(unnamed) {
		return false
	}
	for _, list := range g.rules {
		for _, r := range list {
			if r.Fields != nil && slices.ContainsFunc(r.Fields.names, func(name string) bool { return !known(name) }) {
				return false
			}
		}
	}
	return true
}

// names reports whether the caller knows all fields of an index.
func (c *Collection) names(index Index) bool {
	knows := func(path string) bool {
		name, _, _ := strings.Cut(path, ".")
		return c.Grant.Names(name)
	}
	return !slices.ContainsFunc(index.Fields, func(path string) bool { return !knows(path) }) &&
		!slices.ContainsFunc(index.Partial, func(e bson.E) bool { return !knows(e.Key) })
}

// knownRelations leaves out the relations that go by a field of which the caller
// may not speak, and those to documents that it may not read.
func (c *Collection) knownRelations(relations []Relation) []Relation {
	var known []Relation
	for _, relation := range relations {
		target, _ := c.Model.Lookup(relation.Target)
		holder := target
		if relation.Kind == BelongsTo {
			holder = c
		}
		name, _, _ := strings.Cut(relation.By, ".")
		if target.Grant.Admits(Reading) && holder.Grant.Names(name) && c.Grant.Admits(Reading) {
			relation.Collection = target
			known = append(known, relation)
		}
	}
	return known
}

// Missing returns the fields that a body of a new document cannot have, though
// they have defaults; nil for none.
func (c *Collection) Missing() *bsonjson.Fields {
	if c.origin == nil || c.creatable == c.origin.creatable {
		return nil
	}
	var missing []bsonjson.Field
	for _, f := range c.origin.Fields.All() {
		if _, known := c.creatable.Lookup([]byte(f.Name)); !known && f.Default != nil {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return bsonjson.NewFields(missing, false)
}

// Creatable are the fields that the body of a new document can have.
func (c *Collection) Creatable() *bsonjson.Fields { return c.creatable }
