package migrate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
)

// Replay returns the state that some migrations make of an empty database, in
// memory. The error says which step does not fit what is there by then.
func Replay(migrations []*Migration) (*Database, error) {
	db := &Database{}
	for _, m := range migrations {
		for i, step := range m.Up {
			if err := db.apply(step); err != nil {
				return nil, fmt.Errorf("%s, step %d of up: %w", m.File, i+1, err)
			}
		}
	}
	return db, nil
}

// clone returns a copy that apply may change.
func (db *Database) clone() *Database {
	copied := *db
	copied.Collections = slices.Clone(db.Collections)
	return &copied
}

// apply carries out in memory what a step does to the structure of a database.
func (db *Database) apply(s Step) error {
	c := db.Lookup(s.Collection)
	switch s.Kind {
	case CreateCollection:
		if c != nil && !sameMeaning(c.Validator, s.Validator) {
			return fmt.Errorf("the collection %s is there already, with another validator", s.Collection)
		}
		db.put(Collection{Name: s.Collection, Validator: s.Validator})
		return nil
	case DropCollection:
		db.Collections = slices.DeleteFunc(slices.Clone(db.Collections), func(c Collection) bool { return c.Name == s.Collection })
		return nil
	}
	if c == nil {
		return fmt.Errorf("there is no collection %s by then", s.Collection)
	}
	changed := *c
	switch s.Kind {
	case RenameCollection:
		if db.Lookup(s.To) != nil {
			return fmt.Errorf("there is a collection %s by then", s.To)
		}
		_ = db.apply(Step{Kind: DropCollection, Collection: s.Collection})
		changed.Name = s.To
	case ShardCollection:
		changed.ShardKey = encoded(s.ShardKey)
	case SetValidator:
		changed.Validator = s.Validator
	case CreateIndex:
		if other := c.index(s.IndexName()); other != nil && !store.SameIndex(other, s.Index) {
			return fmt.Errorf("the collection %s has an index %s already, in another form", s.Collection, s.IndexName())
		}
		changed.Indexes = append(changed.without(s.IndexName()), s.Index)
	case DropIndex:
		changed.Indexes = changed.without(s.IndexName())
	}
	db.put(changed)
	return nil
}

// put puts a collection in the place of the one of its name.
func (db *Database) put(c Collection) {
	i, there := slices.BinarySearchFunc(db.Collections, c.Name, func(c Collection, name string) int { return strings.Compare(c.Name, name) })
	if there {
		db.Collections[i] = c
		return
	}
	db.Collections = slices.Insert(db.Collections, i, c)
}

// index returns the index of a name, nil where there is none.
func (c *Collection) index(name string) bson.Raw {
	for _, index := range c.Indexes {
		if nameOf(index) == name {
			return index
		}
	}
	return nil
}

func nameOf(index bson.Raw) string {
	name, _ := index.Lookup("name").StringValueOK()
	return name
}

// without returns the indexes but for that of a name.
func (c *Collection) without(name string) []bson.Raw {
	return slices.DeleteFunc(slices.Clone(c.Indexes), func(index bson.Raw) bool { return nameOf(index) == name })
}

// undo returns the steps that take steps back, in the order in which they are to
// be carried out. db is the state before the steps; it becomes that after them.
// original is the state before all steps of a rollout.
func undo(steps []Step, db, original *Database) []Step {
	var back []Step
	for _, step := range steps {
		back = append(db.reverse(step, original), back...)
		_ = db.apply(step) // the steps are Diff's, which fit
	}
	return back
}

// reverse returns what takes one step back, none where nothing has to be.
func (db *Database) reverse(s Step, original *Database) []Step {
	c := db.Lookup(s.Collection)
	switch {
	case s.Kind == CreateCollection && c == nil:
		return []Step{{Kind: DropCollection, Collection: s.Collection, Risk: Contract}}
	case s.Kind == CreateIndex && original.Lookup(s.Collection) != nil:
		return []Step{{Kind: DropIndex, Collection: s.Collection, Index: s.Index, Risk: Contract}}
	case s.Kind == RenameCollection:
		return []Step{{Kind: RenameCollection, Collection: s.To, To: s.Collection, Risk: s.Risk}}
	case s.Kind == Update && s.Change.Convert != nil:
		return original.convertBack(s)
	case c == nil:
		return nil
	case s.Kind == DropCollection:
		return create(*c)
	case s.Kind == DropIndex:
		index := store.IndexDescription(c.index(s.IndexName()))
		return []Step{{Kind: CreateIndex, Collection: s.Collection, Index: index, Risk: indexRisk(index)}}
	case s.Kind == SetValidator && !bytes.Equal(c.Validator, s.Validator):
		return validatorBack(s, c.Validator)
	}
	return nil
}

// create returns the steps that make a collection, without its documents.
func create(c Collection) []Step {
	steps := []Step{{Kind: CreateCollection, Collection: c.Name, Validator: c.Validator}}
	for _, index := range c.Indexes {
		description := store.IndexDescription(index)
		steps = append(steps, Step{Kind: CreateIndex, Collection: c.Name, Index: description, Risk: indexRisk(description)})
	}
	return steps
}

// validatorBack gives a collection the validator that it had, and takes out the
// fields that this refuses.
func validatorBack(s Step, before bson.Raw) []Step {
	var back []Step
	var paths []string
	for _, change := range changesOf(before, s.Validator) {
		if change.refused && !change.dotted {
			paths = append(paths, change.path)
		}
	}
	if len(paths) > 0 {
		back = append(back, Step{Kind: Update, Collection: s.Collection, Risk: Contract, Change: &Change{Unset: paths}})
	}
	risk := Tighten
	if admitsAll(before, s.Validator) {
		risk = Expand
	}
	return append(back, Step{Kind: SetValidator, Collection: s.Collection, Validator: before, Risk: risk})
}

// convertBack gives values the type that they had in the original state, where
// that is one.
func (db *Database) convertBack(s Step) []Step {
	c := db.Lookup(s.Collection)
	if c == nil {
		return nil
	}
	before, ok := ruleOf(c.Validator)
	for name := range strings.SplitSeq(s.Change.Convert.Field, ".") {
		if ok = ok && before.property(name) != nil; ok {
			before = before.property(name)
		}
	}
	if !ok {
		return nil
	}
	to := conversion(fieldChange{before: anything().of(typesNamed(s.Change.Convert.To)), after: before})
	if to == "" {
		return nil
	}
	return []Step{{Kind: Update, Collection: s.Collection, Risk: s.Risk, Change: &Change{Convert: &Convert{Field: s.Change.Convert.Field, To: to}}}}
}

func (r *rule) of(types typeSet) *rule {
	r.types = types
	return r
}

// declaredBy are a collection and its indexes as a model would declare them.
func declaredBy(c Collection) store.Declarations {
	all := store.Declarations{{Collection: c.Name}}
	for _, index := range c.Indexes {
		all = append(all, store.Declared{Collection: c.Name, Index: index})
	}
	return all
}
