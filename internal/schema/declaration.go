package schema

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// Declaration returns the collection as a schema file declares it, with the keys
// that Load reads: AppendYAML writes it, and Load makes an equal collection of
// that. What follows from other keys is left out, such as the index of a field
// that is unique.
func (c *Collection) Declaration() JSON {
	file := JSON{{"collection", c.Name}}
	if c.Description != "" {
		file.set("description", c.Description)
	}
	file.set("id", c.ID.String())
	file.set("fields", declaredFields(c.rules, c.Fields.All()))
	if c.Fields.Open() {
		file.set("additional", keepWord)
	}
	if indexes := declaredIndexes(c.Indexes); len(indexes) > 0 {
		file.set("indexes", indexes)
	}
	if relations := declaredRelations(c.Relations); len(relations) > 0 {
		file.set("relations", relations)
	}
	if len(c.Aggregates) > 0 {
		aggregates := JSON{}
		for _, a := range c.Aggregates {
			aggregates.set(a.Name, a.declaration())
		}
		file.set("aggregates", aggregates)
	}
	if c.ShardKey != nil {
		file.set("shard_key", declaredKeys(c.ShardKey.Keys, c.ShardKey.Fields))
	}
	c.SoftDelete.declare(&file, "soft_delete")
	c.History.declare(&file, "history")
	if c.Access != nil {
		file.set("access", c.Access.declared())
	}
	return file
}

// declaredFields are the members of an object but for the system fields.
func declaredFields(r *rules, shapes []bsonjson.Field) JSON {
	fields := JSON{}
	for i, member := range r.members {
		if shapes[i].System == bsonjson.NotSystem {
			fields.set(member.name, member.declaration())
		}
	}
	return fields
}

// declaration is that of a value, with what lies within it.
func (r *rules) declaration() JSON {
	out := append(JSON{{"type", r.typ.String()}}, r.own()...)
	switch r.typ {
	case typeObject:
		out.set("fields", declaredFields(r, r.shape.Fields.All()))
		if r.shape.Fields.Open() {
			out.set("additional", keepWord)
		}
	case typeArray:
		out.set("items", r.items.declaration())
	}
	return out
}

func declaredIndexes(indexes []Index) []any {
	var list []any
	for _, index := range indexes {
		if !index.OfUniqueField && index.Name != deletedIndex {
			list = append(list, index.declaration())
		}
	}
	return list
}

// declaration leaves the id out that is added to the keys anyway.
func (i Index) declaration() JSON {
	short := i
	if last := len(i.Keys) - 1; last > 0 && i.Keys[last].Key == "_id" {
		short.Keys, short.Fields = slices.Clone(i.Keys[:last]), slices.Clone(i.Fields[:last])
		if endWithID(&short); !slices.Equal(short.Keys, i.Keys) {
			short = i
		} else {
			short.Keys, short.Fields = i.Keys[:last], i.Fields[:last]
		}
	}
	out := JSON{{"keys", declaredKeys(short.Keys, short.Fields)}}
	out.setFlag("unique", i.Unique)
	if among := i.Among(); among != nil {
		out.set("where", declaredFilter(among))
	}
	if i.ExpireAfter != nil {
		out.set("expire_after", Duration(*i.ExpireAfter))
	}
	return out
}

// declaredKeys are those of an index or a shard key.
func declaredKeys(keys bson.D, fields []string) []any {
	list := make([]any, len(keys))
	for i, key := range keys {
		switch kind := key.Value.(type) {
		case string:
			list[i] = JSON{{fields[i], kind}}
		default:
			list[i] = fields[i]
			if key.Value == int32(-1) {
				list[i] = "-" + fields[i]
			}
		}
	}
	return list
}

// declaredFilter is a filter for MongoDB as a file has it: with id for _id, and
// values in the form that clients send.
func declaredFilter(filter bson.D) JSON {
	out := JSON{}
	for _, e := range filter {
		name := e.Key
		if name == "_id" {
			name = "id"
		}
		out.set(name, declaredOperand(e.Value))
	}
	return out
}

func declaredOperand(value any) any {
	switch value := value.(type) {
	case bson.D:
		return declaredFilter(value)
	case bson.A:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = declaredOperand(item)
		}
		return list
	case []bson.RawValue:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = plainJSON(item)
		}
		return list
	case bson.RawValue:
		return plainJSON(value)
	}
	return value
}

// Duration writes a duration as schema files have it: 720h rather than 720h0m0s.
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func declaredRelations(relations []Relation) JSON {
	var out JSON
	for _, r := range relations {
		out.set(r.Name, JSON{{r.Kind.String(), r.Target}, {"by", r.By}})
	}
	return out
}

// declaration is an aggregate as a file has it.
func (a *Aggregate) declaration() JSON {
	out := JSON{}
	if a.Description != "" {
		out.set("description", a.Description)
	}
	if len(a.params.members) > 0 {
		out.set("params", declaredFields(a.params, a.params.shape.Fields.All()))
	}
	out.set("pipeline", a.source)
	if a.Timeout > 0 {
		out.set("timeout", Duration(a.Timeout))
	}
	if a.MaxDocuments != defaultMaxDocuments {
		out.set("max_documents", a.MaxDocuments)
	}
	return out
}
