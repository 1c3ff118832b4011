package pattern_test

import (
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/pattern"
)

func TestPatternsThatTakeTooLongAreToldApart(t *testing.T) {
	const ambiguous, chained, loops = "in several ways", "one after another", "more than 30 repeats"
	for source, want := range map[string]string{
		`(a+)+`: ambiguous, `^(a*)*$`: ambiguous, `(a|a?)+`: ambiguous, `(\w+\s?)*$`: ambiguous, `(.*a){5}`: ambiguous, `(a{1,30}){1,30}`: ambiguous,
		`(a?b?)*`: ambiguous, `(a*|b)*`: ambiguous, `(\w|ab)*c`: ambiguous, `((ab)*a?b?)*`: ambiguous, `(?i)(k+K+)*`: ambiguous, `(x+x+)+y`: ambiguous,
		`(a|b|ab)*c`: ambiguous, `^(([a-z])+.)+[A-Z]([a-z])+$`: ambiguous, `(?:a?){2,50}`: ambiguous,
		`a*a*a*a*b`: chained, `.*.*=.*.*`: chained, `\d+\w*\d+\w+`: chained, `.*a.*b.*c.*d`: chained, `(?s).*x?.*y?.*z?.*`: chained,
		strings.Repeat(`a+b`, 31): loops,
		strings.Repeat(`[ab]`, 240) + `(` + strings.Repeat(`a{3}b{3}`, 3) + `){2}`: "",

		``: "", `abc`: "", `^abc`: "", `a+b+c+d+e+`: "", `.*`: "", `^.*foo.*$`: "", `foo.*bar.*baz`: "", `(foo|bar|baz)+`: "", `([^,]*,)*`: "",
		`^(\d{1,3}\.){3}\d{1,3}$`: "", `^\d+-\d+-\d+ \d+:\d+:\d+$`: "", `^\s*\w+\s*=\s*\w+\s*;\s*\w+\s*$`: "", `(?i)^hello\b`: "", `\pL+\s\pL+`: "",
		`^[\w.+-]+@[\w-]+\.[\w.]+$`: "", `^(a|ab)*c`: "", `a{0}`: "", `(a{3}){3}`: "", `^$`: "", `(?m)^a+$`: "",
		`"(?:[^"\\]|\\.)*"`: "", `^(?:[a-z0-9]+-)*[a-z0-9]+$`: "", `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`: "",
	} {
		p, err := pattern.Parse(source, "")
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		switch err := p.Bounded(); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", source, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", source, err, want)
		}
	}
}
