package query

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// maxIncludes bounds the relations of one request: each costs a command.
const maxIncludes = 20

// Inclusion is a relation whose documents come along, with no schema applied yet.
type Inclusion struct {
	Name string
	// Pointer is where it stands in what the client sent.
	Pointer string
	// Request says how the documents are read, and what they include themselves.
	// Its Limit counts those of one document; 0 is for all.
	Request Request
}

// Include is an Inclusion made ready for the database.
type Include struct {
	Relation *schema.Relation
	// Pointer is that of the Inclusion.
	Pointer string
	// Plan is how the documents that the relation leads to are read.
	Plan *Plan
}

// includedParts are the parts of a list that an include has too.
var includedParts = []string{partFilter, partSelect, partSort, partLimit, partInclude}

const includeSyntax = "must be names of relations, separated by commas, such as author,comments.author"

// includeText reads relations such as author,comments.author, which leads
// through comments to their authors.
func (r *Request) includeText(text, at string, limits Limits, faults *fault.List) {
	if strings.Count(text, ",") >= maxIncludes {
		faults.Add(at, "limit", "names more than %d relations", maxIncludes)
		return
	}
	for path := range strings.SplitSeq(text, ",") {
		steps := strings.Split(path, ".")
		if r.tooDeep(len(steps), at, limits, faults) {
			return
		}
		into := r
		for _, name := range steps {
			if name = strings.TrimSpace(name); name == "" {
				faults.Add(at, "syntax", includeSyntax)
				return
			}
			into = into.inclusion(name, at)
		}
	}
}

// tooDeep notes that further relations would lead through more than the limit.
func (r *Request) tooDeep(further int, at string, limits Limits, faults *fault.List) bool {
	deep := r.source.depth+further > limits.IncludeDepth
	if deep {
		faults.Add(at, "limit", "leads through more than %d relations", limits.IncludeDepth)
	}
	return deep
}

// inclusion returns the request of a relation, which it adds where it is not there.
func (r *Request) inclusion(name, at string) *Request {
	for i := range r.Include {
		if r.Include[i].Name == name {
			return &r.Include[i].Request
		}
	}
	inner := Request{source: source{prefix: at + "/", depth: r.source.depth + 1}}
	r.Include = append(r.Include, Inclusion{Name: name, Pointer: at, Request: inner})
	return &r.Include[len(r.Include)-1].Request
}

// includeValue reads the include of a body: text, a list of texts, or an object
// whose members are called as the relations.
func (r *Request) includeValue(value jsontext.Value, at string, limits Limits, faults *fault.List) {
	if value.Kind() != '{' {
		texts, ok := textsOf(value)
		if !ok {
			faults.Add(at, "type", "must be a string, a list of strings, or an object of relations")
			return
		}
		r.includeText(strings.Join(texts, ","), at, limits, faults)
		return
	}
	members, err := objectMembers(value)
	switch {
	case err != nil:
		faults.Add(at, "syntax", "is not valid JSON")
		return
	case len(members) > maxIncludes:
		faults.Add(at, "limit", "names more than %d relations", maxIncludes)
		return
	case len(members) > 0 && r.tooDeep(1, at, limits, faults):
		return
	}
	for _, m := range members {
		r.inclusion(m.name, bsonjson.AppendToken(at, m.name)).included(m.value, limits, faults)
	}
}

// included reads what stands after the name of a relation: true, or how its
// documents are read.
func (r *Request) included(value jsontext.Value, limits Limits, faults *fault.List) {
	at := strings.TrimSuffix(r.source.prefix, "/")
	switch value.Kind() {
	case 't':
		return
	case '{':
	default:
		faults.Add(at, "type", `must be true, or an object such as {"select": ["name"], "limit": 5}`)
		return
	}
	members, err := objectMembers(value)
	if err != nil {
		faults.Add(at, "syntax", "is not valid JSON")
	}
	for _, m := range members {
		r.member(m.name, m.value, limits, faults)
	}
}

// parts are those that the request can have.
func (r *Request) parts() []string {
	if r.source.depth > 0 {
		return includedParts
	}
	return parts
}

// planner binds a request and those within it.
type planner struct {
	limits Limits
	faults *fault.List
	// included is how many relations were bound.
	included int
}

// includes binds inclusions to the relations of a collection. The plan keeps
// what they go by.
func (p *planner) includes(inclusions []Inclusion, plan *Plan) {
	for _, inclusion := range inclusions {
		relation, ok := plan.Collection.Relation(inclusion.Name)
		if !ok {
			p.faults.Add(inclusion.Pointer, "unknown-relation", "%q %s", shorten(inclusion.Name), noRelation(inclusion.Name, plan.Collection))
			continue
		}
		if p.included++; p.included == maxIncludes+1 {
			p.faults.Add(inclusion.Pointer, "limit", "is one relation more than the %d that a request includes", maxIncludes)
		}
		inner := p.plan(inclusion.Request, relation.Collection)
		local, foreign := relation.Ends()
		plan.keep(local)
		inner.keep(foreign)
		p.limited(inclusion, inner)
		plan.Includes = append(plan.Includes, &Include{Relation: relation, Pointer: inclusion.Pointer, Plan: inner})
	}
}

// limited notes what does not go with a limit of each document.
func (p *planner) limited(inclusion Inclusion, inner *Plan) {
	if inclusion.Request.Limit > 0 && inner.Where != nil && inner.Where.Has(filter.Near, filter.Text) {
		p.faults.Add(inclusion.Request.source.pointer(partLimit), "syntax", "does not fit a filter with $near or $text in an include")
	}
}

func noRelation(name string, c *schema.Collection) string {
	names := c.RelationNames()
	if len(names) == 0 {
		return "is not a relation: " + c.Name + " has none"
	}
	reason := "is not a relation of " + c.Name
	if _, isField := c.Fields.Lookup([]byte(name)); isField {
		reason = "is a field of " + c.Name + ", and no relation"
	}
	if hint := nearest.Hint(name, names); hint != "" {
		return reason + hint
	}
	return reason + "; there are " + strings.Join(names, ", ")
}

// TooMuch is the fault of an include that leads to more than one answer holds.
func (i *Include) TooMuch(most string) error {
	return fault.New(fault.InvalidParameter, "the request includes more than one answer holds").WithItems(fault.Item{
		Pointer: i.Pointer, Code: "limit",
		Detail: "goes beyond the " + most + " that one answer includes, at the relation " + strconv.Quote(i.Relation.Name) +
			"; ask for a smaller page, or filter or limit what is included",
	})
}
