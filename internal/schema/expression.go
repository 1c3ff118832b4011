package schema

import (
	"slices"
	"strings"
)

// expression compiles what MongoDB computes.
func (p *pipelineCompiler) expression(n *node, k knowledge) template {
	switch n.kind {
	case sequenceNode:
		return p.list(n, func(item *node) template { return p.expression(item, k) })
	case scalarNode:
		if strings.HasPrefix(n.text, "$") {
			p.reference(n, k)
			return fixed(n.text)
		}
	}
	if t, ok := p.value(n, anyShape, false); ok {
		if t.kind == paramTemplate {
			t.kind = literalTemplate
		}
		return t
	}
	if len(n.entries) > 0 && strings.HasPrefix(n.entries[0].key.text, "$") {
		return p.call(n, k)
	}
	return p.members(n, func(e entry) template {
		if strings.HasPrefix(e.key.text, "$") {
			p.problems.add(e.key, "%q stands beside other names; an operator is alone in its mapping", shorten(e.key.text))
		}
		return p.expression(e.value, k)
	})
}

// systemVariables are those that MongoDB has.
var systemVariables = []string{"ROOT", "CURRENT", "NOW", "REMOVE", "CLUSTER_TIME", "DESCEND", "PRUNE", "KEEP"}

// reference checks $path and $$variable.
func (p *pipelineCompiler) reference(n *node, k knowledge) {
	path := n.text[1:]
	variable, isVariable := strings.CutPrefix(path, "$")
	if !isVariable {
		p.checkPath(n, path, k)
		return
	}
	name, _, _ := strings.Cut(variable, ".")
	if known := append(slices.Clone(systemVariables), p.vars...); !slices.Contains(known, name) {
		p.unknown(n, "variable", name, known)
	}
}

// call compiles an operator with its arguments.
func (p *pipelineCompiler) call(n *node, k knowledge) template {
	e := n.entries[0]
	name := e.key.text
	if len(n.entries) > 1 {
		p.problems.add(n.entries[1].key, "%q stands beside %s; an operator is alone in its mapping", shorten(n.entries[1].key.text), name)
	}
	if !slices.Contains(expressionNames, name) {
		p.unknown(e.key, "operator", name, expressionNames)
		return template{}
	}
	if name == "$literal" {
		return object(p.plain(e.value).named(name))
	}
	defer func(outer []string) { p.vars = outer }(p.vars)
	p.vars = append(slices.Clone(p.vars), bound(name, e.value)...)
	return object(p.expression(e.value, k).named(name))
}

// bound returns the variables that an operator binds for its arguments.
func bound(operator string, n *node) []string {
	word := func(key, initial string) []string {
		if at := n.get(key); at != nil {
			return []string{at.text}
		}
		return []string{initial}
	}
	switch operator {
	case "$map", "$filter":
		return word("as", "this")
	case "$reduce":
		return []string{"this", "value"}
	case "$let":
		return variables(n.get("vars"))
	}
	return nil
}

func variables(n *node) []string {
	if n == nil {
		return nil
	}
	names := make([]string, len(n.entries))
	for i, e := range n.entries {
		names[i] = e.key.text
	}
	return names
}

// accumulator compiles {$operator: argument} where documents are gathered.
func (p *pipelineCompiler) accumulator(n *node, k knowledge, among []string) template {
	if n.kind != mappingNode || len(n.entries) == 0 {
		p.problems.add(n, "must be an accumulator, such as {$sum: 1}%s", got(n))
		return template{}
	}
	return p.members(n, func(e entry) template {
		switch name := e.key.text; {
		case name == "window" && len(n.entries) == 2:
			return p.options(e.value, "a window", option{"documents", p.bare}, option{"range", p.bare}, option{"unit", p.text})
		case !slices.Contains(among, name):
			p.unknown(e.key, "accumulator", name, among)
			return template{}
		case e.key != n.entries[0].key:
			p.problems.add(e.key, "%q stands beside %s; an accumulator is alone in its mapping", name, n.entries[0].key.text)
		}
		return p.expression(e.value, k)
	})
}

// bare compiles a plain value with no names of operators.
func (p *pipelineCompiler) bare(n *node) template { return p.plain(n) }
