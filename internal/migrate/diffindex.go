package migrate

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// indexes makes the steps from the indexes of a collection that is there to
// those of the model.
func (d *differ) indexes(c *schema.Collection, there *Collection) {
	var kept []bson.Raw
	var missing []bson.Raw
	for _, index := range c.Indexes {
		wanted := store.IndexSpec(index)
		i := slices.IndexFunc(there.Indexes, func(e bson.Raw) bool { return store.SameIndex(e, wanted) })
		if i < 0 {
			missing = append(missing, wanted)
		} else {
			kept = append(kept, there.Indexes[i])
		}
	}
	dropped := d.replaced(c, there, missing, kept)
	for _, existing := range there.Indexes {
		if !holds(kept, existing) && !holds(dropped, existing) && d.db.Declared.Has(c.Name, existing) {
			d.add(Step{Kind: DropIndex, Collection: c.Name, Index: store.IndexDescription(existing), Risk: Contract})
		}
	}
}

func holds(list []bson.Raw, one bson.Raw) bool {
	return slices.ContainsFunc(list, func(other bson.Raw) bool { return bytes.Equal(one, other) })
}

// replaced makes the steps for the missing indexes, each after the drop of those
// that are in its way, which it returns.
func (d *differ) replaced(c *schema.Collection, there *Collection, missing, kept []bson.Raw) (dropped []bson.Raw) {
	for _, wanted := range missing {
		step := Step{Kind: CreateIndex, Collection: c.Name, Index: wanted, Risk: indexRisk(wanted), Note: indexNote(wanted)}
		var drops []Step
		for _, existing := range there.Indexes {
			if holds(kept, existing) || holds(dropped, existing) || !inTheWay(existing, wanted) {
				continue
			}
			dropped = append(dropped, existing)
			drops = append(drops, Step{Kind: DropIndex, Collection: c.Name, Index: store.IndexDescription(existing),
				Note: "it is in the way of " + step.IndexName() + ", which is made next"})
			if step.Risk = Tighten; !d.db.Declared.Has(c.Name, existing) {
				step.Risk = Contract
			}
		}
		for _, drop := range append(drops, step) {
			drop.Risk = step.Risk
			d.add(drop)
		}
	}
	return dropped
}

// indexRisk is the risk of an index on a collection that is there.
func indexRisk(index bson.Raw) Risk {
	if unique, _ := index.Lookup("unique").BooleanOK(); unique || expires(index) {
		return Tighten
	}
	return Expand
}

func expires(index bson.Raw) bool { return !index.Lookup("expireAfterSeconds").IsZero() }

func indexNote(index bson.Raw) string {
	if expires(index) {
		return "MongoDB deletes the documents that are expired already, soon after"
	}
	return ""
}

// inTheWay reports whether MongoDB does not keep an index beside a wanted one:
// where they have one name, where both are text indexes, and where they have the
// same keys and differ only in what does not tell two indexes apart.
func inTheWay(existing, wanted bson.Raw) bool {
	a, b := store.IndexDescription(existing), store.IndexDescription(wanted)
	if bytes.Equal(a.Lookup("name").Value, b.Lookup("name").Value) || isText(a) && isText(b) {
		return true
	}
	for _, option := range []string{"key", "unique", "sparse", "partialFilterExpression", "collation"} {
		if !a.Lookup(option).Equal(b.Lookup(option)) {
			return false
		}
	}
	return true
}

func isText(index bson.Raw) bool {
	key, _ := index.Lookup("key").DocumentOK()
	elements, _ := key.Elements()
	return slices.ContainsFunc(elements, func(e bson.RawElement) bool { word, _ := e.Value().StringValueOK(); return word == "text" })
}
