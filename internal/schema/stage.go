package schema

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// stageCompiler compiles the value of a stage, and returns what is known of the
// documents after it.
type stageCompiler func(*pipelineCompiler, *node, knowledge) (template, knowledge)

// stages are those that a pipeline may have.
var stages map[string]stageCompiler

func init() { // the compilers lead back to the table
	stages = map[string]stageCompiler{
		"$match":           keeps((*pipelineCompiler).condition),
		"$sort":            keeps((*pipelineCompiler).order),
		"$limit":           keeps(counting(1)),
		"$skip":            keeps(counting(0)),
		"$sample":          keeps((*pipelineCompiler).sample),
		"$unwind":          (*pipelineCompiler).unwind,
		"$addFields":       (*pipelineCompiler).addFields,
		"$set":             (*pipelineCompiler).addFields,
		"$unset":           changes((*pipelineCompiler).unset),
		"$project":         changes((*pipelineCompiler).project),
		"$group":           changes((*pipelineCompiler).group),
		"$bucket":          changes((*pipelineCompiler).bucket),
		"$bucketAuto":      changes((*pipelineCompiler).bucketAuto),
		"$count":           changes(func(p *pipelineCompiler, n *node, _ knowledge) template { return p.path(n, knowledge{}) }),
		"$sortByCount":     changes((*pipelineCompiler).expression),
		"$replaceWith":     changes((*pipelineCompiler).expression),
		"$replaceRoot":     changes((*pipelineCompiler).replaceRoot),
		"$facet":           changes((*pipelineCompiler).facet),
		"$unionWith":       changes((*pipelineCompiler).unionWith),
		"$lookup":          (*pipelineCompiler).lookup,
		"$graphLookup":     (*pipelineCompiler).graphLookup,
		"$geoNear":         (*pipelineCompiler).geoNear,
		"$setWindowFields": (*pipelineCompiler).windows,
		"$densify":         changes((*pipelineCompiler).densify),
		"$fill":            changes((*pipelineCompiler).fill),
	}
}

// keeps is for stages after which the documents have the form that they had.
func keeps(compile func(*pipelineCompiler, *node, knowledge) template) stageCompiler {
	return func(p *pipelineCompiler, n *node, k knowledge) (template, knowledge) { return compile(p, n, k), k }
}

// changes is for stages after which nothing is known of the documents.
func changes(compile func(*pipelineCompiler, *node, knowledge) template) stageCompiler {
	return func(p *pipelineCompiler, n *node, k knowledge) (template, knowledge) {
		return compile(p, n, k), knowledge{}
	}
}

// order compiles the keys of a sort.
func (p *pipelineCompiler) order(n *node, k knowledge) template {
	if n.kind == mappingNode && len(n.entries) == 0 {
		p.problems.add(n, "must have at least one key, such as {createdAt: -1}")
	}
	return p.members(n, func(e entry) template {
		p.checkPath(e.key, e.key.text, k)
		if e.value.kind == scalarNode && (e.value.text == "1" || e.value.text == "-1") {
			return p.plain(e.value)
		}
		if e.value.kind == mappingNode && len(e.value.entries) == 1 && e.value.entries[0].key.text == "$meta" {
			return p.plain(e.value, "$meta")
		}
		p.problems.add(e.value, "must be 1, -1 or {$meta: textScore}%s", got(e.value))
		return template{}
	})
}

// counting compiles a number of documents, which is not less than least: an
// argument must be held to that by the rules of its parameter.
func counting(least int64) func(*pipelineCompiler, *node, knowledge) template {
	return func(p *pipelineCompiler, n *node, _ knowledge) template { return p.count(n, least) }
}

func (p *pipelineCompiler) count(n *node, least int64) template {
	t, ok := p.value(n, anyShape, false)
	switch {
	case ok && t.kind == paramTemplate:
		r := p.params[t.param]
		if r.typ != typeInt || r.min.IsZero() || r.min.Int64() < least {
			p.problems.add(n, "the parameter %q counts documents; declare it as {type: int, min: %d}", r.name, least)
		}
	case !ok || t.value.Type != bson.TypeInt64 || t.value.Int64() < least:
		p.problems.add(n, "must be a whole number from %d%s", least, got(n))
	}
	return t
}

func (p *pipelineCompiler) sample(n *node, _ knowledge) template {
	p.needs(n, "$sample", "size")
	return p.options(n, "$sample", option{"size", func(n *node) template { return p.count(n, 1) }})
}

func (p *pipelineCompiler) unwind(n *node, k knowledge) (template, knowledge) {
	dollarPath := func(n *node) template {
		path, ok := p.word(n)
		if rest, dollar := strings.CutPrefix(path, "$"); dollar && ok {
			p.checkPath(n, rest, k)
		} else if ok {
			p.problems.add(n, "must be a path with $, such as $tags%s", got(n))
		}
		return fixed(path)
	}
	if n.kind == scalarNode {
		return dollarPath(n), k
	}
	p.needs(n, "$unwind", "path")
	after := k
	t := p.options(n, "$unwind",
		option{"path", dollarPath},
		option{"includeArrayIndex", func(n *node) template {
			after = k.with(n.text)
			return p.text(n)
		}},
		option{"preserveNullAndEmptyArrays", func(n *node) template { return fixed(p.flag(n)) }})
	return t, after
}

