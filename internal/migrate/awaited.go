package migrate

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// awaited returns the filter of the documents that will break a validator when
// changes were made to them, and what the validator asks of the documents as they
// are. known is false where that cannot be told before.
//
// What a change mends is not asked for; but a document that no change is for has
// to keep the validator as it is.
func awaited(validator bson.Raw, changes []*Change) (asked bson.Raw, filter bson.D, known bool) {
	breaks := func(v bson.Raw) bson.D { return bson.D{{Key: "$nor", Value: bson.A{v}}} }
	if len(changes) == 0 {
		return validator, breaks(validator), true
	}
	top, ok := ruleOf(validator)
	if !ok {
		return nil, nil, false
	}
	untouched := bson.A{validator}
	for _, c := range changes {
		if c.Pipeline != nil {
			return nil, nil, false
		}
		top = c.forgiven(top)
		if untouched != nil && c.Filter != nil {
			untouched = append(untouched, c.Filter)
		} else {
			untouched = nil
		}
	}
	alternatives := bson.A{}
	if asked = top.validator(); asked != nil {
		alternatives = append(alternatives, breaks(asked))
	}
	if untouched != nil {
		alternatives = append(alternatives, bson.D{{Key: "$nor", Value: untouched}})
	}
	if len(alternatives) == 0 {
		return nil, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{}}}}}, true
	}
	return asked, bson.D{{Key: "$or", Value: alternatives}}, true
}

// forgiven returns what a rule asks of documents that a change is yet to be made
// to.
func (c *Change) forgiven(r *rule) *rule {
	switch {
	case c.SetDefault != nil:
		return r.forgive(c.SetDefault.Field, missing)
	case c.Convert != nil:
		return r.forgive(c.Convert.Field, wrong)
	case c.Rename != nil:
		return r.forgive(c.Rename.From, wrong).forgive(c.Rename.To, missing)
	case c.Split != nil:
		for _, path := range c.Split.Into {
			r = r.forgive(path, missing)
		}
	}
	for _, path := range c.Unset {
		r = r.forgive(path, wrong)
	}
	return r
}

// mend is what a change mends of a field.
type mend uint8

const (
	missing mend = iota // it may be missing as yet
	wrong               // it may have any value as yet, or be there at all
)

// forgive returns the rule without what it asks of the field at a path and a
// change will mend.
func (r *rule) forgive(path string, m mend) *rule {
	name, rest, deeper := strings.Cut(path, ".")
	changed := *r
	changed.raw = nil
	if r.items != nil {
		changed.items = r.items.forgive(path, m)
	}
	switch {
	case deeper:
		changed.replaceProperty(name, func(p *rule) *rule { return p.forgive(rest, m) })
	case m == missing:
		changed.required = slices.DeleteFunc(slices.Clone(r.required), func(n string) bool { return n == name })
	case changed.property(name) == nil:
		changed.properties = append(slices.Clip(changed.properties), property{name, anything()})
	default:
		changed.replaceProperty(name, func(*rule) *rule { return anything() })
	}
	return &changed
}

func (r *rule) replaceProperty(name string, by func(*rule) *rule) {
	r.properties = slices.Clone(r.properties)
	for i, p := range r.properties {
		if p.name == name {
			r.properties[i].rule = by(p.rule)
		}
	}
}

// touches reports whether a change can change the value of one of some fields.
func (c *Change) touches(fields []string) bool {
	if c.Pipeline != nil {
		return true
	}
	paths := slices.Clone(c.Unset)
	switch {
	case c.SetDefault != nil:
		paths = append(paths, c.SetDefault.Field)
	case c.Convert != nil:
		paths = append(paths, c.Convert.Field)
	case c.Rename != nil:
		paths = append(paths, c.Rename.From, c.Rename.To)
	case c.Split != nil:
		paths = append(paths, c.Split.Into...)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		return slices.ContainsFunc(fields, func(field string) bool {
			return strings.HasPrefix(field+".", path+".") || strings.HasPrefix(path+".", field+".")
		})
	})
}
