package query

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Plan is a read made ready for the database. It is bound to one collection of
// one Model, and never changed.
type Plan struct {
	Collection *schema.Collection
	// Where is the filter; nil admits everything.
	Where *filter.Bound
	// Projection is nil for whole documents; Selects is set where the client asked
	// for a part of them.
	Projection bson.Raw
	Selects    bool
	// Limit is how many documents a page holds at most.
	Limit int
	Count Count
	// Explain asks how the list is found.
	Explain bool
	// Deleted says whether deleted documents are read that are kept.
	Deleted Deleted
	// Includes are the relations whose documents come along.
	Includes []*Include
	// Limits bound what is included, and what a filter over relations finds.
	Limits Limits

	order order
	// sortPointer is where the order stood in what the client sent.
	sortPointer string
	// drop are the paths that the projection has for the page alone.
	drop [][]string
	// position is where the page begins, nil for the first page.
	position []bson.RawValue
	// backward says that the page ends at the position: before it, not after.
	backward bool
	// anyID says that the position is an id which others may have another type of.
	anyID bool
}

// Plan binds the request to a collection. What does not fit is an
// InvalidParameter fault with all that is wrong.
func (r Request) Plan(c *schema.Collection) (*Plan, error) {
	if err := c.Readable(); err != nil {
		return nil, err
	}
	faults := fault.List{Items: slices.Clone(r.faults.Items)}
	binding := planner{limits: r.limits, faults: &faults}
	p := binding.plan(r, c)
	for _, key := range p.order {
		p.keep(key.stored)
	}
	r.admitsDeleted(c, &faults)
	if len(faults.Items) == 0 {
		r.admits(p, &faults)
	}
	return p, faults.Err(fault.InvalidParameter, badList)
}

// plan binds what a list and an include have in common.
func (b *planner) plan(r Request, c *schema.Collection) *Plan {
	p := &Plan{Collection: c, Limit: r.Limit, Count: r.Count, Explain: r.Explain, Deleted: r.Deleted, Limits: b.limits,
		backward: r.Before != "", sortPointer: r.source.pointer(partSort)}
	p.Where = r.where(c, b.faults).And(r.Deleted.where(c))
	p.Projection = r.Select.projection(c, r.source.pointer(partSelect), b.faults)
	p.Selects = p.Projection != nil
	if !r.source.document {
		p.order = r.order(c, p, b.faults)
	}
	b.includes(r.Include, p)
	return p
}

// where binds the filter.
func (r Request) where(c *schema.Collection, faults *fault.List) *filter.Bound {
	if r.Filter == nil || r.Filter.Empty() {
		return nil
	}
	before := len(faults.Items)
	bound := r.Filter.Bind(c.Resolver(), faults)
	for i := before; i < len(faults.Items); i++ {
		r.unknown(&faults.Items[i], c)
	}
	return bound
}

// resolver finds the fields that select and sort name.
func resolver(c *schema.Collection) filter.Resolver { return filter.Fields(c.Fields) }

// unknown rewords the fault of a parameter that names no field: it may have been
// meant for a part of the list.
func (r Request) unknown(item *fault.Item, c *schema.Collection) {
	if item.Code != "unknown-field" || !slices.Contains(r.source.plain, item.Pointer) {
		return
	}
	name, _, _ := strings.Cut(item.Pointer, "[")
	item.Code = "unknown-parameter"
	if name == partDeleted && c.SoftDelete != nil {
		item.Detail = mustBeDeleted
		return
	}
	item.Detail = "is neither a parameter of a list nor a field of the schema" + nearest.Hint(name, append(slices.Clone(parts), c.Fields.Names()...))
}

// admits notes what does not go together, and reads the cursor.
func (r Request) admits(p *Plan, faults *fault.List) {
	at := r.source.pointer
	switch near := p.near(); {
	case r.export && near:
		faults.Add(at(partFilter), "unknown-operator", "$near orders by distance, and an export goes by ids; $geoWithin stands here")
	case r.Count == Estimate && (p.Where != nil || !p.Collection.Grant.All()):
		faults.Add(at(partCount), "enum", "estimate is that of the whole collection, and does not fit a filter; ask for exact")
	case r.Count == Exact && near:
		faults.Add(at(partCount), "enum", "does not fit $near, which orders by distance; $geoWithin counts")
	case near && len(r.Sort) == 0 && r.After+r.Before != "":
		faults.Add(at(partAfter), "cursor", "does not fit $near without a sort: there is one page, in the order of distance")
	case r.After != "":
		p.position = p.parseCursor(r.After, at(partAfter), faults)
	case r.Before != "":
		p.position = p.parseCursor(r.Before, at(partBefore), faults)
	}
}

