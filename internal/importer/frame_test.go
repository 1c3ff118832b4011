package importer

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/fault"
)

// frames cuts src and returns the values as text, those that are no JSON with
// "!" before them.
func frames(src io.Reader, limit int) (texts []string, values []value, err error) {
	f := newFramer(src)
	f.limit = limit
	for {
		v, err := f.next()
		if err == io.EOF {
			return texts, values, nil
		}
		if err != nil {
			return texts, values, err
		}
		text := string(v.text)
		if v.fault != nil {
			text = "!" + text
		}
		texts, values = append(texts, text), append(values, v)
	}
}

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		src  string
		want []string
	}{
		{"", nil},
		{" \r\n\n ", nil},
		{"{}", []string{"{}"}},
		{"\xef\xbb\xbf{}", []string{"{}"}},
		{"{\"a\":1}\n\n{\"a\":2}\r\n", []string{`{"a":1}`, `{"a":2}`}},
		{`{"a":1}{"a":2} {"a":3}`, []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}},
		{"{\n \"a\": [1, {\"b\": \"}\\\"\"}]\n}\n{\n}\n", []string{"{\n \"a\": [1, {\"b\": \"}\\\"\"}]\n}", "{\n}"}},
		{"[]", nil},
		{" [ {\"a\":1} ,\n{\"a\":2} ] ", []string{`{"a":1}`, `{"a":2}`}},
		{"[1,\"x\",null]", []string{"1", `"x"`, "null"}},
		{"1\n\"x\"\nnull\n", []string{"1", `"x"`, "null"}},
		// A line that is no JSON costs that line.
		{"{\"a\":1\n{\"a\":2}\n", []string{`!{"a":1`, `{"a":2}`}},
		{"{\"a\":\"x}\n{\"a\":2}\n", []string{`!{"a":"x}`, `{"a":2}`}},
		{"{\"a\":[1,\n{\"a\":2}\n{\"a\":3}", []string{`!{"a":[1,`, `{"a":2}`, `{"a":3}`}},
		{"{\"a\":1}}\n{\"a\":2}\n", []string{`{"a":1}`, `!}`, `{"a":2}`}},
		{"{\"a\":1},\n{\"a\":2},\n", []string{`{"a":1}`, `!,`, `{"a":2}`, `!,`}},
		{"{a:1}\n{\"a\":2}", []string{`!{a:1}`, `{"a":2}`}},
		{"{\"a\":2}\n{\"a\":", []string{`{"a":2}`, `!{"a":`}},
		{"{\"a\" 1}\n{\"a\":1 2}\n{1:2}\n{\"a\":}\n{}", []string{`!{"a" 1}`, `!{"a":1 2}`, `!{1:2}`, `!{"a":}`, `{}`}},
		// One of several lines costs all of them.
		{"{\n  \"a\": 1\n  \"b\": {\n  }\n}\n{\n  \"a\": 2\n}\n", []string{"!{\n  \"a\": 1\n  \"b\": {\n  }\n}", "{\n  \"a\": 2\n}"}},
		{strings.Repeat("[", 1) + strings.Repeat("\n", 3) + "]", nil},
		{"{\"a\":" + strings.Repeat("[", 300) + "\n{\"b\":1}", []string{`!{"a":` + strings.Repeat("[", 300), `{"b":1}`}},
	} {
		for name, src := range map[string]io.Reader{"at once": strings.NewReader(c.src), "byte by byte": iotest.OneByteReader(strings.NewReader(c.src))} {
			got, _, err := frames(src, maxText)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q %s: %q (%v), want %q", c.src, name, got, err, c.want)
			}
		}
	}
}

func TestFramesTellWhereTheyBegin(t *testing.T) {
	_, values, err := frames(strings.NewReader("\xef\xbb\xbf{}\n\n {\"a\":\n1}\n{\"a\"\n{}"), maxText)
	if err != nil || len(values) != 4 {
		t.Fatalf("%d values (%v)", len(values), err)
	}
	for i, want := range [][2]int64{{1, 3}, {3, 8}, {5, 17}, {6, 22}} {
		if got := [2]int64{values[i].line, values[i].offset}; got != want {
			t.Errorf("value %d begins at line and offset %v, want %v", i, got, want)
		}
	}
	if detail := values[2].fault.Detail; !strings.Contains(detail, "(line 6, offset 22)") {
		t.Errorf("the fault is %q", detail)
	}
}

func TestBrokenArraysStop(t *testing.T) {
	for src, want := range map[string]string{
		"[{\"a\":1},\n {\"b\" 2}, {\"c\":3}]": "line 2, offset 16",
		`[{"a":1} {"b":2}]`:                   `there is no "," or "]" here`,
		`[{"a":1}`:                            `the text ends where "," or "]" is due`,
		`[{"a":1},`:                           "the text ends where value is due",
		`[{"a":1},]`:                          "there is no value here",
		`[{"a":1}]{`:                          "bytes follow the array",
	} {
		texts, _, err := frames(strings.NewReader(src), maxText)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want one with %q", src, err, want)
		}
		if len(texts) == 0 || texts[0] != `{"a":1}` {
			t.Errorf("%s: before it came %q", src, texts)
		}
	}
}

