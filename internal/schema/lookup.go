package schema

// The stages that read other documents than those that come in.

// other compiles the name of a collection, which must be declared, and notes
// what is known of its documents.
func (p *pipelineCompiler) other(k *knowledge) func(*node) template {
	return func(n *node) template {
		target := p.compiler.target(n)
		if target == nil {
			*k = knowledge{}
			return template{}
		}
		*k = knownFields(target)
		p.others = append(p.others, target.c.Name)
		return fixed(target.c.Name)
	}
}

// from reads the name of the other collection first: the keys of a stage come in
// any order.
func (p *pipelineCompiler) from(n *node, key string) (other knowledge, from option) {
	var t template
	if n.kind == mappingNode {
		if at := n.get(key); at != nil {
			t = p.other(&other)(at)
		}
	}
	return other, option{key, func(*node) template { return t }}
}

// lookup is $lookup in both of its forms.
func (p *pipelineCompiler) lookup(n *node, k knowledge) (template, knowledge) {
	p.needs(n, "$lookup", "from", "as")
	other, from := p.from(n, "from")
	outer := p.vars
	defer func() { p.vars = outer }()
	p.vars = append(outer[:len(outer):len(outer)], variables(n.get("let"))...)
	t := p.options(n, "$lookup", from,
		option{"localField", func(n *node) template { return p.path(n, k) }},
		option{"foreignField", func(n *node) template { return p.path(n, other) }},
		option{"let", func(n *node) template {
			return p.members(n, func(e entry) template { return p.expression(e.value, k) })
		}},
		option{"pipeline", func(n *node) template {
			return template{kind: arrayTemplate, inner: p.pipeline(n, other, inLookup)}
		}},
		option{"as", p.asName})
	t.begin(other.of)
	return t, k.with(textOf(n, "as"))
}

func (p *pipelineCompiler) asName(n *node) template {
	if _, ok := p.word(n); ok {
		p.target(n)
	}
	return fixed(n.text)
}

func textOf(n *node, key string) string {
	if at := n.get(key); at != nil {
		return at.text
	}
	return ""
}

func (p *pipelineCompiler) graphLookup(n *node, k knowledge) (template, knowledge) {
	p.needs(n, "$graphLookup", "from", "startWith", "connectFromField", "connectToField", "as")
	other, from := p.from(n, "from")
	otherPath := func(n *node) template { return p.path(n, other) }
	t := p.options(n, "$graphLookup", from,
		option{"startWith", p.expr(k)},
		option{"connectFromField", otherPath}, option{"connectToField", otherPath},
		option{"as", p.asName}, option{"depthField", p.asName},
		option{"maxDepth", func(n *node) template { return p.count(n, 0) }},
		option{"restrictSearchWithMatch", func(n *node) template { return p.condition(n, other) }})
	if other.of != nil && other.of.SoftDelete != nil {
		t.limit("restrictSearchWithMatch")
	}
	return t, k.with(textOf(n, "as"))
}

func (p *pipelineCompiler) unionWith(n *node, _ knowledge) template {
	var other knowledge
	if n.kind == scalarNode {
		t := object(p.other(&other)(n).named("coll"))
		t.begin(other.of)
		return t
	}
	p.needs(n, "$unionWith", "coll")
	other, from := p.from(n, "coll")
	t := p.options(n, "$unionWith", from, option{"pipeline", func(n *node) template {
		return template{kind: arrayTemplate, inner: p.pipeline(n, other, inLookup)}
	}})
	t.begin(other.of)
	return t
}

func (p *pipelineCompiler) geoNear(n *node, k knowledge) (template, knowledge) {
	p.needs(n, "$geoNear", "near", "distanceField")
	t := p.options(n, "$geoNear",
		option{"near", p.bare}, option{"distanceField", p.asName}, option{"spherical", func(n *node) template { return fixed(p.flag(n)) }},
		option{"maxDistance", p.bare}, option{"minDistance", p.bare}, option{"distanceMultiplier", p.bare}, option{"includeLocs", p.asName},
		option{"key", func(n *node) template { return p.path(n, k) }},
		option{"query", func(n *node) template { return p.condition(n, k) }})
	return t, k.with(textOf(n, "distanceField")).with(textOf(n, "includeLocs"))
}
