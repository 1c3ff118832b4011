package pattern

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
)

// MongoDB's engine goes back and tries anew where a match fails, so that some
// patterns take it a time that grows with a power of the text's length, or
// twofold with every character. Go's engine never does. Bounded tells such
// patterns apart, by the automaton of the pattern with every counted repeat
// taken for an unlimited one.

// The bounds of a pattern that others send.
const (
	// maxStates bounds the automaton.
	maxStates = 2000
	// maxLoops bounds the repeats of a pattern.
	maxLoops = 30
	// maxChain is how many repeats may lie one after another that can all read
	// the same text: the time grows with the length of the text to this power.
	maxChain = 3
)

// Bounded returns an error where an engine that tries anew may take too long
// for the pattern. The error is a phrase about the pattern.
func (p *Pattern) Bounded() error {
	program, err := syntax.Compile(unlimited(p.tree).Simplify())
	if err != nil || len(program.Inst) > maxStates {
		return errors.New("is too large")
	}
	a := newAutomaton(program)
	for _, loop := range a.loops {
		if a.ambiguous(loop) {
			return errors.New("repeats a part that itself can read the same text in several ways, such as (a+)+")
		}
	}
	switch {
	case len(a.loops) > maxLoops:
		return fmt.Errorf("has more than %d repeats", maxLoops)
	case a.longestChain() > maxChain:
		return fmt.Errorf("has more than %d repeats one after another that can read the same text, such as .*.*", maxChain)
	}
	return nil
}

// unlimited returns a copy with counted repeats as unlimited ones: what is
// ambiguous in ten rounds is so in any number. A part that matches in one way
// alone may be repeated a fixed number of times, and stands for itself.
func unlimited(t *syntax.Regexp) *syntax.Regexp {
	c := *t
	c.Sub = make([]*syntax.Regexp, len(t.Sub))
	for i, sub := range t.Sub {
		c.Sub[i] = unlimited(sub)
	}
	switch {
	case t.Op != syntax.OpRepeat || t.Max == 1:
		return &c
	case t.Max == 0:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case t.Min == t.Max && !hasChoice(c.Sub[0]):
		return c.Sub[0]
	}
	c.Op = syntax.OpPlus
	if t.Min == 0 {
		c.Op = syntax.OpStar
	}
	c.Min, c.Max = 0, 0
	return &c
}

// hasChoice reports whether an expression leaves open how it matches.
func hasChoice(t *syntax.Regexp) bool {
	switch t.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat, syntax.OpAlternate:
		return true
	}
	return slices.ContainsFunc(t.Sub, hasChoice)
}

// ambiguous reports whether a character leads from one state of a loop to the
// loop again in two ways: then there are twice as many with every round.
func (a *automaton) ambiguous(loop []uint32) bool {
	own := a.loopOf[loop[0]]
	checked := map[uint32]bool{}
	for _, state := range loop {
		out := a.program.Inst[state].Out
		if checked[out] {
			continue
		}
		checked[out] = true
		var read []span
		for _, pc := range a.after(state) {
			switch {
			case !a.reads(pc):
				if a.leadsInto(pc, own) {
					return true
				}
			case a.loopOf[pc] == own:
				read = append(read, a.spans(pc)...)
			}
		}
		if overlap(read) {
			return true
		}
	}
	return false
}

func (a *automaton) leadsInto(pc uint32, loop int) bool {
	return slices.ContainsFunc(a.from(pc), func(next uint32) bool { return a.reads(next) && a.loopOf[next] == loop })
}

func overlap(spans []span) bool {
	slices.SortFunc(spans, byFirst)
	for i := 1; i < len(spans); i++ {
		if spans[i].first <= spans[i-1].last {
			return true
		}
	}
	return false
}

// longestChain returns how many loops at most lie one after another between
// which a text can be shared out in any way.
func (a *automaton) longestChain() int {
	longest := 0
	chains := make([]int, len(a.loops))
	alphabets := make([][]span, len(a.loops))
	for i, loop := range a.loops { // those behind come first
		alphabets[i] = a.alphabet(loop)
		chains[i] = 1
		for j := range i {
			if chains[j] >= chains[i] && a.shares(i, j, common(alphabets[i], alphabets[j])) {
				chains[i] = chains[j] + 1
			}
		}
		longest = max(longest, chains[i])
	}
	return longest
}

// shares reports whether reading nothing but some characters leads from one
// loop to another.
func (a *automaton) shares(from, to int, characters []span) bool {
	seen := map[uint32]bool{}
	open := slices.Clone(a.loops[from])
	for len(open) > 0 {
		state := open[len(open)-1]
		open = open[:len(open)-1]
		for _, next := range a.statesAfter(state) {
			if seen[next] || len(common(a.spans(next), characters)) == 0 {
				continue
			}
			if a.loopOf[next] == to {
				return true
			}
			seen[next] = true
			open = append(open, next)
		}
	}
	return false
}