// TestOtherEncodings holds that input which is no UTF-8 is told apart, with
// what makes good input of it.
func TestOtherEncodings(t *testing.T) {
	for src, filter := range map[string]string{
		"\x1f\x8b\x08\x00":              "gunzip -c",
		"\xff\xfe{\x00}\x00":            "iconv -f UTF-16 -t UTF-8",
		"\xfe\xff\x00{\x00}":            "iconv -f UTF-16 -t UTF-8",
		"{\x00}\x00":                    "iconv -f UTF-16LE -t UTF-8",
		"\x00{\x00}":                    "iconv -f UTF-16BE -t UTF-8",
		"\xff\xfe\x00\x00{\x00\x00\x00": "iconv -f UTF-32LE -t UTF-8",
		"\x00\x00\xfe\xff\x00\x00\x00{": "iconv -f UTF-32BE -t UTF-8",
		"{\x00\x00\x00}\x00\x00\x00":    "iconv -f UTF-32LE -t UTF-8",
		"\x00\x00\x00{\x00\x00\x00}":    "iconv -f UTF-32BE -t UTF-8",
	} {
		_, _, err := frames(strings.NewReader(src), maxText)
		if e, ok := errors.AsType[*InputError](err); !ok || e.Filter != filter {
			t.Errorf("%q: the error is %#v", src, err)
		}
	}
	for _, src := range []string{"", "1", "{}", "\xef\xbb\xbf{}", "\xe9"} {
		if _, _, err := frames(strings.NewReader(src), maxText); err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func TestValuesTooLargeAreSteppedOver(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", 5*chunk) + `"}`
	for _, src := range []string{large + "\n{\"b\":1}", large + `{"b":1}`, "[" + large + `,{"b":1}]`} {
		texts, values, err := frames(strings.NewReader(src), chunk)
		if err != nil || !slices.Equal(texts, []string{"!", `{"b":1}`}) {
			t.Fatalf("%.60s (%v)", texts, err)
		}
		if values[0].fault.Code != fault.PayloadTooLarge {
			t.Errorf("the fault is %v", values[0].fault)
		}
	}
	broken := `{"a":[` + strings.Repeat("1 ,", chunk) + "}\n{\"b\":1}"
	if texts, _, err := frames(strings.NewReader(broken), chunk); err != nil || texts[len(texts)-1] != `{"b":1}` {
		t.Errorf("%.60s (%v)", texts, err)
	}
}

func TestFailuresOfTheInputAreNoEnd(t *testing.T) {
	failure := errors.New("the disk is gone")
	for _, src := range []string{"", "{}\n", `{"a":`, `[`, `[{}`, "{\"a\"\nx"} {
		_, _, err := frames(io.MultiReader(strings.NewReader(src), iotest.ErrReader(failure)), maxText)
		if !errors.Is(err, failure) {
			t.Errorf("%q: the error is %v", src, err)
		}
	}
}

// FuzzFrames holds that what is valid is cut as another reader of JSON cuts it,
// and that no byte but space is lost of what is not.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{`{"a":1}{"b":[{}]} 2`, "{\"a\":1\n{}", `[1,{"a":"]"}]`, "{\n \"a\":\n}\n{}", "\"\n\"\n", "{\"a\":\"\\\"\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		texts, values, err := frames(bytes.NewReader(src), maxText)
		want, valid := valuesOf(src)
		if valid && (err != nil || !slices.Equal(texts, want)) {
			t.Fatalf("%q: cut into %q (%v), want %q", src, texts, err, want)
		}
		if err != nil {
			return
		}
		end := int64(0)
		for _, v := range values {
			if gap := src[end:v.offset]; len(bytes.Trim(gap, " \t\r\n[],\xef\xbb\xbf")) > 0 {
				t.Fatalf("%q: lost %q before offset %d", src, gap, v.offset)
			}
			end = v.offset + int64(len(v.text))
		}
	})
}

// valuesOf reads values in a row, or the elements of one array.
func valuesOf(src []byte) (texts []string, ok bool) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	d := jsontext.NewDecoder(bytes.NewReader(src), jsontext.AllowDuplicateNames(true))
	array := d.PeekKind() == '['
	if array {
		_, _ = d.ReadToken()
	}
	for {
		if array && d.PeekKind() == ']' {
			_, _ = d.ReadToken()
			_, err := d.ReadToken()
			return texts, err == io.EOF
		}
		v, err := d.ReadValue()
		if err == io.EOF {
			return texts, !array
		}
		if err != nil || depthOf(v) > maxLevels {
			return nil, false
		}
		if kind := v.Kind(); !array && kind != '{' && kind != '[' {
			return nil, false // this reader takes 01 for two numbers
		}
		texts = append(texts, string(v))
	}
}

func depthOf(v jsontext.Value) int {
	deepest := 0
	for d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true)); ; {
		if _, err := d.ReadToken(); err != nil {
			return deepest
		}
		deepest = max(deepest, d.StackDepth())
	}
}
