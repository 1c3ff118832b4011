package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Target is the field, or the relation, that a path leads to.
type Target struct {
	// Stored is the path in MongoDB: _id for id, else as it was written.
	Stored string
	// Shape is that of the values at the path. Where the path ends at an array
	// it is the array's.
	Shape *bsonjson.Shape
	// Arrays are the paths of the arrays that lie on the way, outermost first,
	// the end included.
	Arrays []string
	// Near says that an index serves $near for the field.
	Near bool
	// Extended admits Extended JSON in literals, such as {"$date": …}.
	Extended bool
	// Relation is set where the path names a relation, and then alone.
	Relation *Related
}

// TextIndex is the path by which a Resolver is asked for the text index of the
// collection.
const TextIndex = "$text"

// Resolver finds what a dotted path leads to. Its error is a phrase that
// follows the path, such as `is not a field of the schema`.
type Resolver func(path string) (Target, error)

// Fields returns a resolver of a document's fields, without indexes and
// relations. A path goes through objects by name, and through arrays with an
// index or without, as in MongoDB.
func Fields(fields *bsonjson.Fields) Resolver {
	return func(path string) (Target, error) { return resolve(fields, path) }
}

// Untyped finds every path, in documents of which no schema is known: literals
// have the type that their form says, or that Extended JSON gives them.
func Untyped(path string) (Target, error) {
	if path == TextIndex {
		return Target{}, errors.New("needs a text index, of which nothing is known here")
	}
	first, rest, dotted := strings.Cut(path, ".")
	if !isName(first) {
		return Target{}, errors.New("is not the name of a field")
	}
	if first == "id" {
		first = "_id"
	}
	target := Target{Stored: first, Extended: true, Shape: anything}
	if dotted {
		target.Stored += "." + rest
	}
	return target, nil
}

var anything = &bsonjson.Shape{Kind: bsonjson.Any}

func resolve(fields *bsonjson.Fields, path string) (Target, error) {
	if path == TextIndex {
		return Target{}, errors.New("needs a text index, which the schema does not declare")
	}
	steps := strings.Split(path, ".")
	first, err := member(fields, steps[0])
	if err == nil && path == "_id" {
		err = notAField(path, fields)
	}
	if err != nil {
		return Target{}, err
	}
	target := Target{Stored: path}
	if first.System == bsonjson.ID {
		target.Stored = "_id"
	}
	return target.follow(first.Shape, steps[1:], steps[0])
}

// resolveWithin finds what a path leads to from an element of an array.
func resolveWithin(element *bsonjson.Shape, path string) (Target, error) {
	target := Target{Stored: path}
	steps := strings.Split(path, ".")
	shape, err := step(element, steps[0], "the element")
	if err != nil {
		return Target{}, err
	}
	return target.follow(shape, steps[1:], steps[0])
}

// follow goes the rest of a path, from the shape to which walked led.
func (t Target) follow(shape *bsonjson.Shape, rest []string, walked string) (Target, error) {
	t.enter(shape, walked)
	for _, name := range rest {
		next, err := step(shape, name, strconv.Quote(walked))
		if err != nil {
			return Target{}, err
		}
		shape, walked = next, walked+"."+name
		t.enter(shape, walked)
	}
	t.Shape = shape
	return t, nil
}

// enter notes an array on the way.
func (t *Target) enter(shape *bsonjson.Shape, path string) {
	if shape.Kind == bsonjson.Array {
		t.Arrays = append(t.Arrays, path)
	}
}

func member(fields *bsonjson.Fields, name string) (bsonjson.Field, error) {
	if i, ok := fields.Lookup([]byte(name)); ok {
		return fields.All()[i], nil
	}
	if fields.Open() && isName(name) {
		return bsonjson.Field{Name: name, Shape: anything}, nil
	}
	return bsonjson.Field{}, notAField(name, fields)
}

func notAField(name string, fields *bsonjson.Fields) error {
	return fmt.Errorf("is not a field of the schema%s", nearest.Hint(name, fields.Names()))
}

// isName reports whether a member of no declared name can have this one.
func isName(name string) bool { return name != "" && bsonjson.BadName(name) == "" }

// step goes one name further from a shape; from is how messages call it.
func step(shape *bsonjson.Shape, name, from string) (*bsonjson.Shape, error) {
	switch shape.Kind {
	case bsonjson.Any:
		if !isName(name) {
			return nil, fmt.Errorf("holds a name that no field has: %q", shorten(name))
		}
		return anything, nil
	case bsonjson.Object:
		field, err := member(shape.Fields, name)
		return field.Shape, err
	case bsonjson.Array:
		if isIndex(name) {
			return shape.Items, nil
		}
		return step(shape.Items, name, from)
	}
	return nil, fmt.Errorf("leads into %s, which has no fields", shorten(from))
}

// isIndex reports whether MongoDB takes a name for the place of an element.
func isIndex(name string) bool {
	const mostDigits = 6
	return name == "0" || name != "" && name[0] != '0' && len(name) <= mostDigits && strings.Trim(name, "0123456789") == ""
}
