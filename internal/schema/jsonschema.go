package schema

import (
	"math"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/geojson"
)

// Variant tells the published JSON Schemas of a collection apart.
type Variant uint8

// The variants.
const (
	// Create is the body of POST: without the system fields, but for an id that
	// the client may or must choose.
	Create Variant = iota
	// Replace is the body of PUT: the system fields may come back as they were read.
	Replace
	// Patch is a merge patch (RFC 7396): nothing is required, null removes.
	Patch
	// Stored is a document in an answer.
	Stored
	// Selected is one of which there may be some fields alone.
	Selected
)

// JSONSchema returns the JSON Schema (2020-12) of a variant, self-contained and
// without the $schema member. The variants of bodies describe what is sent,
// before trim, lowercase and uppercase: rules that hold only afterwards are in
// those of answers alone.
func (c *Collection) JSONSchema(v Variant) JSON {
	return schemaWriter{variant: v, stored: v == Stored || v == Selected, id: c.ID, refer: anyDocument}.document(c)
}

// AnswerSchema is JSONSchema for Stored and Selected, with the documents that an
// answer can include; refer returns the schema of those of a relation.
func (c *Collection) AnswerSchema(v Variant, refer func(*Relation) JSON) JSON {
	schema := c.JSONSchema(v)
	if len(c.Relations) == 0 {
		return schema
	}
	properties, _ := schema.Get("properties").(JSON)
	for i := range c.Relations {
		relation := &c.Relations[i]
		included := JSON{{"type", "array"}, {"items", refer(relation)}}
		if !relation.Many {
			included = JSON{{"oneOf", []any{refer(relation), JSON{{"type", "null"}}}}}
		}
		properties.set(relation.Name, append(included, Member{"description", "There where it was included."}))
	}
	return schema.with("properties", properties)
}

func (w schemaWriter) document(c *Collection) JSON {
	schema := w.object(c.rules, w.variant == Patch)
	if w.variant == Create {
		schema = w.relations(schema, c)
	}
	if c.Description != "" {
		schema = slices.Insert(schema, 1, Member{"description", c.Description})
	}
	return schema
}

type schemaWriter struct {
	variant Variant
	stored  bool
	id      IDKind
	// refer describes the documents that a relation creates.
	refer func(*Relation) JSON
	// without is a field at the top that is left out.
	without string
}

// value describes a value. With merge it is part of a merge patch, and not
// inside an array, which a patch replaces whole.
func (w schemaWriter) value(r *rules, merge bool) JSON {
	var schema JSON
	switch r.shape.Kind {
	case bsonjson.Object:
		schema = w.object(r, merge)
	case bsonjson.Array:
		schema = w.array(r)
	case bsonjson.Geo:
		schema = geometrySchema()
	case bsonjson.Any:
	case bsonjson.String:
		schema = w.text(r)
	case bsonjson.Int:
		schema = intSchema(r)
	case bsonjson.Double:
		schema = doubleSchema(r)
	default:
		schema = slices.Clone(scalarSchemas[r.shape.Kind])
	}
	if r.enum != nil && (w.stored || r.shape.Transform == 0) {
		schema.set("enum", enumSchema(r))
	}
	if r.description != "" {
		schema.set("description", r.description)
	}
	if r.initial != nil && r.initial.Generate == bsonjson.Fixed && w.variant != Patch {
		schema.set("default", plainJSON(r.initial.Value))
	}
	return schema
}

