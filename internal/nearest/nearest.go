// Package nearest finds the name that a mistyped one was meant to be.
package nearest

import "strings"

// maxName bounds the work: longer names are compared with nothing.
const maxName = 100

// Name returns the entry of among with the least edit distance to name, where
// a third of the name's letters at most differ, and "" where none is that near.
// Upper and lower case count as equal; the first of equally near ones wins.
func Name(name string, among []string) string {
	if len(name) > maxName {
		return ""
	}
	best, least := "", max(1, len(name)/3)+1
	for _, candidate := range among {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate), least); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Hint returns "; did you mean \"x\"?" for the nearest name, "" for none.
func Hint(name string, among []string) string {
	if near := Name(name, among); near != "" {
		return "; did you mean \"" + near + "\"?"
	}
	return ""
}

// distance is the optimal string alignment distance: the least number of
// insertions, deletions, substitutions and swaps of neighbours, by bytes. It
// returns limit as soon as the lengths alone say that it is no less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func cost(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
