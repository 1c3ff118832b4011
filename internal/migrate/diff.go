package migrate

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Diff returns the steps that bring a database to the state that a model needs,
// in the order in which they are to be carried out: by risk, and within one by
// collection.
//
// What the model does not speak of stays as it is, but for collections and
// indexes that a recorded model declared. Renames cannot be told from a drop
// and a create; where the two look alike the steps have a note.
func Diff(model *schema.Model, db *Database) []Step {
	d := differ{model: model, db: db}
	for _, c := range model.Collections {
		d.collection(c)
	}
	d.dropped()
	slices.SortStableFunc(d.steps, func(a, b Step) int { return int(a.Risk) - int(b.Risk) })
	return d.steps
}

// differ gathers the steps from a database to a model.
type differ struct {
	model *schema.Model
	db    *Database
	steps []Step
}

func (d *differ) add(s Step) { d.steps = append(d.steps, s) }

func (d *differ) collection(c *schema.Collection) {
	there := d.db.Lookup(c.Name)
	if there == nil {
		d.add(Step{Kind: CreateCollection, Collection: c.Name, Validator: encoded(c.Validator())})
		there = &Collection{Name: c.Name}
		for _, index := range c.Indexes {
			d.add(Step{Kind: CreateIndex, Collection: c.Name, Index: store.IndexSpec(index)})
		}
	} else {
		d.validator(c, there)
		d.indexes(c, there)
	}
	if c.ShardKey != nil && d.db.Sharded && !store.SameShardKey(c.ShardKey.Keys, there.ShardKey) {
		d.add(Step{Kind: ShardCollection, Collection: c.Name, ShardKey: c.ShardKey.Keys,
			Irreversible: "a collection that is sharded stays so"})
	}
}

// validator brings a collection's validator to the model's in up to three: one
// that takes what old and new instances write, one that takes only what new ones
// write and fields that are gone, and at last the model's.
func (d *differ) validator(c *schema.Collection, there *Collection) {
	wanted, now := encoded(c.Validator()), there.Validator
	if sameMeaning(wanted, now) {
		return
	}
	before := now
	if !admitsAll(now, wanted) {
		if now = wanted; !admitsAll(wanted, before) {
			now = eitherOf(wanted, before)
		}
		d.setValidator(c, now, Expand)
	}
	d.backfill(c, changesOf(wanted, before))
	if tight := keeping(wanted, before); !sameMeaning(tight, now) {
		d.setValidator(c, tight, Tighten)
		now = tight
	}
	if !sameMeaning(wanted, now) {
		d.unset(c, changesOf(wanted, before))
		d.setValidator(c, wanted, Contract)
	}
}

func (d *differ) setValidator(c *schema.Collection, validator bson.Raw, risk Risk) {
	d.add(Step{Kind: SetValidator, Collection: c.Name, Validator: validator, Risk: risk})
}

// changesOf compares two validators field by field; of one that is not
// understood nothing is told.
func changesOf(next, before bson.Raw) []fieldChange {
	after, ok := ruleOf(next)
	old, known := ruleOf(before)
	if !ok || !known {
		return nil
	}
	return changedFields(after, old)
}

// backfill makes the steps that give documents what a tighter validator asks of
// them.
func (d *differ) backfill(c *schema.Collection, changes []fieldChange) {
	for _, change := range changes {
		switch {
		case change.path == "_id":
		case change.required:
			d.add(Step{Kind: Update, Collection: c.Name, Risk: Backfill, Change: fill(c, change)})
		case change.before != nil && change.after != nil:
			if to := conversion(change); to != "" {
				d.add(Step{Kind: Update, Collection: c.Name, Risk: Tighten, Change: &Change{Convert: &Convert{Field: change.path, To: to}},
					Note: "instances of the old schema refuse to change converted documents"})
			}
		}
	}
}

// fill gives a field that is required from now on its default, where it has one
// that MongoDB can be told of.
func fill(c *schema.Collection, change fieldChange) *Change {
	field, ok := fieldOf(c, change.path)
	switch {
	case !ok || change.dotted || change.many:
	case field.System == bsonjson.Version:
		return &Change{SetDefault: &SetDefault{Field: change.path, Value: bsonjson.IntValue(1)}}
	case field.System != bsonjson.NotSystem:
		return &Change{SetDefault: &SetDefault{Field: change.path, Now: true}}
	case field.Default != nil && field.Default.Generate == bsonjson.Fixed:
		return &Change{SetDefault: &SetDefault{Field: change.path, Value: field.Default.Value}}
	case field.Default != nil && field.Default.Generate == bsonjson.Now:
		return &Change{SetDefault: &SetDefault{Field: change.path, Now: true}}
	}
	return &Change{Todo: "give " + change.path + " a value where it is missing, since it is required from now on; or delete this step where every document has it"}
}

