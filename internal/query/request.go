// Package query turns the parameters of a read into a Plan: Parse looks at the
// text alone, Plan adds the schema, and neither touches the database.
package query

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Limits bound what one read may ask for.
type Limits struct {
	// DefaultLimit and MaxLimit count documents a page.
	DefaultLimit, MaxLimit int
	// IncludeDepth is how many relations an include leads through at most.
	IncludeDepth int
	// IncludedDocuments and IncludedBytes, of BSON, bound what one answer
	// includes. A document that is included twice counts twice.
	IncludedDocuments int
	IncludedBytes     int64
	// RelatedValues bounds how many ids a filter finds on its way over a relation.
	RelatedValues int
}

// Request is a list as it was asked for, with no schema applied yet. The
// parameters of a GET and the members of a body fill the same Request.
type Request struct {
	// Filter is nil where there is none.
	Filter *filter.Tree
	Select Select
	// Sort is empty for the order of ids.
	Sort []SortKey
	// Limit is how many documents a page holds at most.
	Limit int
	// After and Before are cursors: of the page before and of the page after,
	// empty for the first page. One of them is, always.
	After, Before string
	Count         Count
	// Explain asks how the list is found, in place of the list.
	Explain bool
	// Include are the relations whose documents come along.
	Include []Inclusion
	// Deleted says whether deleted documents are read that are kept.
	Deleted Deleted

	// source says where the parts stood in what the client sent, faults what is
	// wrong with them.
	source source
	faults fault.List
	limits Limits
	// export says that all documents are meant, in the order of ids.
	export bool
}

// source is a GET's parameters, or a body.
type source struct {
	// prefix comes before the name of a part in the pointer of a fault.
	prefix string
	// plain are the names of the parameters that are conditions.
	plain []string
	// depth is how many relations lead here: 0 for the list itself.
	depth int
	// document says that one document is read, which needs no order.
	document bool
}

func (s source) pointer(part string) string { return s.prefix + part }

func (s source) what() string {
	if s.depth > 0 {
		return "an include"
	}
	return "a list"
}

// Select says which fields come back: those of Paths, or all but those.
type Select struct {
	Paths   []string
	Exclude bool
}

// SortKey is one field of an order.
type SortKey struct {
	Path       string
	Descending bool
}

// Count says whether a list tells how many documents there are.
type Count uint8

// The counts: none, all that the filter admits, or all of the collection as
// MongoDB keeps count of them, which is quick and can be off after a crash.
const (
	NoCount Count = iota
	Exact
	Estimate
)

var countNames = []string{Exact: "exact", Estimate: "estimate"}

// The parts of a list, which are the names of its parameters and of the members
// of its body.
const (
	partFilter  = "filter"
	partSelect  = "select"
	partSort    = "sort"
	partLimit   = "limit"
	partAfter   = "after"
	partBefore  = "before"
	partCount   = "count"
	partExplain = "explain"
	partInclude = "include"
	partDeleted = "deleted"
)

var parts = []string{partFilter, partSelect, partSort, partLimit, partAfter, partBefore, partCount, partExplain, partInclude, partDeleted}

const badList = "the parameters of the list are not valid"

// Parse reads the parameters of a list. A parameter that is no part of a list is
// a condition, such as status=active or age[gte]=18. What is ill-formed is told
// by Plan, with all else that is wrong.
func Parse(values url.Values, limits Limits) Request {
	r := Request{Limit: limits.DefaultLimit, limits: limits}
	faults := &r.faults
	conditions := url.Values{}
	for name, given := range values {
		if !slices.Contains(parts, name) || name == partDeleted && !isDeleted(given) {
			conditions[name] = given
			r.source.plain = append(r.source.plain, name)
		}
	}
	for _, name := range parts {
		given, ok := values[name]
		switch {
		case !ok || slices.Contains(r.source.plain, name):
		case len(given) > 1:
			faults.Add(name, "repeated", "is given %d times; give it once", len(given))
		default:
			r.part(name, given[0], limits, faults)
		}
	}
	r.Filter = filter.Join(r.Filter, filter.ParseParams(conditions, faults))
	r.pages(faults)
	return r
}

// ParseSelection reads the parameters of what is done to all documents that match:
// a filter, which it must have, and conditions as a list takes them.
func ParseSelection(values url.Values, limits Limits) Request {
	r := Parse(values, limits)
	r.faults.Items = slices.DeleteFunc(r.faults.Items, func(item fault.Item) bool { return isListPart(item.Pointer) })
	for _, name := range parts {
		if isListPart(name) && values.Has(name) {
			r.faults.Add(name, "unknown-parameter", "is a parameter of lists alone; this takes filter, and conditions such as status=active")
		}
	}
	if len(r.faults.Items) == 0 && (r.Filter == nil || r.Filter.Empty()) {
		r.faults.Add(partFilter, "required", "is required, with a condition: without one all documents would be meant")
	}
	return r
}

