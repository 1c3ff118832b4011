package introspect

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
)

// validator returns the $jsonSchema of the collection, nil for none.
func (s *subject) validator() bson.Raw {
	rules, _ := s.info.Options.Lookup("validator", "$jsonSchema").DocumentOK()
	return rules
}

// heed takes over what a validator says, as far as a schema file has it. What
// the documents do not keep is loosened later.
func (s *subject) heed(rules bson.Raw) {
	if rules == nil {
		return
	}
	top := &field{typ: "object", members: s.top.members, open: s.top.open, seen: &evidence{object: s.seen}}
	top.heedObject(rules, true, isOwn(rules))
	s.top.members, s.top.open = top.members, top.open
}

// isOwn reports whether a validator is one that the service makes.
func isOwn(rules bson.Raw) bool {
	required := words(rules.Lookup("required"))
	return !slices.ContainsFunc([]string{"_id", "version", "createdAt", "updatedAt"}, func(name string) bool { return !slices.Contains(required, name) })
}

func words(value bson.RawValue) (list []string) {
	if word, ok := value.StringValueOK(); ok {
		return []string{word}
	}
	array, _ := value.ArrayOK()
	values, _ := array.Values()
	for _, item := range values {
		if word, ok := item.StringValueOK(); ok {
			list = append(list, word)
		}
	}
	return list
}

// heedObject takes over what is said of members. A validator of the service's own
// also says whether others are kept.
func (f *field) heedObject(rules bson.Raw, top, own bool) {
	if own || f.empty() {
		closed, isBool := rules.Lookup("additionalProperties").BooleanOK()
		f.open = f.open && f.seen != nil || !isBool || closed
	}
	properties, _ := rules.Lookup("properties").DocumentOK()
	elements, _ := properties.Elements()
	required := words(rules.Lookup("required"))
	for _, property := range elements {
		name := property.Key()
		said, ok := property.Value().DocumentOK()
		if !ok || schema.BadFieldName(name, top) != "" || strings.Contains(name, ".") {
			continue
		}
		member := f.member(name)
		switch {
		case member == nil && f.seen != nil && f.seen.object != nil && f.seen.object.members[name] != nil:
			continue // one of a map
		case member == nil:
			member = &field{name: name, typ: "any"}
			f.members = append(f.members, member)
		}
		member.heedValue(said, own)
		if slices.Contains(required, name) && (member.seen == nil && f.empty() || member.seen != nil && member.seen.values == member.among) {
			member.required = true
		}
	}
}

// empty reports whether no object was seen that could have members.
func (f *field) empty() bool {
	return f.seen == nil || f.seen.object == nil || f.seen.object.count == 0
}

// typesOf are the types of a schema by those of a $jsonSchema.
var typesOf = map[string]string{
	"string": "string", "int": "int", "long": "int", "double": "double", "number": "double", "decimal": "decimal", "bool": "bool", "boolean": "bool",
	"date": "date", "objectId": "objectId", "binData": "binary", "object": "object", "array": "array",
}

// saidType is the type that a $jsonSchema has, "" for none or several.
func saidType(of bson.RawValue) (typ string, nullable bool) {
	rules, _ := of.DocumentOK()
	found := words(rules.Lookup("bsonType"))
	if len(found) == 0 {
		found = words(rules.Lookup("type"))
	}
	var types []string
	for _, word := range found {
		if word == "null" {
			nullable = true
		} else if name := typesOf[word]; !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	switch {
	case len(types) == 1:
		return types[0], nullable
	case slices.Equal(types, []string{"double", "int"}):
		return "double", nullable
	}
	return "", nullable
}

// heedValue takes over what is said of a value.
func (f *field) heedValue(rules bson.Raw, own bool) {
	said, nullable := saidType(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: rules})
	if f.typ == "any" && said != "" && (f.seen == nil || len(f.seen.kinds) == 0) {
		f.become(said)
	}
	if f.typ == "int" && said == "double" {
		f.typ = "double"
	}
	if f.typ == "any" {
		return
	}
	f.nullable = f.nullable || nullable
	if text, ok := rules.Lookup("description").StringValueOK(); ok && text != "" {
		f.rules = append(schema.JSON{{Name: "description", Value: text}}, f.rules...)
	}
	switch f.typ {
	case "object":
		f.heedObject(rules, false, own)
	case "array":
		f.heedCount(rules, "minItems", "min_items")
		f.heedCount(rules, "maxItems", "max_items")
		if unique, _ := rules.Lookup("uniqueItems").BooleanOK(); unique {
			f.set("unique_items", true)
		}
		if items, ok := rules.Lookup("items").DocumentOK(); ok {
			f.items.heedValue(items, own)
		}
	case "string":
		f.heedCount(rules, "minLength", "min_length")
		f.heedCount(rules, "maxLength", "max_length")
		if pattern, ok := rules.Lookup("pattern").StringValueOK(); ok && f.compiles("pattern", pattern) {
			f.set("pattern", pattern)
		}
		f.heedEnum(rules)
	case "int", "double", "decimal":
		f.heedLimit(rules, "minimum", "min")
		f.heedLimit(rules, "maximum", "max")
		f.heedEnum(rules)
	}
}

