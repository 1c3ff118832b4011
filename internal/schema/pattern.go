package schema

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// pattern is a regular expression. It is declared in the syntax of Go's regexp
// (RE2) and written anew for MongoDB (PCRE) and for JSON Schema (ECMA-262),
// whose classes, anchors and flags differ, so that all three match the same.
type pattern struct {
	source string
	re     *regexp.Regexp
	pcre   string
	ecma   string
}

const (
	maxPatternSource = 1000
	// maxPatternWritten keeps within what MongoDB compiles.
	maxPatternWritten = 16 << 10
)

func (c *compiler) pattern(n *node) *pattern {
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

func newPattern(source string) (*pattern, error) {
	if len(source) > maxPatternSource {
		return nil, fmt.Errorf("is over %d bytes long", maxPatternSource)
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("is not a regular expression: %w", err)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("is not a regular expression: %w", err)
	}
	pcre := patternWriter{end: `\z`}
	ecma := patternWriter{end: `$`}
	if err := pcre.write(tree); err != nil {
		return nil, err
	}
	if err := ecma.write(tree); err != nil {
		return nil, err
	}
	if pcre.Len() > maxPatternWritten {
		return nil, fmt.Errorf("is too large for MongoDB when its classes are written out")
	}
	return &pattern{source: source, re: re, pcre: pcre.String(), ecma: ecma.String()}, nil
}

// patternWriter writes a parsed expression in what PCRE, ECMA-262 and RE2 have
// in common: groups, alternatives, repeats, and classes of plain characters.
type patternWriter struct {
	strings.Builder
	// end is the anchor for the end of the text, the one thing they do not share.
	end string
}

func (w *patternWriter) write(t *syntax.Regexp) error {
	switch t.Op {
	case syntax.OpNoMatch:
		w.WriteString(`[^\s\S]`)
	case syntax.OpEmptyMatch:
		w.WriteString(`(?:)`)
	case syntax.OpLiteral:
		w.literal(t)
	case syntax.OpCharClass:
		w.class(t.Rune)
	case syntax.OpAnyCharNotNL:
		w.WriteString(`[^\n]`)
	case syntax.OpAnyChar:
		w.WriteString(`[\s\S]`)
	case syntax.OpBeginText:
		w.WriteString(`^`)
	case syntax.OpEndText:
		w.WriteString(w.end)
	case syntax.OpWordBoundary:
		w.WriteString(`\b`)
	case syntax.OpNoWordBoundary:
		w.WriteString(`\B`)
	case syntax.OpBeginLine, syntax.OpEndLine:
		return fmt.Errorf("uses the flag (?m), which JSON Schema does not have")
	case syntax.OpCapture:
		return w.group(t.Sub[0], "")
	case syntax.OpStar:
		return w.group(t.Sub[0], "*")
	case syntax.OpPlus:
		return w.group(t.Sub[0], "+")
	case syntax.OpQuest:
		return w.group(t.Sub[0], "?")
	case syntax.OpRepeat:
		return w.group(t.Sub[0], repeat(t.Min, t.Max))
	case syntax.OpConcat:
		return w.concat(t.Sub)
	case syntax.OpAlternate:
		return w.alternate(t.Sub)
	}
	return nil
}

func repeat(low, high int) string {
	switch high {
	case -1:
		return fmt.Sprintf("{%d,}", low)
	case low:
		return fmt.Sprintf("{%d}", low)
	}
	return fmt.Sprintf("{%d,%d}", low, high)
}

// group writes an expression so that what follows applies to all of it.
func (w *patternWriter) group(t *syntax.Regexp, suffix string) error {
	for t.Op == syntax.OpCapture {
		t = t.Sub[0]
	}
	single := t.Op == syntax.OpCharClass || t.Op == syntax.OpAnyCharNotNL || t.Op == syntax.OpAnyChar ||
		t.Op == syntax.OpLiteral && len(t.Rune) == 1
	if !single {
		w.WriteString("(?:")
	}
	err := w.write(t)
	if !single {
		w.WriteString(")")
	}
	w.WriteString(suffix)
	return err
}

func (w *patternWriter) concat(parts []*syntax.Regexp) error {
	for _, part := range parts {
		var err error
		if part.Op == syntax.OpAlternate {
			err = w.group(part, "")
		} else {
			err = w.write(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *patternWriter) alternate(parts []*syntax.Regexp) error {
	for i, part := range parts {
		if i > 0 {
			w.WriteByte('|')
		}
		if err := w.write(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *patternWriter) literal(t *syntax.Regexp) {
	for _, r := range t.Rune {
		if folds := folded(r); t.Flags&syntax.FoldCase != 0 && len(folds) > 2 {
			w.class(folds)
			continue
		}
		w.rune(r, `\^$.*+?()[]{}|/`)
	}
}

// folded returns the letters that differ from r in case only, as a class.
func folded(r rune) []rune {
	letters := []rune{r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		letters = append(letters, f)
	}
	slices.Sort(letters)
	var ranges []rune
	for _, letter := range letters {
		ranges = append(ranges, letter, letter)
	}
	return ranges
}

// shortClasses mean the same in all three syntaxes. \s does not.
var shortClasses = map[string]string{"09": `\d`, "09AZ__az": `\w`}

// class writes pairs of first and last characters.
func (w *patternWriter) class(ranges []rune) {
	if short, ok := shortClasses[string(ranges)]; ok {
		w.WriteString(short)
		return
	}
	w.WriteByte('[')
	if len(ranges) > 2 && ranges[0] == 0 && ranges[len(ranges)-1] == unicode.MaxRune {
		w.WriteByte('^')
		ranges = complement(ranges)
	}
	for i := 0; i < len(ranges); i += 2 {
		w.span(ranges[i], ranges[i+1])
	}
	w.WriteByte(']')
}

func complement(ranges []rune) []rune {
	var out []rune
	for i := 1; i+1 < len(ranges); i += 2 {
		out = append(out, ranges[i]+1, ranges[i+1]-1)
	}
	return out
}

const firstSurrogate, lastSurrogate = 0xD800, 0xDFFF

// span writes a range without the surrogates at its ends, which no string holds.
func (w *patternWriter) span(first, last rune) {
	if first >= firstSurrogate && first <= lastSurrogate {
		first = lastSurrogate + 1
	}
	if last >= firstSurrogate && last <= lastSurrogate {
		last = firstSurrogate - 1
	}
	if first > last {
		return
	}
	w.rune(first, `\]^-[`)
	if last > first {
		w.WriteByte('-')
		w.rune(last, `\]^-[`)
	}
}

func (w *patternWriter) rune(r rune, special string) {
	switch {
	case r < 0x80 && strings.ContainsRune(special, r):
		w.WriteByte('\\')
		w.WriteRune(r)
	case r < 0x100 && !unicode.IsPrint(r):
		fmt.Fprintf(&w.Builder, `\x%02x`, r)
	default:
		w.WriteRune(r)
	}
}
