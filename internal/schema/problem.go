package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a schema file. Line and Column count from 1, and are
// 0 where the fault is of the file or folder as a whole.
type Problem struct {
	File    string
	Line    int
	Column  int
	Message string
}

// String is the problem as compilers print theirs: file:line:column: message.
func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.Message
	case p.Line == 0:
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems are all faults of a schema folder, by file and place.
type Problems []Problem

// Error is one line a problem.
func (p *Problems) Error() string {
	lines := make([]string, len(*p))
	for i, problem := range *p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what one run prints: who has a hundred faults mends those
// first.
const maxProblems = 100

// add notes a fault at a node, once: one mistake can be met on several ways.
func (p *Problems) add(at *node, format string, args ...any) {
	if !at.refused && !p.full() {
		p.note(Problem{File: at.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)})
	}
}

func (p *Problems) note(problem Problem) {
	if !p.full() && !slices.Contains(*p, problem) {
		*p = append(*p, problem)
	}
}

func (p *Problems) full() bool { return len(*p) >= maxProblems }

// err returns the problems in the order of the files, nil for none.
func (p *Problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	slices.SortStableFunc(*p, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return p
}
