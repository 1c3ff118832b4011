package schema

import (
	"regexp"

	"github.com/sheafdb/sheaf/internal/pattern"
)

// textPattern is the pattern of a string field, for each engine that holds it.
type textPattern struct {
	source string
	re     *regexp.Regexp
	pcre   string
	ecma   string
}

func (c *compiler) pattern(n *node) *textPattern {
	source, ok := c.word(n)
	if !ok {
		return nil
	}
	p, err := newPattern(source)
	if err != nil {
		c.problems.add(n, "the pattern %s", err)
		return nil
	}
	return p
}

func newPattern(source string) (*textPattern, error) {
	parsed, err := pattern.Parse(source, "")
	if err != nil {
		return nil, err
	}
	ecma, err := parsed.ECMA()
	if err != nil {
		return nil, err
	}
	pcre, err := parsed.PCRE()
	if err != nil {
		return nil, err
	}
	return &textPattern{source: source, re: parsed.Regexp(), pcre: pcre, ecma: ecma}, nil
}
