package schema

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/filter"
)

// Action is what a rule lets a caller do with documents.
type Action uint8

// The actions.
const (
	Reading Action = iota
	Creating
	Updating
	Deleting
	actionCount
)

// String returns the action as schema files name it.
func (a Action) String() string { return actionNames[a] }

var actionNames = []string{Reading: "read", Creating: "create", Updating: "update", Deleting: "delete"}

// Access is who may do what with the documents of a collection: for each action
// its rules, of which any one is enough. An action without rules is nobody's.
type Access struct {
	rules [actionCount][]*Rule
}

// Hides reports whether there are rules that show some callers a part of the
// documents alone.
func (a *Access) Hides() bool {
	return a != nil && slices.ContainsFunc(a.rules[Reading], func(r *Rule) bool { return r.Fields != nil })
}

// Rule lets callers do one thing with some documents.
type Rule struct {
	// Roles are those of which the caller has one; none are for everybody.
	Roles []string
	// Where is what a document fulfils, with parameters for what is known of the
	// caller; nil for every document.
	Where *filter.Bound
	// Set are the fields that get a value whatever the caller sends.
	Set []Assignment
	// Fields are those that are shown, or that may be written; nil for all.
	Fields *FieldList

	// needs are the parameters that must have values.
	needs []string
	// source is the rule as it was declared.
	source JSON
}

// Assignment is a field that gets a value, of a constant or a parameter.
type Assignment struct {
	Name string
	// Value is the constant; Parameter is empty for one.
	Value     bson.RawValue
	Parameter string
	Shape     *bsonjson.Shape
}

// FieldList is a set of the fields at the top of documents. System fields are in
// every one. A nil list has all fields.
type FieldList struct {
	names  []string
	except bool
	// kept says that deletedAt is a system field.
	kept bool
}

// Has reports whether a field is in the set, by its name in MongoDB or to
// clients.
func (l *FieldList) Has(name string) bool {
	if l == nil || name == "_id" || systemOf(name) != bsonjson.NotSystem || l.kept && name == DeletedAt {
		return true
	}
	return slices.Contains(l.names, name) != l.except
}

// within reports whether a set has no field that another has not.
func (l *FieldList) within(other *FieldList) bool {
	switch {
	case other == nil:
		return true
	case l == nil:
		return false
	case !l.except:
		return !slices.ContainsFunc(l.names, func(name string) bool { return !other.Has(name) })
	}
	return other.except && !slices.ContainsFunc(other.names, func(name string) bool { return l.Has(name) })
}

// Caller is who asks, as far as rules ask about that.
type Caller interface {
	HasRole(role string) bool
	// Claim returns what is known of the caller under a name.
	Claim(name string) (any, bool)
}

// Grant is what a caller may do with the documents of a collection: the rules
// that can apply to it.
type Grant struct {
	rules [actionCount][]*Rule
}

// Rules returns the rules of an action that can apply to the caller.
func (g *Grant) Rules(a Action) []*Rule { return g.rules[a] }

// Admits reports whether there is a document that the caller could do something
// with: without one it is refused whatever is stored. Who may not read may
// neither change nor delete.
func (g *Grant) Admits(a Action) bool {
	if g == nil {
		return true
	}
	return len(g.rules[a]) > 0 && (a == Reading || a == Creating || len(g.rules[Reading]) > 0)
}

// Whole reports whether the caller reads every document, with all of its fields.
func (g *Grant) Whole() bool { return g.Unlimited(Reading) }

// Unlimited reports whether the caller may do something with every document, and
// with all fields.
func (g *Grant) Unlimited(a Action) bool {
	return g == nil || len(g.rules[a]) == 1 && g.rules[a][0].isWhole()
}

func (r *Rule) isWhole() bool { return r.Where == nil && r.Fields == nil && len(r.Set) == 0 }

// All reports whether the caller reads every document.
func (g *Grant) All() bool {
	return g == nil || slices.ContainsFunc(g.rules[Reading], func(r *Rule) bool { return r.Where == nil })
}