// fieldOf returns the field at a path.
func fieldOf(c *schema.Collection, path string) (field bsonjson.Field, ok bool) {
	fields := c.Fields
	for name := range strings.SplitSeq(path, ".") {
		i, found := 0, false
		if fields != nil {
			i, found = fields.Lookup([]byte(name))
		}
		if !found {
			return field, false
		}
		field = fields.All()[i]
		if fields = nil; field.Shape.Kind == bsonjson.Object {
			fields = field.Shape.Fields
		}
	}
	return field, true
}

// convertible are the types that values can be converted to.
var convertible = []string{"string", "int", "double", "decimal", "bool", "date", "objectId"}

// storedAs are MongoDB's types of those that are stored as several.
var storedAs = map[string]typeSet{"int": typesNamed("int", "long"), "double": typesNamed("double", "int", "long")}

// conversion returns the type that the values of a field are to be converted to,
// empty where they need not be, or cannot. There is none for null.
func conversion(change fieldChange) string {
	null := typesNamed("null")
	before, after := change.before.possible()&^null, change.after.possible()&^null
	if change.dotted || change.many || before.within(after) || before.has(objectType|arrayType) {
		return ""
	}
	for _, name := range convertible {
		if after == typesNamed(name) || after == storedAs[name] {
			return name
		}
	}
	return ""
}

// unset makes the step that takes the fields out which a validator refuses from
// now on.
func (d *differ) unset(c *schema.Collection, changes []fieldChange) {
	var paths []string
	for _, change := range changes {
		switch {
		case change.refused && change.dotted:
			d.add(Step{Kind: Update, Collection: c.Name, Risk: Contract, Change: &Change{Todo: "take out the field " + change.path + ", which the schema does not declare any more"}})
		case change.refused:
			paths = append(paths, change.path)
		}
	}
	if len(paths) == 0 {
		return
	}
	d.add(Step{Kind: Update, Collection: c.Name, Risk: Contract, Change: &Change{Unset: paths},
		Irreversible: "the values of " + strings.Join(paths, ", ") + " in " + c.Name + " are gone", Note: renamedFields(changes)})
}

// renamedFields says which fields that are gone may have got another name: those
// beside which a field of the same types is new.
func renamedFields(changes []fieldChange) string {
	var notes []string
	for _, gone := range changes {
		for _, added := range changes {
			if gone.refused && added.before == nil && added.after != nil && parent(gone.path) == parent(added.path) && gone.before.types == added.after.types {
				notes = append(notes, gone.path+" may be "+added.path+" under its old name: then write rename: {from: "+gone.path+", to: "+added.path+"} before this step, or its values are lost")
			}
		}
	}
	return strings.Join(notes, "; ")
}

// parent is the path of the object that a path leads into.
func parent(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}

// dropped makes the steps that drop the collections which a recorded model
// declared and the model does not.
func (d *differ) dropped() {
	for i := range d.db.Collections {
		there := &d.db.Collections[i]
		if _, declared := d.model.Lookup(there.Name); declared || !d.db.Declared.Has(there.Name, nil) {
			continue
		}
		d.add(Step{Kind: DropCollection, Collection: there.Name, Risk: Contract,
			Irreversible: "the documents of " + there.Name + " are gone", Note: d.renamedCollection(there)})
	}
}

// renamedCollection says which new collection a collection that is gone may be:
// one with most of its fields.
func (d *differ) renamedCollection(old *Collection) string {
	fields, _ := ruleOf(old.Validator)
	for _, c := range d.model.Collections {
		if fields == nil || d.db.Lookup(c.Name) != nil {
			continue
		}
		common := 0
		for _, name := range fields.names() {
			if _, ok := c.Fields.Lookup([]byte(name)); ok {
				common++
			}
		}
		const system = 3 // fields that all have; _id is id for the model
		if all := len(fields.names()) - 1; common > system && 2*(common-system) >= all-system {
			return old.Name + " may be " + c.Name + " under its old name: then write rename_collection in place of this step and of the steps that create " + c.Name + ", or its documents are lost"
		}
	}
	return ""
}
