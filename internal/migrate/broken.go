package migrate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// broken tells where and how a document breaks a validator. MongoDB decides
// whether it does: of a validator that is not understood nothing is found.
func broken(validator, doc bson.Raw) []fault.Item {
	top, ok := ruleOf(validator)
	if !ok {
		return nil
	}
	c := checker{}
	c.object(top, doc, "")
	return c.faults.Items
}

type checker struct{ faults fault.List }

func (c *checker) fault(pointer, code, format string, args ...any) {
	c.faults.Add(pointer, code, format, args...)
}

func (c *checker) object(r *rule, doc bson.Raw, pointer string) {
	elements, err := doc.Elements()
	if err != nil {
		return
	}
	names := make([]string, len(elements))
	for i, e := range elements {
		names[i] = e.Key()
		at := bsonjson.AppendToken(pointer, clientName(pointer, e.Key()))
		switch member := r.property(e.Key()); {
		case member != nil:
			c.value(member, e.Value(), at)
		case r.closed:
			c.fault(at, "unknown-field", "is not a field of the schema%s", nearest.Hint(e.Key(), r.names()))
		}
	}
	for _, name := range r.required {
		if !slices.Contains(names, name) {
			c.fault(bsonjson.AppendToken(pointer, clientName(pointer, name)), "required", "is required")
		}
	}
}

// clientName is the name of a member as clients know it: the id is stored as
// _id at the top.
func clientName(pointer, name string) string {
	if pointer == "" && name == "_id" {
		return "id"
	}
	return name
}

func (r *rule) names() []string {
	names := make([]string, len(r.properties))
	for i, p := range r.properties {
		names[i] = p.name
	}
	return names
}

func (c *checker) value(r *rule, value bson.RawValue, pointer string) {
	t := typeOf(value)
	if !t.within(r.types) {
		c.fault(pointer, "type", "must be of type %s, not %s", strings.Join(r.types.names(), " or "), strings.Join(t.names(), ""))
		return
	}
	if r.enum != nil && !contains(r.enum, value) {
		c.fault(pointer, "enum", "must be one of the values that the schema lists")
	}
	switch {
	case t.has(stringType):
		c.text(r, value.StringValue(), pointer)
	case t.has(numberTypes):
		c.number(r, value, pointer)
	case t.has(arrayType):
		c.array(r, value, pointer)
	case t.has(objectType):
		c.object(r, value.Document(), pointer)
	}
}

func (c *checker) text(r *rule, text, pointer string) {
	length := int64(utf8.RuneCountInString(text))
	if r.minLength != nil && length < *r.minLength {
		c.fault(pointer, "min-length", "must be at least %d characters long, not %d", *r.minLength, length)
	}
	if r.maxLength != nil && length > *r.maxLength {
		c.fault(pointer, "max-length", "must be at most %d characters long, not %d", *r.maxLength, length)
	}
	if r.pattern == nil {
		return
	}
	if expression, err := regexp.Compile(*r.pattern); err == nil && !expression.MatchString(text) {
		c.fault(pointer, "pattern", "must match the pattern of the schema")
	}
}

func (c *checker) number(r *rule, value bson.RawValue, pointer string) {
	if _, finite := rational(value); !finite {
		return
	}
	if !r.min.IsZero() && compare(value, r.min) < 0 {
		c.fault(pointer, "min", "must be at least %s", numberText(r.min))
	}
	if !r.max.IsZero() && compare(value, r.max) > 0 {
		c.fault(pointer, "max", "must be at most %s", numberText(r.max))
	}
}

func numberText(value bson.RawValue) string {
	return strings.Trim(string(bsonjson.AppendValue(nil, value)), `"`)
}

func (c *checker) array(r *rule, value bson.RawValue, pointer string) {
	items := arrayValues(value)
	count := int64(len(items))
	if r.minItems != nil && count < *r.minItems {
		c.fault(pointer, "min-items", "must have at least %d items, not %d", *r.minItems, count)
	}
	if r.maxItems != nil && count > *r.maxItems {
		c.fault(pointer, "max-items", "must have at most %d items, not %d", *r.maxItems, count)
	}
	if r.uniqueItems && repeats(items) {
		c.fault(pointer, "unique-items", "must not hold the same value twice")
	}
	if r.items == nil {
		return
	}
	for i, item := range items {
		c.value(r.items, item, pointer+"/"+strconv.Itoa(i))
	}
}

// mostCompared bounds the pairs of items that are compared with each other.
const mostCompared = 1000

func repeats(items []bson.RawValue) bool {
	for i := range min(len(items), mostCompared) {
		if contains(items[:i], items[i]) {
			return true
		}
	}
	return false
}

func contains(values []bson.RawValue, wanted bson.RawValue) bool {
	return slices.ContainsFunc(values, func(one bson.RawValue) bool { return equals(one, wanted) })
}

// equals reports whether MongoDB takes two values for equal: numbers of
// different types are.
func equals(a, b bson.RawValue) bool {
	if typeOf(a).has(numberTypes) && typeOf(b).has(numberTypes) {
		_, finite := rational(a)
		_, both := rational(b)
		return finite && both && compare(a, b) == 0
	}
	return a.Equal(b)
}
