package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// Show writes the compiled model for people: fields with their rules, indexes,
// relations and the validator that MongoDB gets. It writes the one collection
// that is named, or all for "". The error is the writer's.
func (m *Model) Show(w io.Writer, collection string) error {
	var out strings.Builder
	for _, c := range m.Collections {
		if collection == "" || c.Name == collection {
			c.show(&out)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (c *Collection) show(out *strings.Builder) {
	if out.Len() > 0 {
		out.WriteByte('\n')
	}
	fmt.Fprintf(out, "collection %s\n", c.Name)
	if c.Description != "" {
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(strings.TrimSpace(c.Description), "\n", "\n  "))
	}
	fmt.Fprintf(out, "  id: %s\n", c.ID)
	showMembers(out, "fields", c.rules, "  ")
	if len(c.Indexes) > 0 {
		out.WriteString("  indexes:\n")
	}
	for _, index := range c.Indexes {
		fmt.Fprintf(out, "    %s  %s\n", index.Name, inline(index.declared()[1:]))
	}
	if c.ShardKey != nil {
		fmt.Fprintf(out, "  shard_key: %s\n", relaxed(c.ShardKey.Keys))
	}
	for _, kept := range c.kept() {
		fmt.Fprintf(out, "  %s: %v\n", kept.Name, kept.Value)
	}
	if len(c.Relations) > 0 {
		out.WriteString("  relations:\n")
	}
	for _, r := range c.Relations {
		fmt.Fprintf(out, "    %s  %s %s by %s%s\n", r.Name, r.Kind, r.Target, r.By, many(r))
	}
	if len(c.Aggregates) > 0 {
		out.WriteString("  aggregates:\n")
	}
	for _, a := range c.Aggregates {
		fmt.Fprintf(out, "    %s  %s\n", a.Name, inline(a.declared()))
	}
	c.showAccess(out)
	fmt.Fprintf(out, "  validator:\n    %s\n", indented(c.Validator(), "    "))
}

// showAccess tells who may do what. That every caller may do everything is told as
// well: nobody should have to notice that something is missing.
func (c *Collection) showAccess(out *strings.Builder) {
	if c.Access == nil {
		out.WriteString("  access: none, every caller may do everything\n")
		return
	}
	out.WriteString("  access:\n")
	for _, action := range c.Access.declared() {
		rules, _ := action.Value.([]any)
		fmt.Fprintf(out, "    %s:", action.Name)
		if len(rules) == 0 {
			out.WriteString(" nobody")
		}
		for i, rule := range rules {
			source, _ := rule.(JSON)
			fmt.Fprintf(out, "%s{%s}", []string{" ", ", or "}[min(i, 1)], inline(source))
		}
		out.WriteByte('\n')
	}
}

// many tells where a relation leads to several documents though its kind does
// not say so, or from several.
func many(r Relation) string {
	if r.ByMany {
		return " (many to many)"
	}
	return ""
}

// showMembers writes the members of an object, those of objects within under them.
func showMembers(out *strings.Builder, title string, r *rules, indent string) {
	fmt.Fprintf(out, "%s%s:", indent, title)
	if r.shape.Fields.Open() {
		out.WriteString(" (others are kept)")
	}
	out.WriteByte('\n')
	width := 0
	for _, member := range r.members {
		width = max(width, utf8.RuneCountInString(member.name))
	}
	for i, member := range r.members {
		if r.shape.Fields.All()[i].System == bsonjson.NotSystem {
			showValue(out, fmt.Sprintf("%-*s", width, member.name), member, indent+"  ")
		}
	}
}

func showValue(out *strings.Builder, title string, r *rules, indent string) {
	fmt.Fprintf(out, "%s%s  %s", indent, title, r.typ)
	if own := r.own(); len(own) > 0 {
		fmt.Fprintf(out, "  %s", inline(own))
	}
	out.WriteByte('\n')
	if r.typ == typeObject {
		showMembers(out, "fields", r, indent+"  ")
	}
	if r.typ == typeArray {
		showValue(out, "items:", r.items, indent+"  ")
	}
}

// inline writes an object in one line, as YAML does: {name: value}.
func inline(j JSON) string {
	parts := make([]string, len(j))
	for i, member := range j {
		value, err := encode(member.Value)
		if err != nil {
			value = []byte("?")
		}
		parts[i] = member.Name + ": " + string(value)
	}
	return strings.Join(parts, ", ")
}

func indented(doc bson.D, prefix string) string {
	text, err := bson.MarshalExtJSONIndent(doc, false, false, prefix, "  ")
	if err != nil { // compiled documents hold nothing that does not marshal
		return err.Error()
	}
	return string(text)
}

// declared returns a collection in the form of a schema file, every default
// written out: what its hash is made from.
func (c *Collection) declared() JSON {
	out := JSON{{"collection", c.Name}, {"description", c.Description}, {"id", c.ID.String()}}
	out = append(out, c.rules.inner()...)
	indexes, relations, aggregates := []any{}, JSON{}, JSON{}
	for _, index := range c.Indexes {
		indexes = append(indexes, index.declared())
	}
	for _, r := range c.Relations {
		relations.set(r.Name, JSON{{r.Kind.String(), r.Target}, {"by", r.By}})
	}
	for _, a := range c.Aggregates {
		aggregates.set(a.Name, a.declared())
	}
	out = append(out, Member{"indexes", indexes}, Member{"relations", relations}, Member{"aggregates", aggregates})
	if c.ShardKey != nil {
		out.set("shard_key", json.RawMessage(relaxed(c.ShardKey.Keys)))
	}
	if c.Access != nil {
		out.set("access", c.Access.declared())
	}
	return append(out, c.kept()...)
}

// kept is what is kept of deleted documents and of former versions.
func (c *Collection) kept() (out JSON) {
	for _, m := range []struct {
		name string
		*Retention
	}{{"soft_delete", c.SoftDelete}, {"history", c.History}} {
		switch {
		case m.Retention == nil:
		case m.Keep == 0:
			out.set(m.name, "for good")
		default:
			out.set(m.name, m.Keep.String())
		}
	}
	return out
}

func (i Index) declared() JSON {
	out := JSON{{"name", i.Name}, {"keys", json.RawMessage(relaxed(i.Keys))}}
	if i.Unique {
		out.set("unique", true)
	}
	if i.Partial != nil {
		out.set("where", json.RawMessage(relaxed(i.Partial)))
	}
	if i.ExpireAfter != nil {
		out.set("expire_after", i.ExpireAfter.String())
	}
	return out
}

func relaxed(doc bson.D) []byte {
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil { // compiled documents hold nothing that does not marshal
		return []byte("{}")
	}
	return text
}

// declared returns a value's declaration, what lies within it included.
func (r *rules) declared() JSON {
	out := append(JSON{{"type", r.typ.String()}}, r.own()...)
	return append(out, r.inner()...)
}

// inner is what is declared within a value.
func (r *rules) inner() JSON {
	switch r.typ {
	case typeObject:
		fields := JSON{}
		for _, member := range r.members {
			fields.set(member.name, member.declared())
		}
		return JSON{{"fields", fields}, {"keep", r.shape.Fields.Open()}}
	case typeArray:
		return JSON{{"items", r.items.declared()}}
	}
	return nil
}

// own are the keys of a value's declaration but its type and what lies within,
// in the order of the table of keys.
func (r *rules) own() JSON {
	var out JSON
	if r.description != "" {
		out.set("description", r.description)
	}
	out.setFlag("required", r.required)
	out.setFlag("nullable", r.shape.Nullable)
	if r.initial != nil {
		out.set("default", r.initialJSON())
	}
	out.setFlag("unique", r.unique)
	out.setValue("min", r.min)
	out.setValue("max", r.max)
	out = append(out, r.ownOfStrings()...)
	out.setLimit("min_items", r.minItems)
	out.setLimit("max_items", r.maxItems)
	out.setFlag("unique_items", r.uniqueItems)
	if r.typ == typeRef {
		out = append(out, Member{"to", r.to}, Member{"on_delete", r.onDelete.String()})
	}
	return out
}

func (r *rules) ownOfStrings() JSON {
	var out JSON
	out.setLimit("min_length", r.minLength)
	out.setLimit("max_length", r.maxLength)
	if r.pattern != nil {
		out.set("pattern", r.pattern.source)
	}
	if r.enum != nil {
		out.set("enum", enumSchema(r))
	}
	out.setFlag("trim", r.shape.Transform&bsonjson.Trim != 0)
	out.setFlag("lowercase", r.shape.Transform&bsonjson.Lowercase != 0)
	out.setFlag("uppercase", r.shape.Transform&bsonjson.Uppercase != 0)
	if r.check != nil {
		out.set("check", r.check.tags)
	}
	return out
}

func (j *JSON) setFlag(name string, set bool) {
	if set {
		j.set(name, true)
	}
}

func (j *JSON) setLimit(name string, n int) {
	if n >= 0 {
		j.set(name, n)
	}
}

func (j *JSON) setValue(name string, value bson.RawValue) {
	if !value.IsZero() {
		j.set(name, plainJSON(value))
	}
}

// initialJSON is a default as JSON, a generator by its name.
func (r *rules) initialJSON() json.RawMessage {
	switch r.initial.Generate {
	case bsonjson.Now:
		return json.RawMessage(`"now"`)
	case bsonjson.NewUUID:
		return json.RawMessage(`"uuid"`)
	}
	return plainJSON(r.initial.Value)
}

// hash returns the hash of a model's meaning.
func hash(m *Model) string {
	h := sha256.New()
	for _, c := range m.Collections {
		text, err := encode(c.declared())
		if err != nil { // declarations hold nothing that does not marshal
			continue
		}
		h.Write(append(text, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ParseID reads an id from a part of a path. The error is a sentence such as
// "must be an int".
func (c *Collection) ParseID(text string) (bson.RawValue, error) {
	return bsonjson.ParseText(text, c.idShape)
}

// DecodeID reads an id from JSON. What is wrong with it is noted at pointer; an
// error is text that is no JSON.
func (c *Collection) DecodeID(text []byte, pointer string, faults *fault.List) (bson.RawValue, error) {
	return bsonjson.DecodeValue(text, c.idShape, bsonjson.Options{Pointer: pointer}, faults)
}