// Names reports whether the caller may speak of a field: whether each rule by
// which it may read shows it. A field that is seen in some documents alone would
// otherwise tell of others by a filter or an order.
func (g *Grant) Names(field string) bool {
	if g == nil {
		return true
	}
	return len(g.rules[Reading]) > 0 && !slices.ContainsFunc(g.rules[Reading], func(r *Rule) bool { return !r.Fields.Has(field) })
}

// writes reports whether any rule of an action lets the caller write a field.
func (g *Grant) writes(a Action, field string) bool {
	return slices.ContainsFunc(g.rules[a], func(r *Rule) bool { return r.Fields.Has(field) })
}

// grant returns what a caller may do, as mask says which roles it has and which
// of its claims are there.
func (c *Collection) grant(v vocabulary, mask uint64) *Grant {
	if c.Access == nil {
		return nil
	}
	g := &Grant{}
	for a, rules := range c.Access.rules {
		for _, r := range rules {
			if v.applies(r, mask) {
				g.rules[a] = append(g.rules[a], r)
			}
		}
		g.rules[a] = widest(g.rules[a])
	}
	return g
}

// widest leaves out the rules that grant nothing that another one does not grant
// for every document.
func widest(rules []*Rule) []*Rule {
	var kept []*Rule
	for i, r := range rules {
		covered := slices.ContainsFunc(rules[:i], func(other *Rule) bool { return other.covers(r) }) ||
			slices.ContainsFunc(rules[i+1:], func(other *Rule) bool { return other.covers(r) && !r.covers(other) })
		if !covered {
			kept = append(kept, r)
		}
	}
	return kept
}

// covers reports whether a rule grants every document and field that another
// does, and forces no values on them.
func (r *Rule) covers(other *Rule) bool {
	return r.Where == nil && len(r.Set) == 0 && other.Fields.within(r.Fields)
}

// vocabulary is every role and parameter that the rules of a model name: the bits
// of a mask, roles first.
type vocabulary struct {
	roles, claims []string
}

// maxVocabulary is how many bits a mask has.
const maxVocabulary = 64

func (v *vocabulary) add(r *Rule) {
	for _, role := range r.Roles {
		if !slices.Contains(v.roles, role) {
			v.roles = append(v.roles, role)
		}
	}
	for _, name := range r.needs {
		if !slices.Contains(v.claims, name) {
			v.claims = append(v.claims, name)
		}
	}
}

// mask says what a caller has of the vocabulary.
func (v vocabulary) mask(caller Caller) (mask uint64) {
	for i, role := range v.roles {
		if caller.HasRole(role) {
			mask |= 1 << i
		}
	}
	for i, name := range v.claims {
		if value, ok := caller.Claim(name); ok && value != nil {
			mask |= 1 << (len(v.roles) + i)
		}
	}
	return mask
}

// applies reports whether a caller has one of a rule's roles, and all that it
// names.
func (v vocabulary) applies(r *Rule, mask uint64) bool {
	has := func(among []string, first int) func(string) bool {
		return func(name string) bool { return mask>>(first+slices.Index(among, name))&1 == 1 }
	}
	lacks := func(name string) bool { return !has(v.claims, len(v.roles))(name) }
	return (len(r.Roles) == 0 || slices.ContainsFunc(r.Roles, has(v.roles, 0))) && !slices.ContainsFunc(r.needs, lacks)
}

// Shown returns the fields of which the caller may speak, by their names in
// MongoDB, where only some are shown; or else those that are not, and only false.
func (g *Grant) Shown(c *Collection) (names []string, only bool) {
	const unnamed = "\x00" // stands for all that no rule names
	only = !g.Names(unnamed)
	if only {
		names = []string{"_id"}
	}
	all := c.Fields.Names()
	for _, r := range g.rules[Reading] {
		if r.Fields != nil {
			all = append(all, r.Fields.names...)
		}
	}
	for _, name := range all {
		if g.Names(name) == only && name != "id" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, only
}