// Sees reports whether the read sees a stored document.
func (p *Plan) Sees(doc bson.Raw) bool { return p.Deleted.admits(p.Collection, doc) }

func (p *Plan) near() bool { return p.Where != nil && p.Where.Has(filter.Near) }

// Filter returns the conditions of the page for MongoDB. Where must be free of
// relations: it is p.Where, or what that was resolved to.
func (p *Plan) Filter(where *filter.Bound) bson.D {
	conditions := bson.D{}
	if where != nil {
		conditions = where.BSON()
	}
	if p.position == nil {
		return conditions
	}
	page := p.order.beyond(p.position, p.backward)
	if p.anyID {
		page = bson.D{beyondValue("_id", "$gt", p.position[0])}
	}
	if len(conditions) == 0 {
		return page
	}
	return bson.D{{Key: "$and", Value: bson.A{conditions, page}}}
}

// Sort returns the order for MongoDB, nil where it is that of distance.
func (p *Plan) Sort() bson.D { return p.order.sort(p.backward) }

// Page is what a read of one document more than the limit found.
type Page struct {
	Documents []bson.Raw
	// Next and Prev are the cursors of the pages after and before, empty where
	// there are none.
	Next, Prev string
	// Total is how many documents there are, nil where that was not asked for.
	Total *int64
}

// Page makes a page of the documents that were found; more says that there are
// others beyond them. The documents are yet to be pruned.
func (p *Plan) Page(found []bson.Raw, more bool) Page {
	if len(found) > p.Limit {
		found, more = found[:p.Limit], true
	}
	if p.backward {
		slices.Reverse(found)
	}
	page := Page{Documents: found}
	if len(found) > 0 && len(p.order) > 0 {
		p.turn(&page, more)
	}
	return page
}

// turn sets the cursors. Where a page was turned to there is one to turn back to.
func (p *Plan) turn(page *Page, more bool) {
	if p.backward || more {
		page.Next = p.cursor(page.Documents[len(page.Documents)-1])
	}
	if p.backward && more || !p.backward && p.position != nil {
		page.Prev = p.cursor(page.Documents[0])
	}
}

// projection binds the fields to keep or leave out.
func (s Select) projection(c *schema.Collection, at string, faults *fault.List) bson.Raw {
	if len(s.Paths) == 0 {
		return nil
	}
	projection, value := bson.D{}, 1
	if s.Exclude {
		value = 0
	}
	for i, path := range s.Paths {
		target, err := resolver(c)(path)
		switch {
		case err != nil:
			faults.Add(at, "unknown-field", "%q %s", shorten(path), err)
		case hasIndex(path, target):
			faults.Add(at, "syntax", "%q leads to one element of an array; an array is selected whole, or fields of all its elements", shorten(path))
		case s.Exclude && target.Stored == "_id":
			faults.Add(at, "syntax", "leaves out id, which every document has")
		case slices.ContainsFunc(s.Paths[:i], func(other string) bool { return overlaps(path, other) }):
			faults.Add(at, "syntax", "names %q twice, or a field within it as well", shorten(path))
		default:
			projection = append(projection, bson.E{Key: target.Stored, Value: value})
		}
	}
	return marshal(projection)
}

// hasIndex reports whether a path names an element by its place.
func hasIndex(path string, target filter.Target) bool {
	return slices.ContainsFunc(target.Arrays, func(array string) bool {
		next, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, array), "."), ".")
		_, err := strconv.Atoi(next)
		return err == nil
	})
}

// overlaps reports whether one path is the other, or leads into it.
func overlaps(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// shorten bounds what a message repeats of the input.
func shorten(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// marshal encodes documents that hold nothing but values the driver knows.
func marshal(document bson.D) bson.Raw {
	raw, err := bson.Marshal(document)
	if err != nil {
		panic("query: a document of plain values does not encode: " + err.Error())
	}
	return raw
}

// sortable reports whether values of a kind have one place in an order. Of an
// array MongoDB takes the least or the greatest element, so that a document has
// two places.
func sortable(kind bsonjson.Kind) bool {
	switch kind {
	case bsonjson.Any, bsonjson.Array, bsonjson.Object, bsonjson.Geo:
		return false
	}
	return true
}
