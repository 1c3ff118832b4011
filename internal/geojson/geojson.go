package schema

import (
	"bytes"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// geometryType is a kind of geometry with coordinates.
type geometryType struct {
	name string
	// levels is how many lists lie around the positions.
	levels int
	// ring says that the innermost lists close, line that they have two
	// positions or more.
	ring, line bool
}

// fewest is how many entries a list has that lies level lists outside of the
// positions.
func (t *geometryType) fewest(level int) int {
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

// geometryTypes are those of RFC 7946 section 3.1. A GeometryCollection has no
// coordinates.
var geometryTypes = []geometryType{
	{name: "Point", levels: 0},
	{name: "MultiPoint", levels: 1},
	{name: "LineString", levels: 1, line: true},
	{name: "MultiLineString", levels: 2, line: true},
	{name: "Polygon", levels: 2, ring: true},
	{name: "MultiPolygon", levels: 3, ring: true},
}

const geometryCollection = "GeometryCollection"

func geometryNames() []string {
	names := make([]string, 0, len(geometryTypes)+1)
	for _, t := range geometryTypes {
		names = append(names, t.name)
	}
	return append(names, geometryCollection)
}

// geometry checks a GeoJSON geometry: MongoDB's geo index refuses what is not
// one, with a message that names no field.
func (k *checker) geometry(data []byte) {
	var name, coordinates, geometries walk
	for w := newWalk(data); w.next(); {
		switch string(w.name) {
		case "type":
			name = w
		case "coordinates":
			coordinates = w
		case "geometries":
			geometries = w
		default:
			k.member(string(w.name), "unknown-field", "is not a member of a GeoJSON geometry")
		}
	}
	text := name.text()
	if string(text) == geometryCollection {
		k.geometries(geometries)
		return
	}
	for i := range geometryTypes {
		if t := &geometryTypes[i]; t.name == string(text) {
			k.coordinates(coordinates, t)
			return
		}
	}
	k.member("type", "geo", "must be one of "+list(geometryNames()))
}

// member notes a fault of a member of the object where the checker stands.
func (k *checker) member(name, code, text string) {
	if k.enter(segment{name: []byte(name)}) {
		k.fault(code, "%s", text)
		k.leave()
	}
}

func (k *checker) coordinates(w walk, t *geometryType) {
	if w.kind != bson.TypeArray {
		k.member("coordinates", "geo", "is required, and must be an array")
		return
	}
	if k.enter(segment{name: w.name}) {
		k.positions(w.value, t, t.levels)
		k.leave()
	}
}

func (k *checker) geometries(w walk) {
	if w.kind != bson.TypeArray {
		k.member("geometries", "geo", "is required, and must be an array")
		return
	}
	if !k.enter(segment{name: w.name}) {
		return
	}
	defer k.leave()
	for w, i := newWalk(w.value), 0; w.next(); i++ {
		if !k.enter(segment{index: i}) {
			return
		}
		if w.kind == bson.TypeEmbeddedDocument {
			k.geometry(w.value)
		} else {
			k.fault("geo", "must be a GeoJSON geometry")
		}
		k.leave()
	}
}

// positions checks coordinates that lie levels of arrays deep.
func (k *checker) positions(data []byte, t *geometryType, levels int) {
	if levels == 0 {
		k.position(data)
		return
	}
	n := 0
	for w := newWalk(data); w.next(); n++ {
		if !k.enter(segment{index: n}) {
			return
		}
		if w.kind == bson.TypeArray {
			k.positions(w.value, t, levels-1)
		} else {
			k.fault("geo", "must be an array")
		}
		k.leave()
	}
	if fewest := t.fewest(levels - 1); n < fewest {
		k.fault("geo", "must have at least %d entries, not %d", fewest, n)
	} else if levels == 1 && t.ring {
		k.ring(data)
	}
}

// ring checks that a linear ring closes (RFC 7946 section 3.1.6).
func (k *checker) ring(data []byte) {
	var first, last []byte
	for w := newWalk(data); w.next(); {
		if first == nil {
			first = w.value
		}
		last = w.value
	}
	if !bytes.Equal(first, last) {
		k.fault("geo", "must be a ring: the last position equal to the first")
	}
}

// position checks one longitude, latitude and, where it is there, altitude.
func (k *checker) position(data []byte) {
	n := 0
	for w := newWalk(data); w.next(); n++ {
		if !k.enter(segment{index: n}) {
			return
		}
		k.ordinate(w.kind, w.value, n)
		k.leave()
	}
	if n != 2 && n != 3 {
		k.fault("geo", "must be a longitude, a latitude and at most an altitude")
	}
}

// ordinate checks the nth number of a position.
func (k *checker) ordinate(kind bson.Type, data []byte, n int) {
	value := bson.RawValue{Type: kind, Value: data}
	if kind != bson.TypeDouble || !isFinite(value) {
		k.fault("geo", "must be a number")
		return
	}
	switch size := math.Abs(value.Double()); {
	case n == 0 && size > 180:
		k.fault("geo", "must be a longitude from -180 to 180; the latitude stands second")
	case n == 1 && size > 90:
		k.fault("geo", "must be a latitude from -90 to 90; the longitude stands first")
	}
}
