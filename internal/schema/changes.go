package schema

import (
	"bytes"
	"fmt"
	"strings"
)

// Changes tells what is different in a model from the one before, a line each:
// "+ field users.nick: string", "- index users.email_1", "~ field users.age: max
// 120, was 100".
func Changes(before, after *Model) []string {
	var k comparison
	for _, c := range after.Collections {
		if old, ok := before.Lookup(c.Name); ok {
			k.object("collection", c.Name, old.declared(), c.declared())
		} else {
			k.line("+ collection %s", c.Name)
		}
	}
	for _, c := range before.Collections {
		if _, ok := after.Lookup(c.Name); !ok {
			k.line("- collection %s", c.Name)
		}
	}
	return k.lines
}

type comparison struct{ lines []string }

func (k *comparison) line(format string, args ...any) {
	k.lines = append(k.lines, fmt.Sprintf(format, args...))
}

// named are the members of a declaration that hold further ones by name.
var named = map[string]string{"fields": "field", "relations": "relation", "aggregates": "aggregate"}

// object compares two declarations: in one line what is said of the thing itself,
// then what lies within.
func (k *comparison) object(what, path string, before, after JSON) {
	var own []string
	inner := comparison{}
	for _, name := range memberNames(before, after) {
		old, now := before.Get(name), after.Get(name)
		switch {
		case named[name] != "":
			inner.members(named[name], path, asObject(old), asObject(now))
		case name == "items":
			inner.object("items of", path, asObject(old), asObject(now))
		case name == "indexes":
			inner.members("index", path, byName(old), byName(now))
		case !same(old, now):
			own = append(own, changed(name, old, now))
		}
	}
	if len(own) > 0 {
		k.line("~ %s %s: %s", what, path, strings.Join(own, ", "))
	}
	k.lines = append(k.lines, inner.lines...)
}

// members compares what is declared by name.
func (k *comparison) members(what, path string, before, after JSON) {
	for _, name := range memberNames(before, after) {
		old, now, at := before.Get(name), after.Get(name), path+"."+name
		switch {
		case old == nil:
			k.line("+ %s %s%s", what, at, typeOf(now))
		case now == nil:
			k.line("- %s %s", what, at)
		default:
			k.object(what, at, asObject(old), asObject(now))
		}
	}
}

// memberNames returns the names of two objects: those of the second in their order,
// then those that it has not.
func memberNames(before, after JSON) []string {
	var names []string
	for _, m := range after {
		names = append(names, m.Name)
	}
	for _, m := range before {
		if after.Get(m.Name) == nil {
			names = append(names, m.Name)
		}
	}
	return names
}

func asObject(value any) JSON {
	object, _ := value.(JSON)
	return object
}

// byName returns a list of declarations that have names as an object.
func byName(value any) JSON {
	var out JSON
	list, _ := value.([]any)
	for _, element := range list {
		declared := asObject(element)
		name, _ := declared.Get("name").(string)
		out.set(name, declared)
	}
	return out
}

func typeOf(value any) string {
	if text, ok := asObject(value).Get("type").(string); ok {
		return ": " + text
	}
	return ""
}

func same(a, b any) bool {
	left, errLeft := encode(a)
	right, errRight := encode(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}

// changed says what became of one key of a declaration.
func changed(name string, before, after any) string {
	switch {
	case after == nil:
		return "no " + name
	case after == true:
		return name
	case before == nil:
		return name + " " + brief(after)
	}
	return name + " " + brief(after) + ", was " + brief(before)
}

// brief is a value in one short line.
func brief(value any) string {
	text, err := encode(value)
	if err != nil {
		return "?"
	}
	if plain, ok := value.(string); ok {
		text = []byte(plain)
	}
	return shorten(strings.ReplaceAll(string(text), "\n", " "))
}
