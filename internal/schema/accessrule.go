package schema

import (
	"encoding/json"
	"slices"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

const accessForm = "must be a mapping of actions to rules, such as {read: [{where: {ownerId: $auth.sub}}], delete: [{role: admin}]}"

// access compiles the rules of a collection.
func (c *compiler) access(d *declaration) {
	if d.access == nil {
		return
	}
	if d.access.kind != mappingNode {
		c.problems.add(d.access, "%s, not %s", accessForm, d.access.kind)
		return
	}
	access := &Access{}
	readers := make([]keyReader, len(actionNames))
	for a, name := range actionNames {
		readers[a] = keyReader{name, func(at *node) { access.rules[a] = c.accessRules(d, Action(a), at) }}
	}
	c.keys(d.access, "access", readers)
	d.c.Access = access
}

// accessRules compiles the rules of one action.
func (c *compiler) accessRules(d *declaration, a Action, at *node) []*Rule {
	if at.kind != sequenceNode {
		c.problems.add(at, "must be a list of rules, such as [{role: admin}]; [] lets nobody %s%s", a, got(at))
		return nil
	}
	var rules []*Rule
	for _, n := range at.items {
		if r := c.accessRule(d, a, n); r != nil {
			rules = append(rules, r)
			c.vocabulary.add(r)
		}
	}
	return rules
}

func (c *compiler) accessRule(d *declaration, a Action, n *node) *Rule {
	if n.kind != mappingNode {
		c.problems.add(n, "must be a rule such as {role: admin}, {where: {ownerId: $auth.sub}}, or {} for every caller%s", got(n))
		return nil
	}
	r := &Rule{}
	c.keys(n, "a rule", []keyReader{
		{"role", func(at *node) { r.Roles = c.roles(at) }},
		{"where", func(at *node) { r.Where = c.ruleWhere(d, at) }},
		{"set", func(at *node) { r.Set = c.assignments(d, a, at) }},
		{"fields", func(at *node) { r.Fields = c.fieldList(d, a, at) }},
	})
	if r.Where != nil {
		r.needs = r.Where.Parameters()
	}
	for _, s := range r.Set {
		if s.Parameter != "" && !slices.Contains(r.needs, s.Parameter) {
			r.needs = append(r.needs, s.Parameter)
		}
	}
	r.source = ruleSource(n)
	return r
}

// roles reads one role, or a list of which the caller has one.
func (c *compiler) roles(n *node) []string {
	if n.kind != sequenceNode {
		if word, ok := c.word(n); ok && word != "" {
			return []string{word}
		}
		return nil
	}
	if len(n.items) == 0 {
		c.problems.add(n, "must name at least one role; leave it out for every caller")
	}
	var roles []string
	for _, item := range n.items {
		if word, ok := c.word(item); ok && word != "" {
			roles = append(roles, word)
		}
	}
	return roles
}

// ruleWhere compiles what documents fulfil. It must be one that the service can
// decide itself, since it does so of documents that are not stored yet.
func (c *compiler) ruleWhere(d *declaration, n *node) *filter.Bound {
	var faults fault.List
	tree := filter.ParseRule(appendLiteral(nil, n, anyShape), "", &faults)
	if tree != nil && tree.Empty() {
		c.problems.add(n, "must hold at least one condition, such as {ownerId: $auth.sub}; leave it out for every document")
	}
	var bound *filter.Bound
	if tree != nil {
		bound = tree.Bind(filter.Fields(d.c.Fields), &faults)
	}
	c.placed(n, faults)
	if bound == nil {
		return nil
	}
	bound.Walk(func(condition *filter.Node) {
		switch condition.Op {
		case filter.Text, filter.Near, filter.GeoWithin, filter.Some, filter.Every, filter.None, filter.Is, filter.IsNot:
			c.problems.add(n.at(condition.Pointer), "%s does not stand in a rule", condition.Op)
		}
	})
	return bound
}

// assignments reads the fields that get a value.
func (c *compiler) assignments(d *declaration, a Action, n *node) []Assignment {
	switch {
	case a != Creating && a != Updating:
		c.problems.add(n, `"set" fits the rules of create and update, not of %s`, a)
		return nil
	case n.kind != mappingNode:
		c.problems.add(n, "must be a mapping of fields to values, such as {ownerId: $auth.sub}%s", got(n))
		return nil
	}
	var list []Assignment
	for _, e := range n.entries {
		if i, ok := c.ownField(d, e.key, e.key.text); ok {
			if s, ok := c.assignment(d.c.rules.members[i], e.value); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

func (c *compiler) assignment(member *rules, n *node) (Assignment, bool) {
	s := Assignment{Name: member.name, Shape: member.shape}
	if n.kind == scalarNode {
		if name, ok := filter.ParameterName(n.text); ok {
			s.Parameter = name
			return s, c.takesParameter(member, n)
		}
	}
	value, ok := c.literal(n, member.shape)
	if ok {
		c.keepsRules(n, value, member)
	}
	s.Value = value
	return s, ok
}

// takesParameter notes a field whose type no claim has.
func (c *compiler) takesParameter(member *rules, n *node) bool {
	fits := member.shape.Kind != bsonjson.Object && member.shape.Kind != bsonjson.Geo
	if !fits {
		c.problems.add(n, "the field %q is of type %s, which nothing that is known of a caller has", member.name, member.typ)
	}
	return fits
}

// ownField finds a field that a file declares at the top. The error is noted.
func (c *compiler) ownField(d *declaration, at *node, name string) (int, bool) {
	fields := d.c.Fields
	i, ok := fields.Lookup([]byte(name))
	if ok && fields.All()[i].System != bsonjson.NotSystem {
		c.problems.add(at, "%q is kept by the service: every caller sees it, and none writes it", name)
		return 0, false
	}
	if !ok {
		var own []string
		for _, f := range fields.All() {
			if f.System == bsonjson.NotSystem {
				own = append(own, f.Name)
			}
		}
		c.problems.add(at, "%q is not a field at the top of the schema%s", shorten(name), nearest.Hint(name, own))
	}
	return i, ok
}

// fieldList reads {only: […]} or {except: […]}.
func (c *compiler) fieldList(d *declaration, a Action, n *node) *FieldList {
	if a == Deleting {
		c.problems.add(n, `"fields" does not fit the rules of delete: a document is deleted whole`)
		return nil
	}
	if n.kind != mappingNode || len(n.entries) != 1 {
		c.problems.add(n, "must be {only: [title]} or {except: [status]}%s", got(n))
		return nil
	}
	l := &FieldList{kept: d.c.SoftDelete != nil}
	read := func(at *node) { l.names = c.fieldNames(d, at) }
	c.keys(n, "fields", []keyReader{{"only", read}, {"except", func(at *node) { l.except = true; read(at) }}})
	if d.c.ShardKey != nil && a == Reading {
		for _, name := range d.c.ShardKey.Names() {
			if !l.Has(name) {
				c.problems.add(n, "hides %q, which is part of the shard key: who asks for a document by its key would learn it", name)
			}
		}
	}
	return l
}

func (c *compiler) fieldNames(d *declaration, n *node) (names []string) {
	if n.kind != sequenceNode {
		c.problems.add(n, "must be a list of fields, such as [title, status]%s", got(n))
		return nil
	}
	for _, item := range n.items {
		if name, ok := c.word(item); ok {
			if _, ok := c.ownField(d, item, name); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// callers notes rules that name more than a mask holds.
func (c *compiler) callers(model *Model) {
	model.vocabulary = c.vocabulary
	for _, d := range c.declared {
		model.ruled = model.ruled || d.c.Access != nil
		if d.access != nil && len(c.vocabulary.roles)+len(c.vocabulary.claims) > maxVocabulary {
			c.problems.add(d.access, "the rules of all files name %d roles and $auth values, and there may be %d",
				len(c.vocabulary.roles)+len(c.vocabulary.claims), maxVocabulary)
		}
	}
}

// ruleSource is a rule as it was declared.
func ruleSource(n *node) JSON {
	var source JSON
	for _, e := range n.entries {
		source.set(e.key.text, json.RawMessage(appendLiteral(nil, e.value, anyShape)))
	}
	return source
}

// Declared returns the rules of each action in the form of a schema file.
func (a *Access) declared() JSON {
	out := JSON{}
	for action, rules := range a.rules {
		list := []any{}
		for _, r := range rules {
			list = append(list, r.source)
		}
		out.set(Action(action).String(), list)
	}
	return out
}
