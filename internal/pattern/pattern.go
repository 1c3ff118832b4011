// Package pattern writes regular expressions of RE2, the syntax of Go's regexp,
// anew for MongoDB (PCRE) and for JSON Schema (ECMA-262), whose classes, anchors
// and flags differ, so that all of them match the same.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Pattern is a regular expression that was parsed.
type Pattern struct {
	source string
	re     *regexp.Regexp
	tree   *syntax.Regexp
}

// The bounds of a pattern, in bytes.
const (
	maxSource = 1000
	// maxWritten keeps within what MongoDB compiles.
	maxWritten = 16 << 10
)

// Parse reads a pattern in the syntax of Go's regexp. The flags are any of
// "ims", and hold for all of the pattern. The error is a phrase about it, such
// as "is over 1000 bytes long".
func Parse(source, flags string) (*Pattern, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("is over %d bytes long", maxSource)
	}
	flagged := source
	if flags != "" {
		flagged = "(?" + flags + ")" + source
	}
	tree, err := syntax.Parse(flagged, syntax.Perl)
	if err != nil {
		return nil, notAPattern(err)
	}
	re, err := regexp.Compile(flagged)
	if err != nil {
		return nil, notAPattern(err)
	}
	return &Pattern{source: source, re: re, tree: tree}, nil
}

func notAPattern(err error) error {
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Errorf("is not a regular expression: %s: %s", e.Code, e.Expr)
	}
	return fmt.Errorf("is not a regular expression: %w", err)
}

// String returns the pattern as it was read, without its flags.
func (p *Pattern) String() string { return p.source }

// Regexp returns the pattern for Go's engine.
func (p *Pattern) Regexp() *regexp.Regexp { return p.re }

// PCRE returns the pattern for MongoDB, where it needs no options. The error is
// a phrase about the pattern.
func (p *Pattern) PCRE() (string, error) {
	w := writer{anchors: pcreAnchors}
	if err := w.write(p.tree); err != nil {
		return "", err
	}
	if w.Len() > maxWritten {
		return "", errors.New("is too large for MongoDB when its classes are written out")
	}
	return w.String(), nil
}

// ECMA returns the pattern for JSON Schema. The error is a phrase about it.
func (p *Pattern) ECMA() (string, error) {
	w := writer{anchors: ecmaAnchors}
	err := w.write(p.tree)
	return w.String(), err
}