func isListPart(name string) bool { return name != partFilter && slices.Contains(parts, name) }

// part reads one part out of text.
func (r *Request) part(name, text string, limits Limits, faults *fault.List) {
	at := r.source.pointer(name)
	switch name {
	case partFilter:
		r.Filter = filter.Parse([]byte(text), at, faults)
	case partSelect:
		r.selectFields(strings.Split(text, ","), at, faults)
	case partSort:
		r.sortBy(strings.Split(text, ","), at, faults)
	case partLimit:
		limit, err := strconv.Atoi(text)
		if err != nil {
			limit = 0
		}
		r.limit(limit, at, limits, faults)
	case partAfter:
		r.After = r.cursor(text, at, faults)
	case partBefore:
		r.Before = r.cursor(text, at, faults)
	case partCount:
		r.count(text, at, faults)
	case partExplain:
		if r.Explain = text == "true"; !r.Explain && text != "false" {
			faults.Add(at, "type", "must be true or false")
		}
	case partInclude:
		r.includeText(text, at, limits, faults)
	case partDeleted:
		var ok bool
		if r.Deleted, ok = parseDeleted(text); !ok {
			faults.Add(at, "enum", mustBeDeleted)
		}
	}
}

// ParseDocument reads the parameters of a read of one document.
func ParseDocument(values url.Values, limits Limits) Request {
	r := Request{Limit: 1, limits: limits}
	r.source.document = true
	if len(values) == 0 {
		return r
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		switch {
		case name != partInclude && name != partDeleted:
			r.faults.Add(name, "unknown-parameter", "is not a parameter of this route%s", nearest.Hint(name, []string{partInclude, partDeleted}))
		case len(given) > 1:
			r.faults.Add(name, "repeated", "is given %d times; give it once", len(given))
		default:
			r.part(name, given[0], limits, &r.faults)
		}
	}
	return r
}

func (r *Request) limit(limit int, at string, limits Limits, faults *fault.List) {
	if limit < 1 || limit > limits.MaxLimit {
		faults.Add(at, "range", "must be a whole number from 1 to %d", limits.MaxLimit)
	}
	r.Limit = limit
}

func (r *Request) cursor(text, at string, faults *fault.List) string {
	if text == "" {
		faults.Add(at, "cursor", "is empty; leave it out for the first page")
	}
	return text
}

func (r *Request) count(text, at string, faults *fault.List) {
	i := slices.Index(countNames, text)
	if i <= 0 {
		faults.Add(at, "enum", "must be one of exact, estimate")
		return
	}
	r.Count = Count(i)
}

// maxFields bounds what select and sort list.
const maxFields = 100

// selectFields reads paths, each of which begins with "-" or none does.
func (r *Request) selectFields(paths []string, at string, faults *fault.List) {
	if len(paths) > maxFields {
		faults.Add(at, "limit", "lists more than %d fields", maxFields)
		return
	}
	excluded := 0
	for _, text := range paths {
		path, excludes := strings.CutPrefix(strings.TrimSpace(text), "-")
		if path == "" {
			faults.Add(at, "syntax", "must be fields separated by commas, such as name,email, or -content for all but that")
			return
		}
		if excludes {
			excluded++
		}
		r.Select.Paths = append(r.Select.Paths, path)
	}
	r.Select.Exclude = excluded > 0
	if excluded > 0 && excluded < len(paths) {
		faults.Add(at, "syntax", `names fields to keep and fields to leave out; do one of them`)
	}
}

// maxSortKeys is MongoDB's limit for the keys of a sort, less the id.
const maxSortKeys = 31

func (r *Request) sortBy(keys []string, at string, faults *fault.List) {
	if len(keys) > maxSortKeys {
		faults.Add(at, "limit", "lists more than %d fields", maxSortKeys)
		return
	}
	for _, text := range keys {
		path, descending := strings.CutPrefix(strings.TrimSpace(text), "-")
		if path == "" {
			faults.Add(at, "syntax", "must be fields separated by commas, such as -createdAt,name")
			return
		}
		r.Sort = append(r.Sort, SortKey{path, descending})
	}
}

// pages notes cursors in both directions.
func (r *Request) pages(faults *fault.List) {
	if r.After != "" && r.Before != "" {
		faults.Add(r.source.pointer(partBefore), "syntax", "does not stand beside after")
	}
}
