package observe

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Shape tells what a filter asks for without what it compares with: the names of
// fields and operators. The zero value is that of no filter.
type Shape struct{ filter bson.Raw }

// ShapeOf returns the shape of a filter in MongoDB's syntax. It costs nothing until
// it is written.
func ShapeOf(filter bson.Raw) Shape { return Shape{filter} }

// The bounds of a shape: filters can be long and deep.
const (
	maxShape      = 500 // bytes
	maxShapeDepth = 6
)

// String writes the shape, such as {status, age: {$gte}}; "" for no filter.
func (s Shape) String() string {
	if s.filter == nil {
		return ""
	}
	text := shapeOfDocument(s.filter, maxShapeDepth)
	if len(text) > maxShape {
		text = strings.ToValidUTF8(text[:maxShape], "") + "…"
	}
	return text
}

func shapeOfDocument(doc bson.Raw, depth int) string {
	elements, err := doc.Elements()
	if err != nil || depth == 0 {
		return "{…}"
	}
	var parts []string
	for _, e := range elements {
		parts = append(parts, e.Key()+shapeOfValue(e.Key(), e.Value(), depth-1))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// shapeOfValue is what follows a name: conditions, and nothing for a value that is
// compared with.
func shapeOfValue(name string, value bson.RawValue, depth int) string {
	switch name {
	case "$and", "$or", "$nor":
		return ": [" + strings.Join(shapesOf(value, depth), ", ") + "]"
	case "$not", "$elemMatch":
		if doc, ok := value.DocumentOK(); ok {
			return ": " + shapeOfDocument(doc, depth)
		}
		return ""
	}
	doc, ok := value.DocumentOK()
	if !ok || strings.HasPrefix(name, "$") || !hasOperators(doc) {
		return ""
	}
	return ": " + shapeOfDocument(doc, depth)
}

// shapesOf are those of alternatives, each kind once.
func shapesOf(value bson.RawValue, depth int) []string {
	array, _ := value.ArrayOK()
	values, _ := array.Values()
	var shapes []string
	for _, v := range values {
		doc, ok := v.DocumentOK()
		if !ok {
			continue
		}
		if shape := shapeOfDocument(doc, depth); !slices.Contains(shapes, shape) {
			shapes = append(shapes, shape)
		}
	}
	return shapes
}

// hasOperators tells conditions from a document that is compared with.
func hasOperators(doc bson.Raw) bool {
	first, err := doc.IndexErr(0)
	return err == nil && strings.HasPrefix(first.Key(), "$")
}
