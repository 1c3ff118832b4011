package schema

import (
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// condition compiles the mapping of a $match, or of what a $match has within.
func (p *pipelineCompiler) condition(n *node, k knowledge) template {
	return p.members(n, func(e entry) template {
		switch name := e.key.text; name {
		case "$and", "$or", "$nor":
			return p.list(e.value, func(item *node) template { return p.condition(item, k) })
		case "$expr":
			return p.expression(e.value, k)
		case "$text":
			return p.plain(e.value, "$search", "$language", "$caseSensitive", "$diacriticSensitive")
		case "$sampleRate", "$comment":
			return p.plain(e.value)
		default:
			if strings.HasPrefix(name, "$") {
				p.unknown(e.key, "operator", name, conditionNames)
				return template{}
			}
			return p.comparison(e.value, p.shapeOf(e.key, k))
		}
	})
}

var conditionNames = []string{"$and", "$or", "$nor", "$expr", "$text", "$sampleRate", "$comment"}

// shapeOf returns the shape that literals for a path have: that of the items
// where the path leads to an array.
func (p *pipelineCompiler) shapeOf(at *node, k knowledge) *bsonjson.Shape {
	shape, err := k.resolve(at.text)
	if err != nil {
		p.problems.add(at, "%q %s", shorten(at.text), err)
	}
	return literalShape(shape)
}

// literalShape is the shape of what a value is compared with. Numbers of every
// type compare with each other.
func literalShape(shape *bsonjson.Shape) *bsonjson.Shape {
	for shape != nil && shape.Kind == bsonjson.Array {
		shape = shape.Items
	}
	if shape == nil || shape.Kind == bsonjson.Object || shape.Kind == bsonjson.Geo {
		return anyShape
	}
	return &bsonjson.Shape{Kind: shape.Kind, Nullable: true}
}

// comparison compiles what stands at a path: a value, or operators.
func (p *pipelineCompiler) comparison(n *node, shape *bsonjson.Shape) template {
	if !hasOperators(n) {
		return p.operand(n, shape)
	}
	return p.members(n, func(e entry) template { return p.operator(e, shape) })
}

// hasOperators reports whether a mapping holds operators and is no value.
func hasOperators(n *node) bool {
	if n.kind != mappingNode || len(n.entries) == 0 {
		return false
	}
	first := n.entries[0].key.text
	_, extended := extendedKinds[first]
	return strings.HasPrefix(first, "$") && first != paramName && !extended
}

// operand compiles a value that is compared.
func (p *pipelineCompiler) operand(n *node, shape *bsonjson.Shape) template {
	if isNumber(shape.Kind) && shape.Kind != bsonjson.Decimal && n.kind == scalarNode && !n.quoted {
		if _, ok := number(n.text); ok {
			shape = anyShape // 1.5 compares with ints as well
		}
	}
	if t, ok := p.value(n, shape, true); ok {
		return t
	}
	if n.kind == sequenceNode {
		return p.list(n, func(item *node) template { return p.operand(item, shape) })
	}
	return p.plain(n)
}

func (p *pipelineCompiler) operator(e entry, shape *bsonjson.Shape) template {
	switch name := e.key.text; name {
	case "$eq", "$ne", "$gt", "$gte", "$lt", "$lte":
		return p.operand(e.value, shape)
	case "$in", "$nin":
		return p.among(e.value, shape)
	case "$all":
		return p.list(e.value, func(item *node) template { return p.comparison(item, shape) })
	case "$not":
		return p.comparison(e.value, shape)
	case "$elemMatch":
		if hasOperators(e.value) && !slices.Contains(conditionNames, e.value.entries[0].key.text) {
			return p.comparison(e.value, shape)
		}
		return p.condition(e.value, knowledge{})
	case "$geoWithin", "$geoIntersects":
		return p.plain(e.value, geoNames...)
	case "$exists", "$type", "$size", "$mod", "$regex", "$options", "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear":
		if t, ok := p.value(e.value, anyShape, true); ok {
			return t
		}
		return p.plain(e.value)
	default:
		p.unknown(e.key, "operator", name, comparisonNames)
		return template{}
	}
}

var comparisonNames = []string{
	"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$all", "$not", "$elemMatch", "$geoWithin", "$geoIntersects",
	"$exists", "$type", "$size", "$mod", "$regex", "$options", "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear",
}

var geoNames = []string{"$geometry", "$box", "$polygon", "$center", "$centerSphere"}

// among compiles the values of $in: a list, or a parameter that is an array.
func (p *pipelineCompiler) among(n *node, shape *bsonjson.Shape) template {
	if n.kind == sequenceNode {
		return p.list(n, func(item *node) template { return p.operand(item, shape) })
	}
	t, ok := p.value(n, shape, true)
	if !ok || t.kind != paramTemplate || p.params[t.param].typ != typeArray {
		p.problems.add(n, "must be a list, or a parameter that is an array")
	}
	return t
}
