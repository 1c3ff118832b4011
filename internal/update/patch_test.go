package update_test

import (
	"testing"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/update"
)

// patched applies a JSON Patch, and tells what came out as changed does.
func patched(t testing.TB, c *schema.Collection, document, patch string) string {
	t.Helper()
	var faults fault.List
	p, err := update.CompilePatch([]byte(patch), c, update.Options{Now: now}, &faults)
	if err != nil {
		return string(fault.From(err).Code)
	}
	if len(faults.Items) > 0 {
		return told(faults.Items)
	}
	next, err := p.Apply(stored(t, c, document), now)
	return outcome(c, next, err)
}

// The cases of RFC 6902 and of implementations' shared suites, in a collection
// that takes everything.
func TestPatchesOfFreeDocuments(t *testing.T) {
	t.Parallel()
	c := collection(t, "collection: things\nid: string\nadditional: keep\nfields: {}\n")
	for _, test := range []struct{ document, patch, want string }{
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `"foo":"bar","baz":"qux"`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `"foo":["bar","qux","baz"]`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `"foo":"bar"`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `"foo":["bar","baz"]`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `"baz":"boo","foo":"bar"`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`,
			`"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `"foo":["all","cows","eat","grass"]`},
		{`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `"baz":"qux","foo":["a",2,"c"]`},
		{`{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, `patch-failed /0 patch`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `"foo":"bar","child":{"grandchild":{}}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `"foo":"bar","baz":"qux"`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, `patch-failed /0 patch`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","op":"remove"}]`, `malformed-json`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10},{"op":"test","path":"/~1","value":9}]`, `"/":9,"~1":10`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, `patch-failed /0 patch`},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `"foo":["bar",["abc","def"]]`},

		{`{"a":1}`, `[]`, `"a":1`},
		{`{"foo":1}`, `[{"op":"add","path":"/foo/","value":1}]`, `patch-failed /0 patch`},
		{`{"a":{}}`, `[{"op":"add","path":"/a/","value":1}]`, `"a":{"":1}`},
		{`{}`, `[{"op":"add","path":"/","value":1}]`, `"":1`},
		{`{"foo":[1,2]}`, `[{"op":"add","path":"/foo/2","value":3}]`, `"foo":[1,2,3]`},
		{`{"foo":[1,2]}`, `[{"op":"add","path":"/foo/3","value":3}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"add","path":"/foo/-1","value":3}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"add","path":"/foo/01","value":3}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"add","path":"/foo/1e0","value":3}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"add","path":"/foo/a","value":3}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"test","path":"/foo/1e0","value":2}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"test","path":"/foo/00","value":1}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"remove","path":"/foo/-"}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"remove","path":"/foo/2"}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"replace","path":"/foo/0","value":[9]}]`, `"foo":[[9],2]`},
		{`{"foo":1}`, `[{"op":"replace","path":"/bar","value":1}]`, `patch-failed /0 patch`},
		{`{"foo":1}`, `[{"op":"move","from":"/bar","path":"/foo"}]`, `patch-failed /0 patch`},
		{`{"foo":1}`, `[{"op":"copy","from":"/bar","path":"/foo"}]`, `patch-failed /0 patch`},
		{`{"foo":1}`, `[{"op":"move","from":"/foo","path":"/foo"}]`, `"foo":1`},
		{`{"foo":null}`, `[{"op":"test","path":"/foo","value":null}]`, `"foo":null`},
		{`{"foo":null}`, `[{"op":"replace","path":"/foo","value":"truthy"}]`, `"foo":"truthy"`},
		{`{"foo":null}`, `[{"op":"move","from":"/foo","path":"/bar"}]`, `"bar":null`},
		{`{"foo":null}`, `[{"op":"copy","from":"/foo","path":"/bar"}]`, `"foo":null,"bar":null`},
		{`{}`, `[{"op":"test","path":"/foo","value":null}]`, `patch-failed /0 patch`},
		{`{"foo":{"foo":1,"bar":2}}`, `[{"op":"test","path":"/foo","value":{"bar":2,"foo":1}}]`, `"foo":{"foo":1,"bar":2}`},
		{`{"foo":[{"foo":1,"bar":2}]}`, `[{"op":"test","path":"/foo","value":[{"bar":2,"foo":1.0}]}]`, `"foo":[{"foo":1,"bar":2}]`},
		{`{"foo":{"foo":1}}`, `[{"op":"test","path":"/foo","value":[1]}]`, `patch-failed /0 patch`},
		{`{"foo":[1,2]}`, `[{"op":"test","path":"/foo","value":[2,1]}]`, `patch-failed /0 patch`},
		{`{"foo":9007199254740993}`, `[{"op":"test","path":"/foo","value":9007199254740992}]`, `patch-failed /0 patch`},
		{`{"baz":[{"qux":"hello"}],"bar":1}`, `[{"op":"copy","from":"/baz/0","path":"/boo"},{"op":"replace","path":"/boo/qux","value":"bye"}]`,
			`"baz":[{"qux":"hello"}],"bar":1,"boo":{"qux":"bye"}`},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/a/c"}]`, `"a":{"b":1,"c":{"b":1}}`},
		{`{"foo":1}`, `[{"op":"add","path":"/foo","value":2},{"op":"test","path":"/foo","value":1}]`, `patch-failed /1 patch`},
		{`{"foo":1}`, `[{"op":"add","path":"","value":{"baz":"qux"}}]`, `"baz":"qux"`},
		{`{"foo":1}`, `[{"op":"test","path":"","value":{"foo":1,"id":"x","version":3,"createdAt":"2026-01-31T12:00:00Z","updatedAt":"2026-01-31T12:00:00Z"}}]`, `"foo":1`},
		{`{"foo":1}`, `[{"op":"remove","path":""}]`, `patch-failed /0 patch`},
		{`{"foo":1}`, `[{"op":"copy","from":"/id","path":"/was"},{"op":"copy","from":"/version","path":"/v"}]`, `"foo":1,"was":"x","v":3`},

		{`{}`, `{"op":"add","path":"/a","value":1}`, `validation-failed`},
		{`{}`, `[1,{},{"op":"spam","path":"/a"},{"op":"add","path":"/a"},{"op":"add","value":1},{"op":"copy","path":"/a"},{"op":5,"path":"/a"}]`,
			`/0 type, /1/op required, /2/op unknown-operator, /3/value required, /4/path required, /5/from required, /6/op unknown-operator`},
		{`{}`, `[{"op":"add","path":"a","value":1},{"op":"add","path":"/a~2","value":1},{"op":"add","path":"/~","value":1},{"op":"add","path":null,"value":1}]`,
			`/0/path format, /1/path format, /2/path format, /3/path type`},
		{`{"a":{}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, `/0/path conflict`},
		{`{}`, `[{"op":"add","path":"/a/$b","value":1},{"op":"add","path":"/_id","value":1}]`, `/0/path unknown-field, /1/path unknown-field`},
	} {
		if got := patched(t, c, test.document, test.patch); got != test.want {
			t.Errorf("%s\n  on %s\n  got  %s\n  want %s", test.patch, test.document, got, test.want)
		}
	}
}

func TestPatchesAreTypedBySchema(t *testing.T) {
	t.Parallel()
	c := collection(t, things)
	for _, test := range []struct{ document, patch, want string }{
		{`{"must":"m","when":"2026-01-01T00:00:00Z","key":"65f1c0ffee65f1c0ffee65f1","money":"1.0"}`,
			`[{"op":"test","path":"/when","value":"2026-01-01T01:00:00+01:00"},{"op":"test","path":"/key","value":"65F1C0FFEE65F1C0FFEE65F1"},{"op":"test","path":"/money","value":"1.00"},{"op":"remove","path":"/when"}]`,
			`"must":"m","key":"65f1c0ffee65f1c0ffee65f1","money":"1.0"`},
		{`{"must":"m"}`, `[{"op":"add","path":"/name","value":" ADA "},{"op":"add","path":"/tags","value":["A"]},{"op":"add","path":"/tags/-","value":"B"},{"op":"add","path":"/a~1b","value":1},{"op":"add","path":"/m~0n","value":2}]`,
			`"must":"m","name":"ada","tags":["a","b"],"a/b":1,"m~n":2`},
		{`{"must":"m"}`, `[{"op":"add","path":"/lines","value":[{"sku":"a"}]},{"op":"add","path":"/lines/0","value":{"sku":"b","qty":3}}]`, `"must":"m","lines":[{"sku":"b","qty":3},{"sku":"a","qty":1}]`},
		{`{"must":"m","n":1}`, `[{"op":"test","path":"/version","value":3},{"op":"test","path":"/id","value":"x"},{"op":"replace","path":"/n","value":2}]`, `"must":"m","n":2`},
		{`{"must":"m"}`, `[{"op":"remove","path":"/must"},{"op":"add","path":"/must","value":"n"}]`, `"must":"n"`},

		{`{"must":"m"}`, `[{"op":"remove","path":"/must"}]`, `result /must required`},
		{`{"must":"m","n":1}`, `[{"op":"move","from":"/n","path":"/name"}]`, `result /name type`},
		{`{"must":"m"}`, `[{"op":"add","path":"/n","value":200}]`, `result /n max`},
		{`{"must":"m"}`, `[{"op":"add","path":"/n","value":"2"},{"op":"add","path":"/nmae","value":1},{"op":"add","path":"/tags/x","value":"a"},{"op":"add","path":"/name/x","value":1}]`,
			`/0/value type, /1/path unknown-field, /2/path unknown-field, /3/path unknown-field`},
		{`{"must":"m"}`, `[{"op":"replace","path":"/version","value":9},{"op":"remove","path":"/id"},{"op":"move","from":"/createdAt","path":"/when"},{"op":"copy","from":"/n","path":"/updatedAt"},{"op":"add","path":"","value":{"must":"x","id":"x"}}]`,
			`/0/path read-only, /1/path read-only, /2/from read-only, /3/path read-only, /4/value/id read-only`},
	} {
		if got := patched(t, c, test.document, test.patch); got != test.want {
			t.Errorf("%s\n  on %s\n  got  %s\n  want %s", test.patch, test.document, got, test.want)
		}
	}
}
