package migrate

import (
	"slices"
	"strings"
)

// fieldChange is a field of which two validators say different things, or one of
// them says nothing.
type fieldChange struct {
	// path is dotted, and leads through arrays without an index.
	path string
	// dotted says that a name on the path holds a dot, so that MongoDB cannot be
	// told of the field; many that an array lies on the path.
	dotted, many bool
	// before and after are what the validators say; nil where one does not know
	// the field.
	before, after *rule
	// required says that after asks for the field and before does not, refused
	// that before knows the field and after refuses it.
	required, refused bool
}

// changedFields compares two validators field by field, those that lie within
// fields of both included.
func changedFields(next, before *rule) []fieldChange {
	var w fieldWalk
	w.object(next, before, fieldChange{})
	return w.changes
}

// removedFields are those that before knows and next refuses.
func removedFields(next, before *rule) []fieldChange {
	return slices.DeleteFunc(changedFields(next, before), func(c fieldChange) bool { return !c.refused })
}

type fieldWalk struct{ changes []fieldChange }

// object compares the members of an object, of which at has the place.
func (w *fieldWalk) object(next, before *rule, at fieldChange) {
	if next.opaque || before.opaque {
		return
	}
	for _, p := range next.properties {
		c := at.member(p.name)
		c.after, c.before = p.rule, before.property(p.name)
		c.required = slices.Contains(next.required, p.name) && !slices.Contains(before.required, p.name)
		w.add(c)
	}
	for _, p := range before.properties {
		if next.property(p.name) == nil {
			c := at.member(p.name)
			c.before, c.refused = p.rule, next.closed
			w.add(c)
		}
	}
}

func (c fieldChange) member(name string) fieldChange {
	path := name
	if c.path != "" {
		path = c.path + "." + name
	}
	return fieldChange{path: path, dotted: c.dotted || strings.Contains(name, "."), many: c.many}
}

// add notes a field, and goes into it.
func (w *fieldWalk) add(c fieldChange) {
	w.changes = append(w.changes, c)
	for after, before := c.after, c.before; after != nil && before != nil; {
		w.object(after, before, c)
		after, before, c.many = after.items, before.items, true
	}
}
