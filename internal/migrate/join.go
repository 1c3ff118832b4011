package migrate

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// eitherOf returns a validator that takes every document that one of two takes;
// nil where that is every document.
func eitherOf(next, before bson.Raw) bson.Raw {
	after, ok := ruleOf(next)
	old, known := ruleOf(before)
	if !ok || !known {
		return encoded(bson.D{{Key: "$or", Value: bson.A{next, before}}})
	}
	return after.join(old).validator()
}

// keeping returns the validator next, but that it still takes the fields which
// only the validator before knows.
func keeping(next, before bson.Raw) bson.Raw {
	after, ok := ruleOf(next)
	old, known := ruleOf(before)
	if !ok || !known || len(removedFields(after, old)) == 0 {
		return next
	}
	return after.keep(old).validator()
}

// join returns a rule that every value keeps which keeps r or other. Values of a
// type that one of them does not take are as the other has them.
func (r *rule) join(other *rule) *rule {
	if r.opaque || other.opaque {
		return anything()
	}
	joined := &rule{types: r.types | other.types}
	if r.enum != nil && other.enum != nil {
		joined.enum = union(r.enum, other.enum)
	}
	switch both := r.types & other.types; {
	case both.has(stringType):
		joined.minLength, joined.maxLength = weaker(r.minLength, other.minLength, false), weaker(r.maxLength, other.maxLength, true)
		if r.pattern != nil && other.pattern != nil && *r.pattern == *other.pattern {
			joined.pattern = r.pattern
		}
	default:
		one := r.oneWith(other, stringType)
		joined.minLength, joined.maxLength, joined.pattern = one.minLength, one.maxLength, one.pattern
	}
	joined.joinNumbers(r, other)
	joined.joinArrays(r, other)
	joined.joinObjects(r, other)
	return joined
}

// oneWith returns the one of two rules that takes values of some type.
func (r *rule) oneWith(other *rule, types typeSet) *rule {
	if r.types.has(types) {
		return r
	}
	return other
}

func union(a, b []bson.RawValue) []bson.RawValue {
	all := slices.Clone(a)
	for _, value := range b {
		if !contains(all, value) {
			all = append(all, value)
		}
	}
	return all
}

// weaker returns the weaker of two limits, nil where one is none.
func weaker(a, b *int64, upper bool) *int64 {
	if a == nil || b == nil {
		return nil
	}
	if (*a > *b) == upper {
		return a
	}
	return b
}

func (r *rule) joinNumbers(a, b *rule) {
	if !a.types.has(numberTypes) || !b.types.has(numberTypes) {
		one := a.oneWith(b, numberTypes)
		r.min, r.max = one.min, one.max
		return
	}
	if !a.min.IsZero() && !b.min.IsZero() {
		if r.min = a.min; compare(b.min, a.min) < 0 {
			r.min = b.min
		}
	}
	if !a.max.IsZero() && !b.max.IsZero() {
		if r.max = a.max; compare(b.max, a.max) > 0 {
			r.max = b.max
		}
	}
}

func (r *rule) joinArrays(a, b *rule) {
	if !a.types.has(arrayType) || !b.types.has(arrayType) {
		one := a.oneWith(b, arrayType)
		r.minItems, r.maxItems, r.uniqueItems, r.items = one.minItems, one.maxItems, one.uniqueItems, one.items
		return
	}
	r.minItems, r.maxItems = weaker(a.minItems, b.minItems, false), weaker(a.maxItems, b.maxItems, true)
	r.uniqueItems = a.uniqueItems && b.uniqueItems
	if a.items != nil && b.items != nil {
		r.items = a.items.join(b.items)
	}
}

func (r *rule) joinObjects(a, b *rule) {
	if !a.types.has(objectType) || !b.types.has(objectType) {
		one := a.oneWith(b, objectType)
		r.required, r.properties, r.closed = one.required, one.properties, one.closed
		return
	}
	for _, name := range a.required {
		if slices.Contains(b.required, name) {
			r.required = append(r.required, name)
		}
	}
	r.closed = a.closed && b.closed
	for _, p := range a.properties {
		r.addProperty(p.name, joinMember(p.rule, b.property(p.name), b.closed))
	}
	for _, p := range b.properties {
		if a.property(p.name) == nil {
			r.addProperty(p.name, joinMember(p.rule, nil, a.closed))
		}
	}
}

