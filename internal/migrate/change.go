package migrate

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
)

// transformation returns the change as MongoDB carries it out. A document that was
// changed already, or has nothing to change, is not selected, but for pipelines.
func (c *Change) transformation() store.Transformation {
	admits, stages := c.parts()
	if c.Filter != nil {
		admits = append(bson.A{c.Filter}, admits...)
	}
	t := store.Transformation{Pipeline: stages, Certain: c.Convert != nil}
	switch len(admits) {
	case 0:
	case 1:
		t.Filter = encoded(admits[0])
	default:
		t.Filter = encoded(bson.D{{Key: "$and", Value: admits}})
	}
	return t
}

// parts returns the conditions on a document besides the filter, and the stages.
func (c *Change) parts() (admits bson.A, stages []bson.Raw) {
	switch {
	case c.Rename != nil:
		return c.Rename.parts()
	case c.SetDefault != nil:
		return c.SetDefault.parts()
	case c.Convert != nil:
		return c.Convert.parts()
	case c.Split != nil:
		return c.Split.parts()
	case c.Unset != nil:
		return unset(c.Unset)
	}
	return nil, c.Pipeline
}

// selective reports whether the change does not select what it changed already.
func (c *Change) selective() bool {
	return c.Rename != nil || c.SetDefault != nil || c.Convert != nil || c.Unset != nil
}

// repeatable reports whether the change may meet a document for a second time
// without harm.
func (c *Change) repeatable() bool {
	return c.Pipeline == nil && (c.Split == nil || !slices.Contains(c.Split.Into, c.Split.Field))
}

func (r *Rename) parts() (bson.A, []bson.Raw) {
	return bson.A{exists(r.From, true), exists(r.To, false)},
		[]bson.Raw{set(r.To, "$"+r.From), encoded(bson.D{{Key: "$unset", Value: r.From}})}
}

func (d *SetDefault) parts() (bson.A, []bson.Raw) {
	admits := bson.A{exists(d.Field, false)}
	if dot := strings.LastIndexByte(d.Field, '.'); dot > 0 {
		// Where there is no object that misses the field, none comes to be.
		admits = append(admits, isType(d.Field[:dot], "object"))
	}
	if d.Now {
		return admits, []bson.Raw{set(d.Field, "$$NOW")}
	}
	return admits, []bson.Raw{set(d.Field, bson.D{{Key: "$literal", Value: d.Value}})}
}

// storedTypes are MongoDB's names of the types that values are converted to.
var storedTypes = map[string]string{"int": "long"}

func (c *Convert) parts() (bson.A, []bson.Raw) {
	to, named := storedTypes[c.To]
	if !named {
		to = c.To
	}
	convertible := bson.D{{Key: "$not", Value: bson.A{isType(c.Field, "missing", "null", "undefined", to).Lookup("$expr")}}}
	return bson.A{encoded(bson.D{{Key: "$expr", Value: convertible}})}, []bson.Raw{set(c.Field, c.converted(to))}
}

// converted is the expression of the new value. MongoDB fails on a value that does
// not convert; what it would convert with a loss is made to fail as well.
func (c *Convert) converted(to string) any {
	value := "$" + c.Field
	convert := func(input any) any {
		return bson.D{{Key: "$convert", Value: bson.D{{Key: "input", Value: input}, {Key: "to", Value: to}}}}
	}
	text := bson.D{{Key: "$toString", Value: value}}
	switch c.To {
	case "int":
		// MongoDB cuts a fraction off, but does not take it in a string.
		fraction := bson.D{{Key: "$and", Value: bson.A{
			typeIn(value, "double", "decimal"),
			bson.D{{Key: "$ne", Value: bson.A{bson.D{{Key: "$trunc", Value: value}}, value}}},
		}}}
		return cond(fraction, convert(text), convert(value))
	case "bool":
		// MongoDB takes every string for true, "false" too.
		lower := bson.D{{Key: "$toLower", Value: text}}
		number := bson.D{{Key: "$toBool", Value: bson.D{{Key: "$toInt", Value: value}}}}
		word := cond(equal(lower, "true"), true, cond(equal(lower, "false"), false, number))
		return cond(typeIn(value, "string"), word, convert(value))
	}
	return convert(value)
}

func (s *Split) parts() (bson.A, []bson.Raw) {
	pieces := bson.D{{Key: "$split", Value: bson.A{"$" + s.Field, bson.D{{Key: "$literal", Value: s.By}}}}}
	fields := bson.D{}
	for i, into := range s.Into {
		piece := any(bson.D{{Key: "$arrayElemAt", Value: bson.A{pieces, i}}})
		if i == len(s.Into)-1 {
			piece = s.rest(pieces, i)
		}
		enough := bson.D{{Key: "$gt", Value: bson.A{bson.D{{Key: "$size", Value: pieces}}, i}}}
		fields = append(fields, bson.E{Key: into, Value: cond(enough, piece, "$"+into)})
	}
	return bson.A{isType(s.Field, "string")}, []bson.Raw{encoded(bson.D{{Key: "$set", Value: fields}})}
}

// rest puts the pieces from the i-th on together again.
func (s *Split) rest(pieces bson.D, i int) any {
	by := bson.D{{Key: "$literal", Value: s.By}}
	from := func(at int) bson.D {
		return bson.D{{Key: "$slice", Value: bson.A{pieces, at, bson.D{{Key: "$max", Value: bson.A{1, bson.D{{Key: "$size", Value: pieces}}}}}}}}
	}
	return bson.D{{Key: "$reduce", Value: bson.D{
		{Key: "input", Value: from(i + 1)},
		{Key: "initialValue", Value: bson.D{{Key: "$arrayElemAt", Value: bson.A{pieces, i}}}},
		{Key: "in", Value: bson.D{{Key: "$concat", Value: bson.A{"$$value", by, "$$this"}}}},
	}}}
}

func unset(paths []string) (bson.A, []bson.Raw) {
	some := bson.A{}
	for _, path := range paths {
		some = append(some, exists(path, true))
	}
	return bson.A{bson.D{{Key: "$or", Value: some}}}, []bson.Raw{encoded(bson.D{{Key: "$unset", Value: paths}})}
}

func exists(path string, does bool) bson.D {
	return bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: does}}}}
}

// isType is the condition that the value at a path is of one of some types.
func isType(path string, types ...string) bson.Raw {
	return encoded(bson.D{{Key: "$expr", Value: typeIn("$"+path, types...)}})
}

func typeIn(value string, types ...string) bson.D {
	return bson.D{{Key: "$in", Value: bson.A{bson.D{{Key: "$type", Value: value}}, types}}}
}

func cond(condition, then, otherwise any) bson.D {
	return bson.D{{Key: "$cond", Value: bson.A{condition, then, otherwise}}}
}

func equal(a, b any) bson.D { return bson.D{{Key: "$eq", Value: bson.A{a, b}}} }

// set is the stage that gives the field at a path a value.
func set(path string, value any) bson.Raw {
	return encoded(bson.D{{Key: "$set", Value: bson.D{{Key: path, Value: value}}}})
}

// encoded returns a document that surely encodes.
func encoded(document any) bson.Raw {
	raw, err := bson.Marshal(document)
	if err != nil {
		panic("migrate: a document does not encode: " + err.Error())
	}
	return raw
}
