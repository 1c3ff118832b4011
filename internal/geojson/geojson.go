// Package geojson checks geometries of RFC 7946 in BSON, as MongoDB's geo indexes
// and operators want them: they refuse what is not one with a message that names
// no field.
package geojson

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Type is a kind of geometry with coordinates.
type Type struct {
	Name string
	// Levels is how many lists lie around the positions.
	Levels int
	// ring says that the innermost lists close, line that they have two
	// positions or more.
	ring, line bool
}

// Fewest is how many entries a list has that lies level lists outside of the
// positions.
func (t *Type) Fewest(level int) int {
	switch {
	case level == 0 && t.ring:
		return fewestOfRing
	case level == 0 && t.line:
		return fewestOfLine
	}
	return 1
}

// A ring is a triangle at least, its last position the first again.
const (
	fewestOfLine = 2
	fewestOfRing = 4
)

// types are those of RFC 7946 section 3.1. A GeometryCollection has no
// coordinates.
var types = []Type{
	{Name: "Point", Levels: 0},
	{Name: "MultiPoint", Levels: 1},
	{Name: "LineString", Levels: 1, line: true},
	{Name: "MultiLineString", Levels: 2, line: true},
	{Name: "Polygon", Levels: 2, ring: true},
	{Name: "MultiPolygon", Levels: 3, ring: true},
}

// Collection is the name of a geometry of geometries.
const Collection = "GeometryCollection"

// Types returns the geometries that have coordinates; a Collection has none.
func Types() []Type { return slices.Clone(types) }

// Names returns the names of all geometries.
func Names() []string {
	names := make([]string, 0, len(types)+1)
	for _, t := range types {
		names = append(names, t.Name)
	}
	return append(names, Collection)
}

// TypeOf returns the type that a geometry says it has, "" for none.
func TypeOf(geometry bson.Raw) string {
	name, _ := geometry.Lookup("type").StringValueOK()
	return name
}

// Fault is one way in which an object is not a geometry.
type Fault struct {
	// Pointer is a JSON pointer from the geometry to the value at fault.
	Pointer string
	Code    string
	Detail  string
}

// Check returns every way in which an object is not a GeoJSON geometry. For one
// that is, it needs no memory.
func Check(geometry bson.Raw) []Fault {
	c := checker{}
	c.geometry(geometry)
	return c.faults
}

// maxDepth bounds how deep the parts of a geometry lie: MongoDB's limit for
// documents and arrays.
const maxDepth = 100

// checker walks one geometry.
type checker struct {
	faults []Fault
	// path are the steps to where the checker stands, the first depth of them.
	path  [maxDepth]step
	depth int
}

// step is a member's name, or an index where name is empty.
type step struct {
	name  string
	index int
}

func (c *checker) enter(s step) bool {
	if c.depth == maxDepth {
		c.fault("lies too deep")
		return false
	}
	c.path[c.depth] = s
	c.depth++
	return true
}

func (c *checker) leave() { c.depth-- }

// fault notes what is wrong where the checker stands.
func (c *checker) fault(detail string) { c.note("geo", detail) }

