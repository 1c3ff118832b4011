package schema

import (
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// nestable reports whether the member of a document that a path names is a
// reference, or an array of references.
func nestable(top *rules, path string) bool {
	i := slices.IndexFunc(top.members, func(r *rules) bool { return r.name == path })
	if i < 0 {
		return false
	}
	member := top.members[i]
	return member.typ == typeRef || member.typ == typeArray && member.items.typ == typeRef
}

// createFields are the members of the body of a create.
func createFields(c *Collection) *bsonjson.Fields {
	fields := slices.Clone(c.creatable.All())
	for _, relation := range c.Relations {
		if relation.Nested {
			fields = append(fields, bsonjson.Field{Name: relation.Name, Apart: true})
		}
	}
	if len(fields) == len(c.creatable.All()) {
		return c.creatable
	}
	return bsonjson.NewFields(fields, c.creatable.Open())
}

// keyFields are the members by which a relation may name a document.
func keyFields(c *Collection) *bsonjson.Fields {
	var fields []bsonjson.Field
	for _, field := range c.Fields.All() {
		if field.System == bsonjson.ID || slices.ContainsFunc(c.Indexes, func(index Index) bool { return index.identifies(field.Name) }) {
			fields = append(fields, bsonjson.Field{Name: field.Name, Shape: withoutNull(field.Shape), System: field.System})
		}
	}
	return bsonjson.NewFields(fields, false)
}

// identifies reports whether no two documents have the same value in a field.
func (i Index) identifies(name string) bool {
	return i.Unique && len(i.Keys) == 1 && i.Keys[0].Key == name && !strings.Contains(name, ".") && i.serves(name)
}

// withoutNull is a shape that does not admit null, which names no document.
func withoutNull(shape *bsonjson.Shape) *bsonjson.Shape {
	if !shape.Nullable {
		return shape
	}
	own := *shape
	own.Nullable = false
	return &own
}

// CreateSchema is JSONSchema of Create for a document that others refer to by
// components: refer returns the schema of a document that a relation creates.
// without, where it is not empty, is a field that the body must not have, since
// the relation that creates the document sets it.
func (c *Collection) CreateSchema(without string, refer func(*Relation) JSON) JSON {
	w := schemaWriter{variant: Create, id: c.ID, refer: refer, without: without}
	return w.document(c)
}

// anyDocument stands for a document that a relation creates, where there are no
// components to refer to.
func anyDocument(*Relation) JSON { return JSON{{"type", "object"}} }

// relations adds the relations to the schema of a document to create. A field
// that is required need not be there where a relation sets it.
func (w schemaWriter) relations(schema JSON, c *Collection) JSON {
	properties, _ := schema.Get("properties").(JSON)
	required, _ := schema.Get("required").([]string)
	instead := map[string][]any{}
	for i := range c.Relations {
		relation := &c.Relations[i]
		if !relation.Nested || relation.Kind == BelongsTo && relation.By == w.without {
			continue
		}
		properties.set(relation.Name, w.relation(relation))
		if relation.Kind == BelongsTo && slices.Contains(required, relation.By) {
			instead[relation.By] = append(instead[relation.By], JSON{{"required", []string{relation.Name}}})
		}
	}
	var choices []any
	for _, name := range required {
		if others := instead[name]; others != nil {
			choices = append(choices, JSON{{"oneOf", append([]any{JSON{{"required", []string{name}}}}, others...)}})
		}
	}
	required = slices.DeleteFunc(slices.Clone(required), func(name string) bool { return instead[name] != nil })
	schema = schema.with("properties", properties).with("required", required)
	if choices != nil {
		schema.set("allOf", choices)
	}
	return schema
}

// with returns a schema with another value of a member, without the member for
// an empty list.
func (j JSON) with(name string, value any) JSON {
	i := slices.IndexFunc(j, func(m Member) bool { return m.Name == name })
	if list, ok := value.([]string); ok && len(list) == 0 {
		return slices.DeleteFunc(slices.Clone(j), func(m Member) bool { return m.Name == name })
	}
	j = slices.Clone(j)
	if i >= 0 {
		j[i].Value = value
	}
	return j
}

// relation describes what may be created and connected by a relation.
func (w schemaWriter) relation(relation *Relation) JSON {
	create, where := w.refer(relation), keySchema(relation.Collection)
	choice := closedObject(JSON{{"where", where}, {"create", create}})
	choice.set("required", []string{"where", "create"})
	members := JSON{{"create", create}, {"connect", where}, {"connectOrCreate", choice}}
	if relation.Many {
		for i, member := range members {
			members[i].Value = JSON{{"oneOf", []any{member.Value, JSON{{"type", "array"}, {"items", member.Value}}}}}
		}
	}
	schema := closedObject(members)
	schema.set("minProperties", 1)
	if !relation.Many {
		schema.set("maxProperties", 1)
	}
	schema.set("description", "What to create or connect in "+relation.Target+", by "+relation.By+".")
	return schema
}

// keySchema describes what names one document of a collection.
func keySchema(c *Collection) JSON {
	properties := JSON{}
	for _, field := range c.KeyFields.All() {
		i, _ := c.Fields.Lookup([]byte(field.Name))
		properties.set(field.Name, schemaWriter{variant: Replace, id: c.ID}.value(c.rules.members[i], false))
	}
	schema := closedObject(properties)
	schema.set("minProperties", 1)
	schema.set("maxProperties", 1)
	return schema
}

func closedObject(properties JSON) JSON {
	return JSON{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
}
