// Package query turns the parameters of a read into a Plan: Parse looks at the
// text alone, Plan adds the schema, and neither touches the database.
package query

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Limits bound what one read may ask for.
type Limits struct {
	// DefaultLimit and MaxLimit count documents a page.
	DefaultLimit, MaxLimit int
}

// Request is a list as it was asked for, with no schema applied yet.
type Request struct {
	// Filter is what the documents fulfil, nil for all of them.
	Filter *filter.Tree
	// Select are the paths to give, or with a "-" those to leave out; none for
	// whole documents.
	Select []string
	// Sort are the paths to order by, with a "-" those that fall; none for the
	// order of ids.
	Sort []string
	// Limit is how many documents a page holds at most; 0 in an include for all.
	Limit int
	// After and Before are cursors of the page before and of the page after;
	// one of them at most is not empty.
	After, Before string
	Count         Count
	// Explain asks how the database finds the documents, in their place.
	Explain  bool
	Includes []Inclusion
}

// Inclusion asks for the documents of a relation.
type Inclusion struct {
	// Relation is the name, and Pointer where it stands in what was asked.
	Relation, Pointer string
	Request
}

// Count says what a page tells of how many documents fulfil the filter.
type Count uint8

// The counts: nothing, the exact number, or a number that costs less.
const (
	NoCount Count = iota
	Exact
	Estimate
)

var parameters = []string{"limit", "after"}

// Parse reads the parameters of a list. Every unknown, repeated or ill-formed
// parameter is an item of the InvalidParameter fault that it returns.
func Parse(values url.Values, limits Limits) (Request, error) {
	var faults fault.List
	for _, name := range sortedNames(values) {
		checkName(name, values[name], &faults)
	}
	request := Request{Limit: parseLimit(values, limits, &faults), After: values.Get("after")}
	return request, faults.Err(fault.InvalidParameter, "the parameters of the list are not valid")
}

func checkName(name string, given []string, faults *fault.List) {
	switch {
	case !slices.Contains(parameters, name):
		faults.Add(name, "unknown-parameter", "is not a parameter of a list%s", nearest.Hint(name, parameters))
	case len(given) > 1:
		faults.Add(name, "repeated", "is given %d times; give it once", len(given))
	}
}

func parseLimit(values url.Values, limits Limits, faults *fault.List) int {
	if !values.Has("limit") {
		return limits.DefaultLimit
	}
	limit, err := strconv.Atoi(values.Get("limit"))
	if err != nil || limit < 1 || limit > limits.MaxLimit {
		faults.Add("limit", "range", "must be a whole number from 1 to %d", limits.MaxLimit)
	}
	return limit
}

func sortedNames(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
