package pattern

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// writer writes a parsed expression in what PCRE, ECMA-262 and RE2 have
// in common: groups, alternatives, repeats, and classes of plain characters.
type writer struct {
	strings.Builder
	anchors anchors
}

// anchors are what engines do not share: the ends of the text and of its lines.
// Those of lines are empty where the engine has none.
type anchors struct{ end, beginLine, endLine string }

var (
	pcreAnchors = anchors{end: `\z`, beginLine: `(?:^|(?<=\n))`, endLine: `(?=\n|\z)`}
	ecmaAnchors = anchors{end: `$`}
)

func (w *writer) write(t *syntax.Regexp) error {
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
		w.WriteString(w.anchors.end)
	case syntax.OpWordBoundary:
		w.WriteString(`\b`)
	case syntax.OpNoWordBoundary:
		w.WriteString(`\B`)
	case syntax.OpBeginLine:
		return w.line(w.anchors.beginLine)
	case syntax.OpEndLine:
		return w.line(w.anchors.endLine)
	case syntax.OpCapture:
		return w.concat(t.Sub)
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

func (w *writer) line(anchor string) error {
	if anchor == "" {
		return errors.New("uses the flag (?m), which JSON Schema does not have")
	}
	w.WriteString(anchor)
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
func (w *writer) group(t *syntax.Regexp, suffix string) error {
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

func (w *writer) concat(parts []*syntax.Regexp) error {
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

func (w *writer) alternate(parts []*syntax.Regexp) error {
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

func (w *writer) literal(t *syntax.Regexp) {
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
func (w *writer) class(ranges []rune) {
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
func (w *writer) span(first, last rune) {
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

func (w *writer) rune(r rune, special string) {
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
