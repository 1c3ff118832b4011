package filter

import (
	"fmt"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Target is the field that a path leads to.
type Target struct {
	// Stored is the path in MongoDB: _id for id, else as it was written.
	Stored string
	// Shape is that of the values at the path. Where the path ends at an array
	// it is the array's.
	Shape *bsonjson.Shape
	// Arrays are the paths of the arrays that lie on the way, outermost first,
	// the end included.
	Arrays []string
}

// Resolver finds what a dotted path leads to. Its error is a phrase that
// follows the path, such as `is not a field of the schema`.
type Resolver func(path string) (Target, error)

// Fields returns the resolver of a collection's fields. A path goes through
// objects by name, and through arrays with an index or without, as in MongoDB.
func Fields(fields *bsonjson.Fields) Resolver {
	return func(path string) (Target, error) { return resolve(fields, path) }
}

var anything = &bsonjson.Shape{Kind: bsonjson.Any}

func resolve(fields *bsonjson.Fields, path string) (Target, error) {
	steps := strings.Split(path, ".")
	target := Target{Stored: path}
	first, err := member(fields, steps[0])
	if err != nil {
		return Target{}, err
	}
	if first.System == bsonjson.ID {
		target.Stored = "_id"
	}
	shape := target.enter(first.Shape, steps[0])
	for i := 1; i < len(steps); i++ {
		walked := strings.Join(steps[:i], ".")
		if shape, err = step(shape, steps[i], walked); err != nil {
			return Target{}, err
		}
		shape = target.enter(shape, walked+"."+steps[i])
	}
	target.Shape = shape
	return target, nil
}

// enter notes the arrays on the way.
func (t *Target) enter(shape *bsonjson.Shape, path string) *bsonjson.Shape {
	if shape.Kind == bsonjson.Array {
		t.Arrays = append(t.Arrays, path)
	}
	return shape
}

func member(fields *bsonjson.Fields, name string) (bsonjson.Field, error) {
	if i, ok := fields.Lookup([]byte(name)); ok {
		return fields.All()[i], nil
	}
	if fields.Open() && name != "" && bsonjson.BadName(name) == "" {
		return bsonjson.Field{Name: name, Shape: anything}, nil
	}
	return bsonjson.Field{}, fmt.Errorf("is not a field of the schema%s", nearest.Hint(name, fields.Names()))
}

// step goes one name further from a shape, which path led to.
func step(shape *bsonjson.Shape, name, path string) (*bsonjson.Shape, error) {
	switch shape.Kind {
	case bsonjson.Any:
		return anything, nil
	case bsonjson.Object:
		field, err := member(shape.Fields, name)
		return field.Shape, err
	case bsonjson.Array:
		if isIndex(name) {
			return shape.Items, nil
		}
		return step(shape.Items, name, path)
	}
	return nil, fmt.Errorf("leads into %q, which has no fields", path)
}

func isIndex(name string) bool {
	return name != "" && len(name) <= 6 && strings.Trim(name, "0123456789") == ""
}
