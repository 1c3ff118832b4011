package query

import (
	"net/url"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
)

// ParseExport reads the parameters of an export: filter, select, deleted, and conditions as
// a list takes them. Its plan goes through all that the filter admits in the order
// of ids.
func ParseExport(values url.Values, limits Limits) Request {
	r := Parse(values, limits)
	ofLists := func(name string) bool {
		return name != partFilter && name != partSelect && name != partDeleted && slices.Contains(parts, name)
	}
	r.faults.Items = slices.DeleteFunc(r.faults.Items, func(item fault.Item) bool { return ofLists(item.Pointer) })
	for _, name := range parts {
		if ofLists(name) && values.Has(name) {
			r.faults.Add(name, "unknown-parameter", "is a parameter of lists alone; an export takes filter, select, deleted, and conditions such as status=active")
		}
	}
	r.Sort, r.Limit, r.After, r.Before, r.Count, r.Explain, r.Include = nil, limits.MaxLimit, "", "", NoCount, false, nil
	r.export = true
	return r
}

// From returns the part of a plan in the order of ids that comes after one. Ids
// of all types have their place there, also of those that others stored.
func (p *Plan) From(id bson.RawValue) *Plan {
	next := *p
	next.position, next.anyID = []bson.RawValue{id}, true
	return &next
}
