package introspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/sheafdb/sheaf/internal/schema"
)

// field is a field as it will be declared, or the items of an array.
type field struct {
	name               string
	typ                string
	required, nullable bool
	unique             bool
	// rules are further keys, such as enum and max_length.
	rules schema.JSON
	// to is the collection of a ref.
	to string

	members []*field
	open    bool
	items   *field
	// seen is nil where only the validator speaks of the field.
	seen *evidence
	// among is how many objects could have the field.
	among int64
	notes []string
}

const (
	// enoughToRequire is how many objects must all have a field before it counts
	// as required.
	enoughToRequire = 10
	// An enum is made of at most enumValues texts, each of which was met
	// enumRepeats times, on average enumShare times, in enoughForEnum values.
	enumValues, enumRepeats, enumShare, enoughForEnum = 12, 2, 20, 100
	// maxDepth is the level of fields below which anything goes.
	maxDepth = 40
)

// infer returns the narrowest declaration that admits what was seen.
func infer(name string, e *evidence, among int64, depth int) *field {
	f := &field{name: name, typ: e.typ(), seen: e, among: among}
	if depth > maxDepth && (f.typ == "object" || f.typ == "array") {
		f.typ = "any"
	}
	f.nullable = e.nulls > 0 && f.typ != "any"
	f.required = among >= enoughToRequire && e.values == among
	switch f.typ {
	case "object":
		f.members, f.open = inferMembers(e.object, depth)
	case "array":
		f.items = &field{typ: "any", seen: e.items}
		if e.items.values > 0 {
			f.items = infer("", e.items, 0, depth+1)
		}
	case "string":
		f.enum()
	}
	return f
}

// typ is the narrowest type that admits all values.
func (e *evidence) typ() string {
	kinds := slices.Sorted(maps.Keys(e.kinds))
	switch strings.Join(kinds, " ") {
	case "":
		return "any"
	case "double int":
		return "double"
	case "binary uuid":
		return "binary"
	case "geo object":
		return "object"
	}
	if len(kinds) > 1 || kinds[0] == foreign {
		return "any"
	}
	return kinds[0]
}

func inferMembers(o *object, depth int) (members []*field, open bool) {
	if o.isMap() {
		return nil, true
	}
	for _, name := range o.names {
		members = append(members, infer(name, o.members[name], o.count, depth+1))
	}
	return members, o.unnamed+o.operators > 0
}

// enum makes an enum of the texts where they are few, and were met often.
func (f *field) enum() {
	e := f.seen
	texts := e.values - e.nulls
	if e.words == nil || texts < enoughForEnum || len(e.words) < 2 || len(e.words) > enumValues || texts < int64(len(e.words))*enumShare {
		return
	}
	var values []any
	for _, word := range slices.Sorted(maps.Keys(e.words)) {
		if e.words[word] < enumRepeats || word == "" || word != strings.TrimSpace(word) || strings.ContainsFunc(word, unicode.IsControl) {
			return
		}
		values = append(values, word)
	}
	f.rules = append(f.rules, schema.Member{Name: "enum", Value: values})
}

// evidenceNote tells on what the declaration of a field rests.
func (f *field) evidenceNote(of string) string {
	e := f.seen
	if e == nil {
		return "in no document that was read; the collection's validator names it"
	}
	parts := []string{fmt.Sprintf("in %d of %d %s", e.values, f.among, of)}
	if e.nulls > 0 {
		parts = append(parts, fmt.Sprintf("null in %d", e.nulls))
	}
	if len(e.kinds) > 1 || e.kinds[foreign] > 0 {
		parts = append(parts, e.mixture())
	}
	switch {
	case f.typ == "array":
		parts = append(parts, f.itemsNote())
	case e.object != nil && f.typ == "object" && f.open && len(f.members) == 0:
		parts = append(parts, fmt.Sprintf("its %s names look like values: a map", e.object.countNames()))
	case f.typ != "object" && f.typ != "geo" && f.typ != "bool":
		parts = append(parts, e.variety())
	}
	if f.typ == "string" && e.moments > 0 && e.moments == e.values-e.nulls {
		parts = append(parts, "text that reads like dates")
	}
	return strings.Join(slices.DeleteFunc(append(parts, f.notes...), func(s string) bool { return s == "" }), "; ")
}

// mixture tells how often each type was met, the most frequent first.
func (e *evidence) mixture() string {
	kinds := slices.SortedFunc(maps.Keys(e.kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(e.kinds[b], e.kinds[a]), strings.Compare(a, b))
	})
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%s in %d", kind, e.kinds[kind])
	}
	return strings.Join(kinds, ", ")
}

// variety tells how many different values there are.
func (e *evidence) variety() string {
	switch {
	case e.more:
		return fmt.Sprintf("more than %d distinct values", maxDistinct)
	case len(e.distinct) == 1:
		return "1 distinct value"
	case len(e.distinct) == 0:
		return ""
	}
	return fmt.Sprintf("%d distinct values", len(e.distinct))
}

func (o *object) countNames() string {
	if o.crowded {
		return fmt.Sprintf("more than %d", maxNames)
	}
	return fmt.Sprint(len(o.names))
}

func (f *field) itemsNote() string {
	e, items := f.seen, f.items.seen
	length := fmt.Sprintf("%d to %d items", e.fewest, e.most)
	if e.fewest == e.most {
		length = fmt.Sprintf("%d items", e.most)
	}
	if items == nil || items.values == 0 {
		return length
	}
	if len(items.kinds) > 1 || items.kinds[foreign] > 0 {
		length += ": " + items.mixture()
	}
	if f.items.typ == "object" || f.items.typ == "array" || f.items.typ == "geo" {
		return length
	}
	return length + ", " + items.variety()
}