// become gives a field of which no value was seen a type.
func (f *field) become(typ string) {
	f.typ = typ
	f.nullable = f.seen != nil && f.seen.nulls > 0
	switch typ {
	case "object":
		f.open = true
	case "array":
		f.items = &field{typ: "any"}
	}
}

func (f *field) heedCount(rules bson.Raw, said, name string) {
	if n, ok := rules.Lookup(said).AsInt64OK(); ok && n >= 0 && n < math.MaxInt32 {
		f.set(name, n)
	}
}

func (f *field) heedLimit(rules bson.Raw, said, name string) {
	value := rules.Lookup(said)
	if exclusive, _ := rules.Lookup("exclusive" + strings.ToUpper(said[:1]) + said[1:]).BooleanOK(); exclusive || value.Type == 0 {
		return
	}
	if limit := json.RawMessage(bsonjson.AppendValue(nil, value)); f.compiles(name, limit) {
		f.set(name, limit)
	}
}

func (f *field) heedEnum(rules bson.Raw) {
	array, ok := rules.Lookup("enum").ArrayOK()
	if !ok || f.typ == "decimal" {
		return
	}
	var list []any
	values, _ := array.Values()
	for _, value := range values {
		switch kind := kindOf(value); {
		case value.Type == bson.TypeNull:
			f.nullable = true
		case kind == f.typ || kind == "int" && f.typ == "double":
			list = append(list, json.RawMessage(bsonjson.AppendValue(nil, value)))
		default:
			return
		}
	}
	if len(list) > 0 && f.compiles("enum", list) {
		f.set("enum", list)
	}
}

// compiles reports whether a field of the type can have a rule.
func (f *field) compiles(name string, value any) bool {
	file := schema.JSON{{Name: "collection", Value: "c"}, {Name: "fields", Value: schema.JSON{{Name: "f", Value: schema.JSON{
		{Name: "type", Value: f.typ}, {Name: name, Value: value},
	}}}}}
	_, err := schema.LoadFiles([]schema.File{{Name: "c.yaml", Text: schema.AppendYAML(nil, file, nil)}})
	return err == nil
}

// heeded are the keys of a $jsonSchema that are taken over, or that say nothing.
var heeded = []string{"bsonType", "type", "properties", "required", "items", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern",
	"minItems", "maxItems", "uniqueItems", "description", "title", "additionalProperties", "patternProperties"}

// validatorLimits tells what of the validator no schema file has.
func (s *subject) validatorLimits() (limits []string) {
	validator, _ := s.info.Options.Lookup("validator").DocumentOK()
	elements, _ := validator.Elements()
	var conditions []string
	for _, e := range elements {
		if e.Key() != "$jsonSchema" {
			conditions = append(conditions, e.Key())
		}
	}
	if len(conditions) > 0 {
		limits = append(limits, fmt.Sprintf("the validator's conditions on %s are not carried over, and the service puts a validator of its own in its place", strings.Join(conditions, ", ")))
	}
	found := map[string]bool{}
	unheeded(s.validator(), found)
	if len(found) > 0 {
		limits = append(limits, fmt.Sprintf("the validator's rules %s are not carried over, and the service puts a validator of its own in its place", strings.Join(sortedKeys(found), ", ")))
	}
	return limits
}

// unheeded notes the keys of a $jsonSchema that are not taken over.
func unheeded(rules bson.Raw, found map[string]bool) {
	elements, _ := rules.Elements()
	for _, e := range elements {
		if !slices.Contains(heeded, e.Key()) {
			found[e.Key()] = true
		}
		inner, _ := e.Value().DocumentOK()
		switch e.Key() {
		case "items":
			unheeded(inner, found)
		case "properties":
			properties, _ := inner.Elements()
			for _, property := range properties {
				said, _ := property.Value().DocumentOK()
				unheeded(said, found)
			}
		}
	}
}

func sortedKeys(set map[string]bool) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
