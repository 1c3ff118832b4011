package pattern_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sheafdb/sheaf/internal/pattern"
)

// written is a pattern for each engine.
type written struct {
	re         *regexp.Regexp
	pcre, ecma string
	trimmed    string // in ECMA's form
}

func recompiled(t *rapid.T, source string) *regexp.Regexp {
	re, err := regexp.Compile(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return re
}

func write(source string) (w written, err error) {
	p, err := pattern.Parse(source, "")
	if err != nil {
		return w, err
	}
	w.re = p.Regexp()
	if w.pcre, err = p.PCRE(); err != nil {
		return w, err
	}
	if w.trimmed, err = p.Trimmed().ECMA(); err != nil {
		return w, err
	}
	w.ecma, err = p.ECMA()
	return w, err
}

func TestPatternsAreWrittenForEveryEngine(t *testing.T) {
	tests := []struct{ source, pcre, ecma string }{
		{`^[a-z]+$`, `^[a-z]+\z`, `^[a-z]+$`},
		{`\d{2,}\w\W`, `\d{2,}\w[^0-9A-Z_a-z]`, `\d{2,}\w[^0-9A-Z_a-z]`},
		{`\s`, `[\x09-\x0a\x0c-\x0d ]`, `[\x09-\x0a\x0c-\x0d ]`},
		{`a.c`, `a[^\n]c`, `a[^\n]c`},
		{`(?s)a.c`, `a[\s\S]c`, `a[\s\S]c`},
		{`(?i)ok`, "[Oo][Kk\u212a]", "[Oo][Kk\u212a]"},
		{`(foo|bar)?(?P<name>x)`, `(?:foo|bar)?x`, `(?:foo|bar)?x`},
		{`(?:ab){3}c{1,2}?`, `(?:ab){3}c{1,2}`, `(?:ab){3}c{1,2}`},
		{`\Aa\z`, `^a\z`, `^a$`},
		{`\.\$/[\]^-]`, `\.\$\/[\-\]-\^]`, `\.\$\/[\-\]-\^]`},
		{`[^a]`, `[^a]`, `[^a]`},
		{``, `(?:)`, `(?:)`},
	}
	for _, test := range tests {
		p, err := write(test.source)
		if err != nil {
			t.Errorf("%s: %v", test.source, err)
			continue
		}
		if p.pcre != test.pcre || p.ecma != test.ecma {
			t.Errorf("%s: PCRE %q, ECMA %q; want %q, %q", test.source, p.pcre, p.ecma, test.pcre, test.ecma)
		}
	}
}

func TestPatternsThatAreTooLargeAreRefused(t *testing.T) {
	for source, want := range map[string]string{
		strings.Repeat("a", 1001):            "over 1000 bytes",
		strings.Repeat(`\p{L}\p{Lu}\PN`, 20): "too large for MongoDB",
	} {
		if _, err := write(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("write(%.20s…): %v; want %q", source, err, want)
		}
	}
}

func TestTrimmedPatterns(t *testing.T) {
	for source, want := range map[string]string{
		`.*a.*`: `a`, `^.*a.*$`: `^[^\n]*a[^\n]*\z`, `^a.*`: `^a`, `(?:x*)(.*)a+`: `a`, `(a?b+)+c{2,5}`: `bc{2}`, `.*`: `(?:)`, `a{0,3}`: `(?:)`,
		`(ab)+`: `ab`, `a*|b`: `a*|b`, `.*(a|b*)`: `a|b*`, `\b.*a`: `\b[^\n]*a`, `a+b*`: `a`, `(ab*)+`: `a`,
	} {
		p, err := pattern.Parse(source, "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Trimmed().PCRE(); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", source, got, err, want)
		}
	}
}

// TestWrittenPatternsMatchTheSame compares a pattern with its ECMA form, which
// Go's engine reads too.
func TestWrittenPatternsMatchTheSame(t *testing.T) {
	atoms := []string{`a`, `b`, `Z`, `\d`, `\s`, `\W`, `.`, `[a-c]`, `[^b\-]`, `[^\d\s]`, `\b`, `^`, `$`, `(?i:k)`, `(?s:.)`, `\x{1F600}`, `é`,
		`\pL`, `(a|bc)`, `(?:x*)`, `a+?`, `b{1,2}`, `\.`, `-`, `[[:punct:]]`, `\n`, `\x{D7FF}`, `[\x{D000}-\x{E000}]`}
	text := rapid.StringOfN(rapid.SampledFrom([]rune("abcZk\u212ax 1.-\n\té\U0001F600")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOfN(rapid.SampledFrom(atoms), 1, 5).Draw(t, "atoms"), rapid.SampledFrom([]string{"", "|"}).Draw(t, "join"))
		p, err := write(source)
		if err != nil {
			t.Fatal(err)
		}
		written, trimmed := recompiled(t, p.ecma), recompiled(t, p.trimmed)
		for range 10 {
			if s := text.Draw(t, "text"); written.MatchString(s) != p.re.MatchString(s) {
				t.Fatalf("%q: %s matches %v, %s does not agree", s, source, p.re.MatchString(s), p.ecma)
			} else if trimmed.MatchString(s) != p.re.MatchString(s) {
				t.Fatalf("%q: %s matches %v, %s does not agree", s, source, p.re.MatchString(s), p.trimmed)
			}
		}
	})
}