func (p *pipelineCompiler) addFields(n *node, k knowledge) (template, knowledge) {
	p.identity(n)
	after := k
	t := p.members(n, func(e entry) template {
		p.target(e.key)
		after = after.with(e.key.text)
		return p.expression(e.value, k)
	})
	return t, after
}

// target checks the name of a field that a stage sets.
func (p *pipelineCompiler) target(key *node) {
	if key.text == "" || strings.HasPrefix(key.text, "$") {
		p.problems.add(key, "%q cannot be the name of a field", shorten(key.text))
	}
}

// identity notes a stage that makes a field called id beside _id: the answer calls
// _id that.
func (p *pipelineCompiler) identity(n *node) {
	if n.kind != mappingNode || n.get("id") == nil {
		return
	}
	if at := n.get("_id"); at != nil && (at.text == "0" || at.text == "false") {
		return
	}
	for _, e := range n.entries {
		if e.key.text == "id" {
			p.problems.add(e.key, `the answer calls _id "id", so nothing beside it can have that name; set _id, or take it out with {$project: {_id: 0, …}}`)
		}
	}
}

func (p *pipelineCompiler) unset(n *node, k knowledge) template {
	if n.kind == scalarNode {
		return p.path(n, k)
	}
	return p.list(n, func(item *node) template { return p.path(item, k) })
}

func (p *pipelineCompiler) project(n *node, k knowledge) template {
	p.identity(n)
	return p.members(n, func(e entry) template {
		p.target(e.key)
		if e.value.kind == scalarNode && !e.value.quoted {
			if word, ok := truth(e.value.text); ok {
				return fixed(word == "true")
			}
		}
		return p.expression(e.value, k)
	})
}

func (p *pipelineCompiler) group(n *node, k knowledge) template {
	p.needs(n, "$group", "_id")
	p.identity(n)
	return p.members(n, func(e entry) template {
		p.target(e.key)
		if e.key.text == "_id" {
			return p.expression(e.value, k)
		}
		return p.accumulator(e.value, k, accumulatorNames)
	})
}

// output compiles the fields that a stage computes over the documents of a group.
func (p *pipelineCompiler) output(k knowledge, among []string) func(*node) template {
	return func(n *node) template {
		return p.members(n, func(e entry) template {
			p.target(e.key)
			return p.accumulator(e.value, k, among)
		})
	}
}

func (p *pipelineCompiler) expr(k knowledge) func(*node) template {
	return func(n *node) template { return p.expression(n, k) }
}

func (p *pipelineCompiler) bucket(n *node, k knowledge) template {
	p.needs(n, "$bucket", "groupBy", "boundaries")
	return p.options(n, "$bucket", option{"groupBy", p.expr(k)}, option{"boundaries", p.expr(k)},
		option{"default", p.expr(k)}, option{"output", p.output(k, accumulatorNames)})
}

func (p *pipelineCompiler) bucketAuto(n *node, k knowledge) template {
	p.needs(n, "$bucketAuto", "groupBy", "buckets")
	return p.options(n, "$bucketAuto", option{"groupBy", p.expr(k)}, option{"buckets", func(n *node) template { return p.count(n, 1) }},
		option{"output", p.output(k, accumulatorNames)}, option{"granularity", p.text})
}

func (p *pipelineCompiler) replaceRoot(n *node, k knowledge) template {
	p.needs(n, "$replaceRoot", "newRoot")
	return p.options(n, "$replaceRoot", option{"newRoot", p.expr(k)})
}

func (p *pipelineCompiler) facet(n *node, k knowledge) template {
	return p.members(n, func(e entry) template {
		p.target(e.key)
		return template{kind: arrayTemplate, inner: p.pipeline(e.value, k, inFacet)}
	})
}

func (p *pipelineCompiler) windows(n *node, k knowledge) (template, knowledge) {
	p.needs(n, "$setWindowFields", "output")
	t := p.options(n, "$setWindowFields", option{"partitionBy", p.expr(k)},
		option{"sortBy", func(n *node) template { return p.order(n, k) }}, option{"output", p.output(k, windowNames)})
	for _, name := range variables(n.get("output")) {
		k = k.with(name)
	}
	return t, k
}

func (p *pipelineCompiler) paths(k knowledge) func(*node) template {
	return func(n *node) template { return p.list(n, func(item *node) template { return p.path(item, k) }) }
}

func (p *pipelineCompiler) densify(n *node, k knowledge) template {
	p.needs(n, "$densify", "field", "range")
	return p.options(n, "$densify", option{"field", func(n *node) template { return p.path(n, k) }}, option{"partitionByFields", p.paths(k)},
		option{"range", func(n *node) template {
			return p.options(n, "the range of $densify", option{"step", p.bare}, option{"unit", p.text}, option{"bounds", p.bare})
		}})
}

func (p *pipelineCompiler) fill(n *node, k knowledge) template {
	p.needs(n, "$fill", "output")
	return p.options(n, "$fill", option{"partitionBy", p.expr(k)}, option{"partitionByFields", p.paths(k)},
		option{"sortBy", func(n *node) template { return p.order(n, k) }},
		option{"output", func(n *node) template {
			return p.members(n, func(e entry) template {
				p.target(e.key)
				return p.options(e.value, "an output of $fill", option{"value", p.expr(k)}, option{"method", p.text})
			})
		}})
}