func (c *checker) note(code, detail string) {
	pointer := ""
	for _, s := range c.path[:c.depth] {
		if s.name == "" {
			s.name = strconv.Itoa(s.index)
		}
		pointer += "/" + pointerEscapes.Replace(s.name)
	}
	c.faults = append(c.faults, Fault{pointer, code, detail})
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// member notes a fault of a member of the object where the checker stands.
func (c *checker) member(name, code, detail string) {
	if c.enter(step{name: name}) {
		c.note(code, detail)
		c.leave()
	}
}

func (c *checker) geometry(geometry []byte) {
	var name, coordinates, geometries walker
	for w := walk(geometry); w.next(); {
		switch string(w.name) {
		case "type":
			name = w
		case "coordinates":
			coordinates = w
		case "geometries":
			geometries = w
		default:
			c.member(string(w.name), "unknown-field", "is not a member of a GeoJSON geometry")
		}
	}
	text := name.text()
	if string(text) == Collection {
		c.geometries(geometries)
		return
	}
	for i := range types {
		if t := &types[i]; t.Name == string(text) {
			c.coordinates(coordinates, t)
			return
		}
	}
	c.member("type", "geo", "must be one of "+strings.Join(Names(), ", "))
}

func (c *checker) coordinates(w walker, t *Type) {
	if w.kind != bson.TypeArray {
		c.member("coordinates", "geo", "is required, and must be an array")
		return
	}
	if c.enter(step{name: "coordinates"}) {
		c.positions(w.value, t, t.Levels)
		c.leave()
	}
}

func (c *checker) geometries(w walker) {
	if w.kind != bson.TypeArray {
		c.member("geometries", "geo", "is required, and must be an array")
		return
	}
	if !c.enter(step{name: "geometries"}) {
		return
	}
	defer c.leave()
	for w, i := walk(w.value), 0; w.next(); i++ {
		if !c.enter(step{index: i}) {
			return
		}
		if w.kind == bson.TypeEmbeddedDocument {
			c.geometry(w.value)
		} else {
			c.fault("must be a GeoJSON geometry")
		}
		c.leave()
	}
}

// positions checks coordinates that lie levels of arrays deep.
func (c *checker) positions(data []byte, t *Type, levels int) {
	if levels == 0 {
		c.position(data)
		return
	}
	n := 0
	for w := walk(data); w.next(); n++ {
		if !c.enter(step{index: n}) {
			return
		}
		if w.kind == bson.TypeArray {
			c.positions(w.value, t, levels-1)
		} else {
			c.fault("must be an array")
		}
		c.leave()
	}
	if fewest := t.Fewest(levels - 1); n < fewest {
		c.fault("must have at least " + strconv.Itoa(fewest) + " entries, not " + strconv.Itoa(n))
	} else if levels == 1 && t.ring {
		c.ring(data)
	}
}

// ring checks that a linear ring closes (RFC 7946 section 3.1.6).
func (c *checker) ring(data []byte) {
	var first, last []byte
	for w := walk(data); w.next(); {
		if first == nil {
			first = w.value
		}
		last = w.value
	}
	if !bytes.Equal(first, last) {
		c.fault("must be a ring: the last position equal to the first")
	}
}

// position checks one longitude, latitude and, where it is there, altitude.
func (c *checker) position(data []byte) {
	n := 0
	for w := walk(data); w.next(); n++ {
		if !c.enter(step{index: n}) {
			return
		}
		c.ordinate(bson.RawValue{Type: w.kind, Value: w.value}, n)
		c.leave()
	}
	if n != 2 && n != 3 {
		c.fault("must be a longitude, a latitude and at most an altitude")
	}
}

// ordinate checks the nth number of a position.
func (c *checker) ordinate(value bson.RawValue, n int) {
	size, ok := value.DoubleOK()
	size = math.Abs(size)
	switch {
	case !ok || math.IsNaN(size) || math.IsInf(size, 0):
		c.fault("must be a number")
	case n == 0 && size > 180:
		c.fault("must be a longitude from -180 to 180; the latitude stands second")
	case n == 1 && size > 90:
		c.fault("must be a latitude from -90 to 90; the longitude stands first")
	}
}

// walker steps through the elements of a document or array without copies.
type walker struct {
	rest  []byte
	kind  bson.Type
	name  []byte
	value []byte
}

func walk(doc []byte) walker {
	const header = 4
	if len(doc) <= header {
		return walker{}
	}
	return walker{rest: doc[header:]}
}

func (w *walker) next() bool {
	element, rest, ok := bsoncore.ReadElement(w.rest)
	if !ok {
		return false
	}
	w.kind, w.name = bson.Type(element[0]), element.KeyBytes()
	w.value, w.rest = element[len(w.name)+2:], rest
	return true
}

// text returns the bytes of a string, nil for another type.
func (w *walker) text() []byte {
	const length, end = 4, 1
	if w.kind != bson.TypeString || len(w.value) < length+end {
		return nil
	}
	return w.value[length : len(w.value)-end]
}
