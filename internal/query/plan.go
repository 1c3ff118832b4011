package query

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Plan is a read made ready for the database. It is bound to one collection of
// one Model, and never changed once it is made.
type Plan struct {
	Collection *schema.Collection
	// Where is what the documents fulfil, nil for all of them. It can ask about
	// related documents, which the engine resolves.
	Where *filter.Bound
	// Page is the condition that the page of a cursor adds, nil for the first.
	Page bson.D
	// Sort is MongoDB's; nil in an include that gives no order.
	Sort bson.Raw
	// Limit is how many documents a page holds at most; 0 in an include for all.
	Limit    int
	Includes []*Include
	Count    Count
	Explain  bool
}

// Include is a relation whose documents come with those of a plan.
type Include struct {
	Relation *schema.Relation
	// Plan reads the related documents. Its Limit is for each document of the
	// plan that it stands in.
	Plan *Plan
}

// byID is the order of every list: ascending ids.
var byID = marshal(bson.D{{Key: "_id", Value: 1}})

// Plan binds the request to a collection. A cursor that was not made for the
// same list is an InvalidParameter fault.
func (r Request) Plan(collection *schema.Collection) (*Plan, error) {
	plan := &Plan{Collection: collection, Sort: byID, Limit: r.Limit, Count: r.Count, Explain: r.Explain}
	if r.After == "" {
		return plan, nil
	}
	id, err := parseCursor(r.After, collection)
	if err != nil {
		return nil, err
	}
	plan.Page = bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: id}}}}
	return plan, nil
}

// Filter is the whole condition of the page for MongoDB: where, which is the
// plan's own with what it asks of related documents resolved, and the cursor's.
func (p *Plan) Filter(where *filter.Bound) bson.Raw {
	switch {
	case where == nil && p.Page == nil:
		return marshal(bson.D{})
	case where == nil:
		return marshal(p.Page)
	case p.Page == nil:
		return marshal(where.BSON())
	}
	return marshal(bson.D{{Key: "$and", Value: bson.A{where.BSON(), p.Page}}})
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