// joinMember joins the rule of a member with what another object says of it:
// nothing, where that has no such member.
func joinMember(own, other *rule, otherClosed bool) *rule {
	switch {
	case other != nil:
		return own.join(other)
	case otherClosed:
		return own
	}
	return anything()
}

func (r *rule) addProperty(name string, of *rule) {
	if r.closed || !of.asksNothing() {
		r.properties = append(r.properties, property{name, of})
	}
}

// keep returns r with the members added that old has and r refuses.
func (r *rule) keep(old *rule) *rule {
	if r.opaque || old.opaque {
		return r
	}
	kept := *r
	kept.raw, kept.properties = nil, nil
	for _, p := range r.properties {
		if before := old.property(p.name); before != nil {
			p.rule = p.keep(before)
		}
		kept.properties = append(kept.properties, p)
	}
	if r.items != nil && old.items != nil {
		kept.items = r.items.keep(old.items)
	}
	for _, p := range old.properties {
		if r.closed && r.property(p.name) == nil {
			kept.properties = append(kept.properties, p)
		}
	}
	return &kept
}

// validator writes the rule of a document as MongoDB takes it, nil where it asks
// nothing.
func (r *rule) validator() bson.Raw {
	top := *r
	if top.types == objectType {
		top.types = allTypes
	}
	if top.asksNothing() {
		return nil
	}
	return encoded(bson.D{{Key: "$jsonSchema", Value: r.schema()}})
}

// schema writes the rule in the order in which schema files compile theirs.
func (r *rule) schema() bson.D {
	if r.opaque {
		return decode(r.raw)
	}
	doc := bson.D{}
	switch names := r.types.names(); {
	case r.types == allTypes:
	case len(names) == 1:
		doc = append(doc, bson.E{Key: "bsonType", Value: names[0]})
	default:
		doc = append(doc, bson.E{Key: "bsonType", Value: names})
	}
	if r.enum != nil {
		doc = append(doc, bson.E{Key: "enum", Value: r.enum})
	}
	doc = appendCount(doc, "minLength", r.minLength)
	doc = appendCount(doc, "maxLength", r.maxLength)
	if r.pattern != nil {
		doc = append(doc, bson.E{Key: "pattern", Value: *r.pattern})
	}
	doc = appendNumber(doc, "minimum", r.min)
	doc = appendNumber(doc, "maximum", r.max)
	doc = appendCount(doc, "minItems", r.minItems)
	doc = appendCount(doc, "maxItems", r.maxItems)
	if r.uniqueItems {
		doc = append(doc, bson.E{Key: "uniqueItems", Value: true})
	}
	if r.items != nil && !r.items.asksNothing() {
		doc = append(doc, bson.E{Key: "items", Value: r.items.schema()})
	}
	return r.appendMembers(doc)
}

func appendCount(doc bson.D, name string, limit *int64) bson.D {
	if limit == nil {
		return doc
	}
	return append(doc, bson.E{Key: name, Value: *limit})
}

func appendNumber(doc bson.D, name string, limit bson.RawValue) bson.D {
	if limit.IsZero() {
		return doc
	}
	return append(doc, bson.E{Key: name, Value: limit})
}

func (r *rule) appendMembers(doc bson.D) bson.D {
	properties, patterns := bson.D{}, bson.D{}
	for _, p := range r.properties {
		if strings.Contains(p.name, ".") {
			patterns = append(patterns, bson.E{Key: namePattern(p.name), Value: p.schema()})
		} else {
			properties = append(properties, bson.E{Key: p.name, Value: p.schema()})
		}
	}
	if len(r.required) > 0 {
		doc = append(doc, bson.E{Key: "required", Value: r.required})
	}
	if len(properties) > 0 {
		doc = append(doc, bson.E{Key: "properties", Value: properties})
	}
	if len(patterns) > 0 {
		doc = append(doc, bson.E{Key: "patternProperties", Value: patterns})
	}
	if r.closed {
		doc = append(doc, bson.E{Key: "additionalProperties", Value: false})
	}
	return doc
}

// decode reads a document that was read as BSON before.
func decode(raw bson.Raw) bson.D {
	var doc bson.D
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return bson.D{}
	}
	return doc
}
