package schema

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// pipelineCompiler compiles the pipeline of one aggregate: it admits the stages
// and operators that only read and compute, and makes templates of them.
type pipelineCompiler struct {
	*compiler
	params []*rules
	// used are the parameters that the pipeline has.
	used []bool
	// others are the collections that its stages name.
	others []string
	// vars are the variables that an expression can name at this place.
	vars []string
}

// knowledge is what is known of the documents at a place of a pipeline.
type knowledge struct {
	// fields resolves the paths of the collection's fields; nil where the
	// documents have another form by now.
	fields filter.Resolver
	// added are the names at the top that stages have added, whose types nobody
	// knows.
	added map[string]bool
	// of is the collection whose documents come in, nil where that is no more so.
	of *Collection
}

func knownFields(d *declaration) knowledge {
	return knowledge{fields: filter.Fields(d.c.Fields), of: d.c}
}

// with returns what is known after a stage has set the field at a path.
func (k knowledge) with(path string) knowledge {
	name, _, _ := strings.Cut(path, ".")
	added := maps.Clone(k.added)
	if added == nil {
		added = map[string]bool{}
	}
	added[name] = true
	return knowledge{fields: k.fields, added: added}
}

// resolve returns the shape of the values at a stored path, nil where it is not
// known. The error is a phrase that follows the path.
func (k knowledge) resolve(path string) (*bsonjson.Shape, error) {
	name, rest, dotted := strings.Cut(path, ".")
	if k.fields == nil || k.added[name] {
		return nil, nil
	}
	if name == "_id" && !dotted {
		path = "id"
	} else if name == "_id" {
		path = "id." + rest
	} else if name == "id" {
		return nil, errStoredID
	}
	target, err := k.fields(path)
	return target.Shape, err
}

type phrase string

func (p phrase) Error() string { return string(p) }

const errStoredID = phrase(`is stored as "_id"; write that in a pipeline`)

// level says where a pipeline stands.
type level uint8

const (
	topLevel level = iota
	inLookup
	inFacet
)

// maxStages bounds a pipeline.
const maxStages = 100

// pipeline compiles a list of stages.
func (p *pipelineCompiler) pipeline(n *node, k knowledge, at level) []template {
	switch {
	case n.kind != sequenceNode:
		p.problems.add(n, "must be a list of stages, such as [{$count: total}]%s", got(n))
	case len(n.items) == 0 && at == topLevel, len(n.items) > maxStages:
		p.problems.add(n, "has %d stages; a pipeline has 1 to %d", len(n.items), maxStages)
		return nil
	}
	var stages []template
	for i, item := range n.items {
		if item.kind != mappingNode || len(item.entries) != 1 {
			p.problems.add(item, "a stage must be a mapping with one key, such as {$match: {status: active}}")
			continue
		}
		var value template
		value, k = p.stage(item.entries[0], k, position{at, i})
		value.name = item.entries[0].key.text
		stages = append(stages, template{kind: objectTemplate, inner: []template{value}})
	}
	return stages
}

// position is where a stage stands.
type position struct {
	level level
	index int
}

func (p *pipelineCompiler) stage(e entry, k knowledge, at position) (template, knowledge) {
	name := e.key.text
	compile, ok := stages[name]
	if !ok {
		p.unknown(e.key, "stage", name, slices.Sorted(maps.Keys(stages)))
		return template{}, knowledge{}
	}
	if at.level == inFacet && (name == "$facet" || name == "$geoNear") {
		p.problems.add(e.key, "%s does not fit into $facet", name)
	}
	if name == "$geoNear" && at.index > 0 {
		p.problems.add(e.key, "$geoNear must be the first stage")
	}
	return compile(p, e.value, k)
}

// unknown notes a name that is not in a list, and why, where it is refused.
func (p *pipelineCompiler) unknown(at *node, what, name string, among []string) {
	if reason, ok := refusedNames[name]; ok {
		p.problems.add(at, "%s is refused: %s", name, reason)
		return
	}
	p.problems.add(at, "unknown %s %q%s", what, shorten(name), nearest.Hint(name, among))
}

// fixed is a template of a value that is always the same.
func fixed(value any) template {
	kind, data, err := bson.MarshalValue(value)
	if err != nil { // the values are of the compiler's own
		panic("schema: a value of a pipeline does not encode: " + err.Error())
	}
	return template{value: bson.RawValue{Type: kind, Value: data}}
}

func object(members ...template) template { return template{kind: objectTemplate, inner: members} }

func (t template) named(name string) template {
	t.name = name
	return t
}

// list compiles the items of a list.
func (p *pipelineCompiler) list(n *node, item func(*node) template) template {
	t := template{kind: arrayTemplate}
	if n.kind != sequenceNode {
		p.problems.add(n, "must be a list, not %s", n.kind)
		return t
	}
	for _, each := range n.items {
		t.inner = append(t.inner, item(each))
	}
	return t
}

// members compiles the members of a mapping, each by its name.
func (p *pipelineCompiler) members(n *node, member func(entry) template) template {
	if n.kind != mappingNode {
		p.problems.add(n, "must be a mapping, not %s", n.kind)
		return object()
	}
	t := object()
	for _, e := range n.entries {
		if strings.Contains(e.key.text, "\x00") {
			p.problems.add(e.key, "a name holds a NUL character")
			continue
		}
		t.inner = append(t.inner, member(e).named(e.key.text))
	}
	return t
}

// option is one key of a stage, and what compiles its value.
type option struct {
	name    string
	compile func(*node) template
}

