// Package query turns the parameters of a read into a Plan: Parse looks at the
// text alone, Plan adds the schema, and neither touches the database.
package query

import (
	"net/url"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Limits bound what one read may ask for.
type Limits struct {
	// DefaultLimit and MaxLimit count documents a page.
	DefaultLimit, MaxLimit int
}

// Request is a list as it was asked for, with no schema applied yet.
type Request struct {
	// Limit is how many documents a page holds at most.
	Limit int
	// After is the cursor of the page before, empty for the first page.
	After string
}

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

// Plan is a read made ready for the database: the conditions, the order and the
// number of documents. It is bound to one collection of one Model.
type Plan struct {
	Collection *schema.Collection
	Filter     bson.Raw
	Sort       bson.Raw
	Limit      int
}

// byID is the order of every list: ascending ids.
var byID = marshal(bson.D{{Key: "_id", Value: 1}})

// Plan binds the request to a collection. A cursor that was not made for the
// same list is an InvalidParameter fault.
func (r Request) Plan(collection *schema.Collection) (*Plan, error) {
	plan := &Plan{Collection: collection, Sort: byID, Limit: r.Limit, Filter: marshal(bson.D{})}
	if r.After == "" {
		return plan, nil
	}
	id, err := parseCursor(r.After, collection)
	if err != nil {
		return nil, err
	}
	plan.Filter = marshal(bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: id}}}})
	return plan, nil
}

// Next returns the cursor of the page that begins after last.
func (p *Plan) Next(last bson.Raw) string {
	return cursor(p.Collection, last.Lookup("_id"))
}

// marshal encodes documents that hold nothing but values the driver knows.
func marshal(document bson.D) bson.Raw {
	raw, err := bson.Marshal(document)
	if err != nil {
		panic("query: a document of plain values does not encode: " + err.Error())
	}
	return raw
}