// scalarSchemas are those without rules that JSON Schema can express.
var scalarSchemas = map[bsonjson.Kind]JSON{
	bsonjson.Bool:     {{"type", "boolean"}},
	bsonjson.Date:     {{"type", "string"}, {"format", "date-time"}},
	bsonjson.ObjectID: {{"type", "string"}, {"pattern", "^[0-9a-fA-F]{24}$"}},
	bsonjson.UUID: {{"type", "string"}, {"format", "uuid"},
		{"pattern", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"}},
	bsonjson.Decimal: {{"type", "string"}, {"format", "decimal"},
		{"pattern", `^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`}},
	bsonjson.Binary: {{"type", "string"}, {"contentEncoding", "base64"},
		{"pattern", "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"}},
}

// formats are the checks that JSON Schema has a name for.
var formats = map[string]string{
	"email": "email", "uri": "uri", "url": "uri", "http_url": "uri", "https_url": "uri",
	"ipv4": "ipv4", "ipv6": "ipv6", "hostname": "hostname", "hostname_rfc1123": "hostname",
}

func (w schemaWriter) text(r *rules) JSON {
	schema := JSON{{"type", "string"}}
	if r.check != nil {
		for tag := range strings.SplitSeq(r.check.tags, ",") {
			if format, ok := formats[tag]; ok && !strings.HasPrefix(r.check.tags, "omit") {
				schema.set("format", format)
				break
			}
		}
	}
	if r.minLength > 0 {
		schema.set("minLength", r.minLength)
	}
	trimmed := r.shape.Transform&bsonjson.Trim != 0
	if r.maxLength >= 0 && (w.stored || !trimmed) {
		schema.set("maxLength", r.maxLength)
	}
	if r.pattern != nil && (w.stored || r.shape.Transform == 0) {
		schema.set("pattern", r.pattern.ecma)
	}
	return schema
}

func intSchema(r *rules) JSON {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	if !r.min.IsZero() {
		low = r.min.Int64()
	}
	if !r.max.IsZero() {
		high = r.max.Int64()
	}
	return JSON{{"type", "integer"}, {"format", "int64"}, {"minimum", low}, {"maximum", high}}
}

func doubleSchema(r *rules) JSON {
	schema := JSON{{"type", "number"}, {"format", "double"}}
	if !r.min.IsZero() {
		schema.set("minimum", plainJSON(r.min))
	}
	if !r.max.IsZero() {
		schema.set("maximum", plainJSON(r.max))
	}
	return schema
}

func enumSchema(r *rules) []any {
	values := make([]any, len(r.enum))
	for i, value := range r.enum {
		values[i] = plainJSON(value)
	}
	return values
}

func (w schemaWriter) array(r *rules) JSON {
	schema := JSON{{"type", "array"}, {"items", orEmpty(nullable(w.value(r.items, false), r.items.shape.Nullable))}}
	if r.minItems > 0 {
		schema.set("minItems", r.minItems)
	}
	if r.maxItems >= 0 {
		schema.set("maxItems", r.maxItems)
	}
	if r.uniqueItems && w.variant != Selected && (w.stored || r.items.shape.Transform == 0) {
		schema.set("uniqueItems", true)
	}
	return schema
}

// orEmpty makes a schema without rules an object rather than null.
func orEmpty(schema JSON) JSON {
	if schema == nil {
		return JSON{}
	}
	return schema
}

// nullable adds null to what a schema admits.
func nullable(schema JSON, admitted bool) JSON {
	if !admitted || len(schema) == 0 {
		return schema
	}
	out := JSON{}
	for _, member := range schema {
		switch member.Name {
		case "type":
			member.Value = []any{member.Value, "null"}
		case "enum":
			member.Value = append(slices.Clone(member.Value.([]any)), nil)
		case "oneOf":
			member.Value = append(slices.Clone(member.Value.([]any)), JSON{{"type", "null"}})
		}
		out = append(out, member)
	}
	return out
}

func (w schemaWriter) object(r *rules, merge bool) JSON {
	properties, required := JSON{}, []string{}
	for i, member := range r.members {
		system := r.shape.Fields.All()[i].System
		if !w.has(system) || member.name == w.without {
			continue
		}
		properties.set(member.name, orEmpty(w.member(member, system, merge)))
		if w.requires(member, system, merge) {
			required = append(required, member.name)
		}
	}
	schema := JSON{{"type", "object"}}
	if len(required) > 0 {
		schema.set("required", required)
	}
	if !r.shape.Fields.Open() {
		schema.set("properties", properties)
		schema.set("additionalProperties", false)
		return schema
	}
	for _, name := range w.refusedNames(r) {
		properties.set(name, JSON{{"not", JSON{}}})
	}
	schema.set("properties", properties)
	schema.set("propertyNames", JSON{{"pattern", `^(?:[^$\x00][^\x00]*)?$`}})
	return schema
}

// has reports whether the variant has a field.
func (w schemaWriter) has(system bsonjson.System) bool {
	switch {
	case system == bsonjson.DeletedAt:
		return w.stored || w.variant == Selected
	case w.variant != Create || system == bsonjson.NotSystem:
		return true
	case system == bsonjson.ID:
		return w.id.Settable()
	}
	return false
}

// refusedNames are those that an open object does not take all the same: of
// system fields that the variant does not have, and the stored name of the id.
func (w schemaWriter) refusedNames(r *rules) []string {
	var names []string
	for i, field := range r.shape.Fields.All() {
		if field.System == bsonjson.ID {
			names = append(names, "_id")
		}
		if !w.has(field.System) {
			names = append(names, r.members[i].name)
		}
	}
	return names
}

// member describes one member of an object.
func (w schemaWriter) member(r *rules, system bsonjson.System, merge bool) JSON {
	within := w
	within.without = ""
	schema := within.value(r, merge)
	switch {
	case system != bsonjson.NotSystem:
		if w.variant != Create {
			schema.set("readOnly", true)
		}
		return schema
	case merge:
		return nullable(schema, !r.required)
	}
	return nullable(schema, r.shape.Nullable)
}

func (w schemaWriter) requires(r *rules, system bsonjson.System, merge bool) bool {
	switch {
	case w.variant == Selected:
		return system == bsonjson.ID
	case system == bsonjson.NotSystem:
		return !merge && r.required && (w.stored || r.initial == nil)
	case w.stored:
		return system.Always()
	}
	return w.variant == Create && system == bsonjson.ID && !w.id.Generated()
}

// geometrySchema describes GeoJSON (RFC 7946 section 3.1).
func geometrySchema() JSON {
	var variants []any
	for _, t := range geojson.Types() {
		coordinates := JSON{{"type", "array"}, {"items", JSON{{"type", "number"}}}, {"minItems", 2}, {"maxItems", 3}}
		for level := range t.Levels {
			coordinates = JSON{{"type", "array"}, {"items", coordinates}, {"minItems", t.Fewest(level)}}
		}
		variants = append(variants, geometryVariant(t.Name, "coordinates", coordinates))
	}
	members := JSON{{"type", "array"}, {"items", JSON{{"type", "object"}, {"required", []string{"type"}}}}}
	return JSON{{"oneOf", append(variants, geometryVariant(geojson.Collection, "geometries", members))}}
}

func geometryVariant(name, member string, schema JSON) JSON {
	return JSON{
		{"type", "object"},
		{"required", []string{"type", member}},
		{"properties", JSON{{"type", JSON{{"type", "string"}, {"enum", []string{name}}}}, {member, schema}}},
		{"additionalProperties", false},
	}
}