// options compiles the keys of a stage.
func (p *pipelineCompiler) options(n *node, what string, known ...option) template {
	names := make([]string, len(known))
	for i, o := range known {
		names[i] = o.name
	}
	return p.members(n, func(e entry) template {
		if i := slices.Index(names, e.key.text); i >= 0 {
			return known[i].compile(e.value)
		}
		p.problems.add(e.key, "unknown key %q of %s%s; there are %s", shorten(e.key.text), what, nearest.Hint(e.key.text, names), list(names))
		return template{}
	})
}

// needs notes keys that a stage lacks.
func (p *pipelineCompiler) needs(n *node, what string, names ...string) {
	for _, name := range names {
		if n.kind == mappingNode && n.get(name) == nil {
			p.problems.add(n, "%q of %s is missing", name, what)
		}
	}
}

// path compiles the path of a field, written without $.
func (p *pipelineCompiler) path(n *node, k knowledge) template {
	path, ok := p.word(n)
	if ok {
		p.checkPath(n, path, k)
	}
	return fixed(path)
}

func (p *pipelineCompiler) checkPath(n *node, path string, k knowledge) {
	switch {
	case path == "" || strings.HasPrefix(path, "$") || strings.Contains(path, "\x00"):
		p.problems.add(n, "must be the path of a field, such as address.city%s", got(n))
	default:
		if _, err := k.resolve(path); err != nil {
			p.problems.add(n, "%q %s", shorten(path), err)
		}
	}
}

// text compiles a single value that is text whatever its form.
func (p *pipelineCompiler) text(n *node) template {
	word, _ := p.word(n)
	return fixed(word)
}

// plain compiles a value that is neither condition nor expression. Of the names
// with $ it may have those given.
func (p *pipelineCompiler) plain(n *node, dollar ...string) template {
	switch n.kind {
	case mappingNode:
		if t, ok := p.value(n, anyShape, false); ok {
			return t
		}
		return p.members(n, func(e entry) template {
			if strings.HasPrefix(e.key.text, "$") && !slices.Contains(dollar, e.key.text) {
				p.unknown(e.key, "name", e.key.text, dollar)
			}
			return p.plain(e.value, dollar...)
		})
	case sequenceNode:
		return p.list(n, func(item *node) template { return p.plain(item, dollar...) })
	}
	t, _ := p.value(n, anyShape, false)
	return t
}

// The names of the mappings that stand for one value.
const paramName = "$param"

var extendedKinds = map[string]bsonjson.Kind{
	"$date": bsonjson.Date, "$oid": bsonjson.ObjectID, "$uuid": bsonjson.UUID, "$numberDecimal": bsonjson.Decimal,
	"$numberLong": bsonjson.Int, "$numberDouble": bsonjson.Double,
}

// value compiles a single value: text, a number, a boolean, null, one of
// Extended JSON, or a parameter. ok is false for what is none of these. An
// argument may be missing only where that leaves a condition out.
func (p *pipelineCompiler) value(n *node, shape *bsonjson.Shape, mayMiss bool) (t template, ok bool) {
	if n.kind == mappingNode && len(n.entries) == 1 {
		e := n.entries[0]
		if e.key.text == paramName {
			return p.param(e.value, shape, mayMiss), true
		}
		if kind, ok := extendedKinds[e.key.text]; ok {
			return p.extended(e.value, kind), true
		}
	}
	switch n.kind {
	case nullNode:
		return template{value: bson.RawValue{Type: bson.TypeNull}}, true
	case scalarNode:
		value, _ := p.literal(n, shape)
		return template{value: value}, true
	}
	return template{}, false
}

func (p *pipelineCompiler) extended(n *node, kind bsonjson.Kind) template {
	word, ok := p.word(n)
	if !ok {
		return template{}
	}
	value, err := bsonjson.ParseText(word, &bsonjson.Shape{Kind: kind})
	if err != nil {
		p.problems.add(n, "%s", err)
	}
	return template{value: value}
}

// param compiles {$param: name}.
func (p *pipelineCompiler) param(n *node, shape *bsonjson.Shape, mayMiss bool) template {
	name, ok := p.word(n)
	if !ok {
		return template{}
	}
	i := slices.IndexFunc(p.params, func(r *rules) bool { return r.name == name })
	if i < 0 {
		p.unknown(n, "parameter", name, p.paramNames())
		return template{}
	}
	p.used[i] = true
	r := p.params[i]
	if !mayMiss && !r.required && r.initial == nil {
		p.problems.add(n, "the parameter %q can be missing here; declare it required, or give it a default (only a condition of $match is left out without it)", name)
	}
	if !compatible(r, shape) {
		p.problems.add(n, "the parameter %q is of type %s, and the field of type %s", name, r.typ, shape.Kind)
	}
	return template{kind: paramTemplate, param: i}
}

func (p *pipelineCompiler) paramNames() []string {
	names := make([]string, len(p.params))
	for i, r := range p.params {
		names[i] = r.name
	}
	return names
}

// compatible reports whether an argument can be compared with values of a shape.
func compatible(r *rules, shape *bsonjson.Shape) bool {
	given := r.shape
	if given.Kind == bsonjson.Array {
		given = given.Items
	}
	return shape.Kind == bsonjson.Any || given.Kind == shape.Kind || isNumber(given.Kind) && isNumber(shape.Kind)
}

func isNumber(kind bsonjson.Kind) bool {
	return kind == bsonjson.Int || kind == bsonjson.Double || kind == bsonjson.Decimal
}

// unused notes the parameters that nothing in the pipeline names.
func (p *pipelineCompiler) unused(params *node) {
	for i, r := range p.params {
		if !p.used[i] {
			p.problems.add(params.get(r.name), "the parameter %q is not used; write {$param: %s} where its value belongs", r.name, r.name)
		}
	}
}
