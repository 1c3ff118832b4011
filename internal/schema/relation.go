package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/filter"
)

// relations reads the relations of a collection. Whether the fields that they
// go by are there is checked when every collection is compiled.
func (c *compiler) relations(d *declaration, at *node) {
	if at == nil {
		return
	}
	if at.kind != mappingNode {
		c.problems.add(at, "must be a mapping such as {posts: {has_many: posts, by: authorId}}, not %s", at.kind)
		return
	}
	for _, e := range at.entries {
		if reason := badRelationName(e.key.text, d.c.Fields); reason != "" {
			c.problems.add(e.key, "the relation name %q %s", shorten(e.key.text), reason)
		}
		if relation, ok := c.relation(e.key.text, e.value); ok {
			d.c.Relations = append(d.c.Relations, relation)
			d.relations[e.key.text] = e.value
		}
	}
	slices.SortFunc(d.c.Relations, func(a, b Relation) int { return strings.Compare(a.Name, b.Name) })
}

func badRelationName(name string, fields *bsonjson.Fields) string {
	if _, taken := fields.Lookup([]byte(name)); taken {
		return "is a field's; an included document stands beside the fields"
	}
	switch {
	case name == "":
		return "is empty"
	case strings.ContainsAny(name, ".,"):
		return "holds a dot or a comma, which separate relations in include"
	}
	return bsonjson.BadName(name)
}

func (c *compiler) relation(name string, n *node) (Relation, bool) {
	relation := Relation{Name: name}
	kinds, by := 0, (*node)(nil)
	if n.kind != mappingNode {
		c.problems.add(n, "must be a mapping such as {has_many: posts, by: authorId}, not %s", n.kind)
		return relation, false
	}
	to := func(kind RelationKind) func(*node) {
		return func(at *node) {
			kinds++
			relation.Kind = kind
			if target := c.target(at); target != nil {
				relation.Target = target.c.Name
			}
		}
	}
	c.keys(n, "a relation", []keyReader{
		{BelongsTo.String(), to(BelongsTo)},
		{HasMany.String(), to(HasMany)},
		{HasOne.String(), to(HasOne)},
		{"by", func(at *node) { by = at }},
	})
	if kinds != 1 {
		c.problems.add(n, "must have exactly one of %s, with the collection that it leads to", list(relationKindNames))
	}
	if by == nil {
		c.problems.add(n, `"by" is missing: the field that holds the id`)
		return relation, false
	}
	relation.By, _ = c.word(by)
	return relation, kinds == 1 && relation.Target != "" && relation.By != ""
}

// crossChecks settles what relations need to know of other collections, and
// notes those whose field does not hold ids of the collection that they lead
// to, or from.
func (c *compiler) crossChecks(d *declaration) {
	for i := range d.c.Relations {
		relation := &d.c.Relations[i]
		holder, held := c.byName[relation.Target], d
		relation.Collection = holder.c
		if relation.Kind == BelongsTo {
			holder, held = d, holder
		}
		c.relationField(d.relations[relation.Name].get("by"), relation, holder, held)
	}
}

// relationField checks that the field of holder can hold an id of held.
func (c *compiler) relationField(at *node, relation *Relation, holder, held *declaration) {
	path := relation.By
	target, err := filter.Fields(holder.c.Fields)(path)
	if err != nil {
		c.problems.add(at, "%q of %s %s", shorten(path), holder.c.Name, err)
		return
	}
	relation.Stored, relation.ByMany = target.Stored, len(target.Arrays) > 0
	relation.Nested = nestable(holder.c.rules, path)
	relation.Many = relation.Kind == HasMany || relation.Kind == BelongsTo && relation.ByMany
	if reason := badRelationField(path, target, holder.c, held.c); reason != "" {
		c.problems.add(at, "%q of %s %s", shorten(path), holder.c.Name, reason)
		return
	}
	if relation.Kind != BelongsTo && relation.Stored != "_id" {
		c.indexFor(holder, path)
	}
}

// badRelationField says why a field of holder does not hold ids of held.
func badRelationField(path string, target filter.Target, holder, held *Collection) string {
	for _, ref := range holder.References {
		if ref.Path == path && ref.To != held.Name {
			return fmt.Sprintf("refers to %s, not to %s", ref.To, held.Name)
		}
	}
	want := fieldTypes[held.ID.idType()]
	switch {
	case elementKind(target.Shape) != want.kind:
		return fmt.Sprintf("is of type %s, and the ids of %s are %s", elementKind(target.Shape), held.Name, want.name)
	case slices.ContainsFunc(target.Arrays, func(array string) bool { return leadsToElement(path, array) }):
		return "leads to one element of an array; leave the index out"
	}
	return ""
}

// leadsToElement reports whether a path goes into an array by an index.
func leadsToElement(path, array string) bool {
	rest, within := strings.CutPrefix(path, array+".")
	step, _, _ := strings.Cut(rest, ".")
	return within && strings.Trim(step, "0123456789") == ""
}

// Relation returns the relation of a name.
func (c *Collection) Relation(name string) (*Relation, bool) {
	i, ok := slices.BinarySearchFunc(c.Relations, name, func(r Relation, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return nil, false
	}
	return &c.Relations[i], true
}

// RelationNames returns the names of the relations in order.
func (c *Collection) RelationNames() []string {
	names := make([]string, len(c.Relations))
	for i, relation := range c.Relations {
		names[i] = relation.Name
	}
	return names
}

// Ends returns the stored paths whose values are the same in a document and in
// those that it is related to.
func (r *Relation) Ends() (local, foreign string) {
	if r.Kind == BelongsTo {
		return r.Stored, "_id"
	}
	return "_id", r.Stored
}
