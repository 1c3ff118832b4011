package schema

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTagListsAreThoseOfTheLibrary fails when an update of the library brings a
// tag that nobody has yet looked at.
func TestTagListsAreThoseOfTheLibrary(t *testing.T) {
	library := []string{"dive", "keys", "endkeys", "structonly", "nostructlevel", "omitempty", "omitzero", "omitnil"}
	registry := reflect.ValueOf(tagValidator).Elem()
	for _, name := range []string{"validations", "aliases"} {
		for _, key := range registry.FieldByName(name).MapKeys() {
			library = append(library, key.String())
		}
	}
	listed := slices.Concat(valueTags, structTags, hostTags)
	slices.Sort(library)
	slices.Sort(listed)
	if diff := cmp.Diff(library, listed); diff != "" {
		t.Errorf("tags (-library +listed):\n%s", diff)
	}
}

func TestTypedTagsFitTheirType(t *testing.T) {
	parameters := map[string]string{"eq": "=1", "ne": "=1", "gt": "=1", "gte": "=1", "lt": "=1", "lte": "=1", "min": "=1",
		"max": "=1", "len": "=1", "oneof": "=1 2", "noneof": "=1 2"}
	for typ, tags := range typedTags {
		for _, tag := range tags {
			if !slices.Contains(valueTags, tag) {
				t.Errorf("%s is not a tag for values", tag)
			}
			if typ != typeDate {
				tag += parameters[tag]
			}
			if reason := badTag(tag, typ); reason != "" {
				t.Errorf("%s: %s", typ, reason)
			}
		}
	}
}

func TestCheckMessages(t *testing.T) {
	tests := []struct{ field, value, want string }{
		{`{type: string, check: email}`, `"nobody"`, "must be a valid email address"},
		{`{type: string, check: "min=3"}`, `"ab"`, "must be at least 3 characters in length"},
		{`{type: string, check: "max=2,email"}`, `"abc"`, "must be a maximum of 2 characters in length"},
		{`{type: string, check: " max=3 , email "}`, `"a@b.example"`, "must be a maximum of 3 characters in length"},
		{`{type: string, check: "oneof=red green"}`, `"blue"`, "must be one of [red green]"},
		{`{type: string, check: "email|url"}`, `"x"`, `must pass the check "email|url"`},
		{`{type: string, check: mongodb}`, `"xy"`, `must pass the check "mongodb"`},
		{`{type: string, check: "omitempty,email"}`, `""`, ""},
		{`{type: string, check: "contains=0x2C"}`, `"a,b"`, ""},
		{`{type: int, check: "min=3"}`, `2`, "must be 3 or greater"},
		{`{type: int, check: "oneof=1 5"}`, `5`, ""},
		{`{type: double, check: "lt=0.5"}`, `0.5`, "must be less than 0.5"},
		{`{type: date, check: lt}`, `"2999-01-01T00:00:00Z"`, "must be less than the current Date & Time"},
		{`{type: date, check: lt}`, `"1999-01-01T00:00:00Z"`, ""},
		{`{type: string, nullable: true, check: email}`, `null`, ""},
	}
	for _, test := range tests {
		c := mustLoad(t, "collection: a\nfields:\n  x: "+test.field).Collections[0]
		got := ""
		for _, item := range check(t, c, fmt.Sprintf(`{"x": %s}`, test.value)) {
			got += item.Detail
		}
		if got != test.want {
			t.Errorf("%s with %s: %q; want %q", test.field, test.value, got, test.want)
		}
	}
}
