package bsonjson_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

func TestSplitArray(t *testing.T) {
	for src, want := range map[string][]string{
		`[]`:                            nil,
		" [ \n ] ":                      nil,
		`[1]`:                           {`1`},
		` [ {"a": [1, 2]} , "x,]" ] `:   {`{"a": [1, 2]}`, `"x,]"`},
		`[null,true,false,-1.5e3]`:      {`null`, `true`, `false`, `-1.5e3`},
		`["\"",[[],{}],{"a":{"b":""}}]`: {`"\""`, `[[],{}]`, `{"a":{"b":""}}`},
	} {
		got, err := bsonjson.SplitArray([]byte(src))
		if err != nil {
			t.Errorf("%s: %v", src, err)
		}
		if !slices.EqualFunc(got, want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Errorf("%s: split into %q, want %q", src, got, want)
		}
	}
}

func TestSplitArrayRefusesTextThatIsNoArray(t *testing.T) {
	for src, want := range map[string]fault.Code{
		``:                      fault.MalformedJSON,
		`[`:                     fault.MalformedJSON,
		`[1`:                    fault.MalformedJSON,
		`[1,]`:                  fault.MalformedJSON,
		`[,1]`:                  fault.MalformedJSON,
		`[1 2]`:                 fault.MalformedJSON,
		`[1] 2`:                 fault.MalformedJSON,
		`[1}`:                   fault.MalformedJSON,
		`[{"a" 1}]`:             fault.MalformedJSON,
		`[{1: 1}]`:              fault.MalformedJSON,
		`[{"a":1,}]`:            fault.MalformedJSON,
		`[01]`:                  fault.MalformedJSON,
		`["\ud800"]`:            fault.MalformedJSON,
		"[\"\xff\"]":            fault.MalformedJSON,
		`[nul]`:                 fault.MalformedJSON,
		"\xef\xbb\xbf[]":        fault.MalformedJSON,
		`{"a": [1]}`:            fault.ValidationFailed,
		`1`:                     fault.ValidationFailed,
		`{"a"}`:                 fault.MalformedJSON,
		`{} {}`:                 fault.MalformedJSON,
		"[" + nested(101) + "]": fault.MalformedJSON,
	} {
		elements, err := bsonjson.SplitArray([]byte(src))
		if !fault.Is(err, want) {
			t.Errorf("%.40q: the error is %v, want %s", src, err, want)
		}
		if elements != nil {
			t.Errorf("%.40q: split into %q beside the error", src, elements)
		}
	}
	if _, err := bsonjson.SplitArray([]byte("[" + nested(100) + "]")); err != nil {
		t.Errorf("elements of 100 levels: %v", err)
	}
}

func TestSplitArrayTellsWhereTheTextBreaks(t *testing.T) {
	_, err := bsonjson.SplitArray([]byte("[1,\n x]"))
	if err == nil || !strings.Contains(err.Error(), "offset 5, line 2, column 2") {
		t.Errorf("the error is %v", err)
	}
}

func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// FuzzSplitArray holds the split against another reader of JSON.
func FuzzSplitArray(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,"a",{"b":[null]}]`, `[1,]`, `{"a":1}`, `[ "é\u00e9" , -0.0e+1 ]`, "[\"\xff\"]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		elements, err := bsonjson.SplitArray(src)
		want, valid := splitByTheStandardLibrary(src)
		if valid != (err == nil) {
			t.Fatalf("%q: the error is %v, and it is valid: %v", src, err, valid)
		}
		for i, element := range elements {
			if string(element) != string(want[i]) {
				t.Fatalf("%q: element %d is %q, want %q", src, i, element, want[i])
			}
		}
	})
}

func splitByTheStandardLibrary(src []byte) (elements []json.RawMessage, ok bool) {
	strict := jsontext.Value(src)
	if !strict.IsValid(jsontext.AllowDuplicateNames(true)) || depth(src) > bsonjson.MaxDepth+1 {
		return nil, false
	}
	err := json.Unmarshal(src, &elements)
	return elements, err == nil && elements != nil
}

// depth is how deep arrays and objects nest in a valid text.
func depth(src []byte) int {
	deepest := 0
	for decoder := jsontext.NewDecoder(strings.NewReader(string(src)), jsontext.AllowDuplicateNames(true)); ; {
		if _, err := decoder.ReadToken(); err != nil {
			return deepest
		}
		deepest = max(deepest, decoder.StackDepth())
	}
}

func TestSplitObject(t *testing.T) {
	t.Parallel()
	members, err := bsonjson.SplitObject([]byte(` { "a" : [1, {"b": 2}] , "\u0062":"x","":null } `))
	if err != nil || len(members) != 3 {
		t.Fatalf("%v, %v", members, err)
	}
	for i, want := range []struct{ name, text string }{{"a", `[1, {"b": 2}]`}, {"b", `"x"`}, {"", `null`}} {
		if members[i].Name != want.name || string(members[i].Text) != want.text {
			t.Errorf("member %d is %q: %s", i, members[i].Name, members[i].Text)
		}
	}
	for text, code := range map[string]fault.Code{
		`[1]`: fault.ValidationFailed, `1`: fault.ValidationFailed, ``: fault.MalformedJSON, `{"a":1,"a":2}`: fault.MalformedJSON, `{"a":1,"\u0061":2}`: fault.MalformedJSON,
		`{"a":1}x`: fault.MalformedJSON, `{"a":1,}`: fault.MalformedJSON, `{a:1}`: fault.MalformedJSON, `{"a"}`: fault.MalformedJSON, `{"a":[}`: fault.MalformedJSON,
	} {
		if _, err := bsonjson.SplitObject([]byte(text)); !fault.Is(err, code) {
			t.Errorf("%s: %v, want %s", text, err, code)
		}
	}
}
