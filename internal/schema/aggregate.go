package schema

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Aggregate is a named pipeline of a collection, with typed parameters.
type Aggregate struct {
	Name        string
	Description string
	// Timeout bounds the pipeline in the database; 0 for no bound beside the
	// request's own.
	Timeout time.Duration
	// MaxDocuments is the most that an answer holds.
	MaxDocuments int
	// Others are the collections that the pipeline reads beside its own, sorted.
	Others []string

	// params are the rules of the arguments: an object's.
	params *rules
	stages []template
	// source is the pipeline as it was declared, in JSON.
	source json.RawMessage
}

// Parameter is one parameter of an aggregate, for documentation.
type Parameter struct {
	Name        string
	Description string
	Required    bool
	// Schema is the JSON Schema of its value.
	Schema JSON
}

// Parameters returns the parameters in the order of the file.
func (a *Aggregate) Parameters() []Parameter {
	list := make([]Parameter, len(a.params.members))
	for i, r := range a.params.members {
		w := schemaWriter{variant: Create}
		value := w.value(r, false)
		value = slices.DeleteFunc(value, func(m Member) bool { return m.Name == "description" })
		list[i] = Parameter{Name: r.name, Description: r.description, Required: r.required, Schema: value}
	}
	return list
}

// Aggregate returns the aggregate of a name.
func (c *Collection) Aggregate(name string) (*Aggregate, bool) {
	i, ok := slices.BinarySearchFunc(c.Aggregates, name, func(a *Aggregate, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return nil, false
	}
	return c.Aggregates[i], true
}

// NearestAggregate returns a hint at the aggregate that a mistyped name was
// meant to be, "" where none is near.
func (c *Collection) NearestAggregate(name string) string {
	names := make([]string, len(c.Aggregates))
	for i, a := range c.Aggregates {
		names[i] = a.Name
	}
	return nearest.Hint(name, names)
}

// The bounds of what an aggregate answers, in documents.
const (
	defaultMaxDocuments = 1000
	mostDocuments       = 100_000
)

// wordPattern is what aggregates and their parameters are called by: both stand
// in URLs.
var wordPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// aggregates compiles the aggregates of a collection. The fields of every
// collection are known by then.
func (c *compiler) aggregates(d *declaration) {
	if d.aggregates == nil {
		return
	}
	if d.aggregates.kind != mappingNode {
		c.problems.add(d.aggregates, "must be a mapping of names to pipelines, such as {by_status: {pipeline: […]}}, not %s", d.aggregates.kind)
		return
	}
	for _, e := range d.aggregates.entries {
		if !wordPattern.MatchString(e.key.text) {
			c.problems.add(e.key, `the aggregate name %q must be letters, digits and "_", and not begin with a digit`, shorten(e.key.text))
		}
		if a := c.aggregate(d, e.key.text, e.value); a != nil {
			d.c.Aggregates = append(d.c.Aggregates, a)
		}
	}
	slices.SortFunc(d.c.Aggregates, func(a, b *Aggregate) int { return strings.Compare(a.Name, b.Name) })
}

func (c *compiler) aggregate(d *declaration, name string, n *node) *Aggregate {
	if n.kind != mappingNode {
		c.problems.add(n, "must be a mapping with a pipeline, such as {pipeline: [{$count: total}]}, not %s", n.kind)
		return nil
	}
	a := &Aggregate{Name: name, MaxDocuments: defaultMaxDocuments, params: newRules("")}
	a.params.typ = typeObject
	var params, pipeline *node
	c.keys(n, "an aggregate", []keyReader{
		{"description", func(at *node) { a.Description, _ = c.word(at) }},
		{"params", func(at *node) { params = at }},
		{"pipeline", func(at *node) { pipeline = at }},
		{"timeout", func(at *node) { a.Timeout = c.timeout(at) }},
		{"max_documents", func(at *node) { a.MaxDocuments = c.maxDocuments(at) }},
	})
	if params != nil {
		a.params.members = c.params(d, params)
	}
	a.params.shape = &bsonjson.Shape{Kind: bsonjson.Object, Fields: shapeOf(a.params.members, false, noSystem)}
	if pipeline == nil {
		c.problems.add(n, `"pipeline" is missing: a list of stages, such as [{$count: total}]`)
		return nil
	}
	before := len(c.problems)
	p := pipelineCompiler{compiler: c, params: a.params.members, used: make([]bool, len(a.params.members))}
	a.stages = hideDeleted(d.c, p.pipeline(pipeline, knownFields(d), topLevel))
	if len(c.problems) == before { // else a mistake may hide a use
		p.unused(params)
	}
	a.Others = slices.Compact(slices.Sorted(slices.Values(p.others)))
	a.source = appendLiteral(nil, pipeline, anyShape)
	return a
}

func (c *compiler) timeout(n *node) time.Duration {
	word, ok := c.word(n)
	if !ok {
		return 0
	}
	limit, err := time.ParseDuration(word)
	if err != nil || limit < time.Millisecond {
		c.problems.add(n, "must be a duration such as 2s or 500ms, not %q", shorten(word))
	}
	return limit
}

func (c *compiler) maxDocuments(n *node) int {
	if n.kind == scalarNode && !n.quoted {
		if i, err := strconv.Atoi(n.text); err == nil && i >= 1 && i <= mostDocuments {
			return i
		}
	}
	c.problems.add(n, "must be a whole number from 1 to %d%s", mostDocuments, got(n))
	return defaultMaxDocuments
}

// paramTypes are those whose values a URL can hold.
var paramTypes = typesOf(typeString, typeInt, typeDouble, typeDecimal, typeBool, typeDate, typeObjectID, typeUUID)

// params compiles the parameters as the fields of a document are, with the same
// types and rules.
func (c *compiler) params(d *declaration, n *node) []*rules {
	f := fieldCompiler{compiler: c, d: &declaration{root: d.root, c: &Collection{}}}
	members := f.members(n, false)
	for _, r := range members {
		at := n.get(r.name)
		typ := r.typ
		if typ == typeArray {
			typ = r.items.typ
		}
		if !wordPattern.MatchString(r.name) {
			c.problems.add(at, `the parameter name %q must be letters, digits and "_", and not begin with a digit`, shorten(r.name))
		}
		if !paramTypes.has(typ) {
			c.problems.add(at, "a parameter cannot be of type %s; it can be of %s, or an array of these", typ, list(paramTypes.names()))
		}
		for _, key := range []string{"unique", "nullable"} {
			if flag := at.get(key); flag != nil {
				c.problems.add(flag, "%q does not fit a parameter", key)
			}
		}
	}
	return members
}

// declared returns an aggregate in the form of a schema file.
func (a *Aggregate) declared() JSON {
	out := JSON{{"description", a.Description}}
	if len(a.params.members) > 0 {
		out.set("params", a.params.inner().Get("fields"))
	}
	out.set("pipeline", a.source)
	if a.Timeout > 0 {
		out.set("timeout", a.Timeout.String())
	}
	return append(out, Member{"max_documents", a.MaxDocuments})
}
