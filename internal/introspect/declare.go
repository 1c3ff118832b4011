package introspect

import (
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
)

// declaration is the field as a schema file has it. What is said of it goes into
// notes, by its pointer.
func (f *field) declaration(pointer, of string, notes schema.Notes) schema.JSON {
	out := schema.JSON{{Name: "type", Value: f.typ}}
	set := func(name string, is bool) {
		if is {
			out = append(out, schema.Member{Name: name, Value: true})
		}
	}
	set("required", f.required)
	set("nullable", f.nullable)
	set("unique", f.unique)
	out = append(out, f.rules...)
	if f.typ == "ref" {
		out = append(out, schema.Member{Name: "to", Value: f.to})
	}
	if f.name != "" {
		notes.Add(pointer, "%s", f.evidenceNote(of))
	}
	switch f.typ {
	case "object":
		out = append(out, schema.Member{Name: "fields", Value: declareMembers(f.members, pointer+"/fields", "objects", notes)})
		if f.open {
			out = append(out, schema.Member{Name: "additional", Value: "keep"})
		}
	case "array":
		out = append(out, schema.Member{Name: "items", Value: f.items.declaration(pointer+"/items", of, notes)})
	}
	return out
}

func declareMembers(members []*field, pointer, of string, notes schema.Notes) schema.JSON {
	out := schema.JSON{}
	for _, member := range members {
		at := bsonjson.AppendToken(pointer, member.name)
		out = append(out, schema.Member{Name: member.name, Value: member.declaration(at, of, notes)})
	}
	return out
}

// at returns the field that a pointer into a document leads to, and the object
// that holds it; nil where it is not declared.
func (s *subject) at(pointer string) (holder, f *field) {
	f = s.top
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch {
		case f == nil:
			return nil, nil
		case f.typ == "array":
			f = f.items
			continue
		case f.typ == "any":
			return holder, f
		}
		holder, f = f, f.member(name)
	}
	return holder, f
}

func (f *field) member(name string) *field {
	for _, member := range f.members {
		if member.name == name {
			return member
		}
	}
	return nil
}

// set puts a rule in the place of one of its name, nil for none.
func (f *field) set(name string, value any) {
	for i, rule := range f.rules {
		if rule.Name != name {
			continue
		}
		if value == nil {
			f.rules = append(f.rules[:i:i], f.rules[i+1:]...)
		} else {
			f.rules[i].Value = value
		}
		return
	}
	if value != nil {
		f.rules = append(f.rules, schema.Member{Name: name, Value: value})
	}
}
