package pattern

import (
	"cmp"
	"regexp/syntax"
	"slices"
	"unicode"
)

// automaton is a program, seen as states that each read one character: the
// places of the instructions that do.
type automaton struct {
	program *syntax.Prog
	// next are the places to which an instruction leads without reading, by
	// that instruction.
	next map[uint32][]uint32
	// loops are the strongly connected states, those behind before those in
	// front; loopOf is the loop of each state, -1 for none.
	loops  [][]uint32
	loopOf []int
}

func newAutomaton(program *syntax.Prog) *automaton {
	a := &automaton{program: program, next: map[uint32][]uint32{}, loopOf: slices.Repeat([]int{-1}, len(program.Inst))}
	a.findLoops()
	return a
}

func (a *automaton) reads(pc uint32) bool {
	switch a.program.Inst[pc].Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

// after returns the states that may follow a state, and every instruction
// between to which two ways lead.
func (a *automaton) after(state uint32) []uint32 { return a.from(a.program.Inst[state].Out) }

func (a *automaton) from(pc uint32) []uint32 {
	places, known := a.next[pc]
	if !known {
		places = a.reach(pc, make(map[uint32]bool), nil)
		a.next[pc] = places
	}
	return places
}

func (a *automaton) reach(pc uint32, seen map[uint32]bool, into []uint32) []uint32 {
	if a.reads(pc) || seen[pc] {
		return append(into, pc)
	}
	seen[pc] = true
	switch inst := a.program.Inst[pc]; inst.Op {
	case syntax.InstFail, syntax.InstMatch:
		return into
	case syntax.InstAlt, syntax.InstAltMatch:
		return a.reach(inst.Arg, seen, a.reach(inst.Out, seen, into))
	default:
		return a.reach(inst.Out, seen, into)
	}
}

// statesAfter are those of after, each once.
func (a *automaton) statesAfter(state uint32) []uint32 {
	states := slices.DeleteFunc(slices.Clone(a.after(state)), func(pc uint32) bool { return !a.reads(pc) })
	slices.Sort(states)
	return slices.Compact(states)
}

// findLoops is Tarjan's algorithm.
func (a *automaton) findLoops() {
	t := tarjan{automaton: a, index: map[uint32]int{}, low: map[uint32]int{}}
	for _, state := range a.from(uint32(a.program.Start)) {
		if a.reads(state) {
			t.visit(state)
		}
	}
}

type tarjan struct {
	*automaton
	index, low map[uint32]int
	stack      []uint32
}

func (t *tarjan) visit(state uint32) {
	if _, visited := t.index[state]; visited {
		return
	}
	t.index[state], t.low[state] = len(t.index), len(t.index)
	t.stack = append(t.stack, state)
	for _, next := range t.statesAfter(state) {
		t.visit(next)
		if slices.Contains(t.stack, next) {
			t.low[state] = min(t.low[state], t.low[next])
		}
	}
	if t.low[state] == t.index[state] {
		t.pop(state)
	}
}

// pop takes the states from one on off the stack: they are connected.
func (t *tarjan) pop(state uint32) {
	at := slices.Index(t.stack, state)
	states := slices.Clone(t.stack[at:])
	t.stack = t.stack[:at]
	if len(states) == 1 && !slices.Contains(t.statesAfter(state), state) {
		return
	}
	for _, s := range states {
		t.loopOf[s] = len(t.loops)
	}
	t.loops = append(t.loops, states)
}

// span is a range of characters.
type span struct{ first, last rune }

// spans are the characters that a state reads, in order.
func (a *automaton) spans(state uint32) []span {
	inst := a.program.Inst[state]
	switch {
	case inst.Op == syntax.InstRuneAny:
		return []span{{0, unicode.MaxRune}}
	case inst.Op == syntax.InstRuneAnyNotNL:
		return []span{{0, '\n' - 1}, {'\n' + 1, unicode.MaxRune}}
	case len(inst.Rune) == 1 && syntax.Flags(inst.Arg)&syntax.FoldCase != 0:
		return pairs(folded(inst.Rune[0]))
	case len(inst.Rune) == 1:
		return []span{{inst.Rune[0], inst.Rune[0]}}
	}
	return pairs(inst.Rune)
}

func pairs(runes []rune) []span {
	spans := make([]span, 0, len(runes)/2)
	for i := 0; i+1 < len(runes); i += 2 {
		spans = append(spans, span{runes[i], runes[i+1]})
	}
	return spans
}

// alphabet is all that the states of a loop read, in order.
func (a *automaton) alphabet(loop []uint32) []span {
	var all []span
	for _, state := range loop {
		all = append(all, a.spans(state)...)
	}
	slices.SortFunc(all, byFirst)
	var merged []span
	for _, s := range all {
		if n := len(merged); n > 0 && s.first <= merged[n-1].last {
			merged[n-1].last = max(merged[n-1].last, s.last)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func byFirst(a, b span) int { return cmp.Compare(a.first, b.first) }

// common returns the characters that are in both.
func common(a, b []span) []span {
	var both []span
	for len(a) > 0 && len(b) > 0 {
		if first, last := max(a[0].first, b[0].first), min(a[0].last, b[0].last); first <= last {
			both = append(both, span{first, last})
		}
		if a[0].last < b[0].last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return both
}
