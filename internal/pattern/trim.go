package pattern

import (
	"regexp/syntax"
	"slices"
)

// Trimmed returns a pattern that is found in the same texts, without the repeats
// at its ends: where .*a.* is found, a is. An engine that tries anew is spared
// the square of the text's length, and of ^a.* an index serves all.
func (p *Pattern) Trimmed() *Pattern {
	trimmed := *p
	trimmed.tree = trim(trim(p.tree, first), last)
	return &trimmed
}

// end is one of the ends of a concatenation: the place of the part there.
type end func(parts int) int

func first(int) int { return 0 }

func last(parts int) int { return parts - 1 }

// trim returns an expression that, where anything may stand beyond one of its
// ends, is found in the same texts: a repeat there needs its fewest rounds only.
func trim(t *syntax.Regexp, at end) *syntax.Regexp {
	switch t.Op {
	case syntax.OpStar, syntax.OpQuest:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case syntax.OpPlus, syntax.OpCapture:
		return trim(t.Sub[0], at)
	case syntax.OpRepeat:
		fewest := *t
		fewest.Max = t.Min
		if t.Min == 0 {
			return &syntax.Regexp{Op: syntax.OpEmptyMatch}
		}
		return &fewest
	case syntax.OpConcat:
		return trimConcat(t, at)
	}
	return t
}

func trimConcat(t *syntax.Regexp, at end) *syntax.Regexp {
	parts := slices.Clone(t.Sub)
	for len(parts) > 0 {
		i := at(len(parts))
		if parts[i] = trim(parts[i], at); parts[i].Op != syntax.OpEmptyMatch {
			break
		}
		parts = slices.Delete(parts, i, i+1)
	}
	switch len(parts) {
	case 0:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case 1:
		return parts[0]
	}
	c := *t
	c.Sub = parts
	return &c
}
