package filter

import (
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/geojson"
)

// The members of $geoWithin and $near.
const (
	geometryName = "$geometry"
	sphereName   = "$centerSphere"
	boxName      = "$box"
	farthestName = "$maxDistance"
	nearestName  = "$minDistance"
)

var (
	geoShape    = &bsonjson.Shape{Kind: bsonjson.Geo}
	doubleShape = &bsonjson.Shape{Kind: bsonjson.Double}
	listShape   = &bsonjson.Shape{Kind: bsonjson.Array, Items: anything}

	areaFields     = []bsonjson.Field{{Name: geometryName, Shape: geoShape}, {Name: sphereName, Shape: listShape}, {Name: boxName, Shape: listShape}}
	distanceFields = []bsonjson.Field{{Name: geometryName, Shape: geoShape}, {Name: farthestName, Shape: doubleShape}, {Name: nearestName, Shape: doubleShape}}
)

// area reads $geoWithin: a polygon, a circle on the globe, or a box.
func (p *parser) area(s subject, operand jsontext.Value, at place) *Node {
	if !p.counted(at) {
		return nil
	}
	record, ok := p.record(operand, areaFields, at)
	if !ok {
		return nil
	}
	elements, err := record.Elements()
	if err != nil || len(elements) != 1 {
		p.fault(at, "type", "must have one of %s, %s and %s", geometryName, sphereName, boxName)
		return nil
	}
	within := at.member(elements[0].Key())
	switch value := elements[0].Value(); elements[0].Key() {
	case geometryName:
		p.geometry(value.Document(), within, "Polygon", "MultiPolygon")
	case sphereName:
		p.sphere(value, within)
	case boxName:
		p.box(value, within)
	}
	return geoNode(s.node(GeoWithin, at), record)
}

func geoNode(n *Node, record bson.Raw) *Node {
	n.Values = []bson.RawValue{{Type: bson.TypeEmbeddedDocument, Value: record}}
	return n
}

// geometry checks a geometry that must be of one of some types.
func (p *parser) geometry(geometry bson.Raw, at place, among ...string) {
	if !slices.Contains(among, geojson.TypeOf(geometry)) {
		p.fault(at.member("type"), "geo", "must be %s", strings.Join(among, " or "))
		return
	}
	for _, f := range geojson.Check(geometry) {
		p.faults.Add(at.pointer+f.Pointer, f.Code, "%s", f.Detail)
	}
}

// sphere checks a circle: its center, and its radius in radians.
func (p *parser) sphere(value bson.RawValue, at place) {
	parts, err := value.Array().Values()
	if err != nil || len(parts) != 2 {
		p.fault(at, "geo", "must be a center and a radius in radians: [[longitude, latitude], radius]")
		return
	}
	p.position(parts[0], at.item(0))
	if radius, ok := parts[1].AsFloat64OK(); !ok || radius < 0 || radius > math.Pi {
		p.fault(at.item(1), "geo", "must be a radius from 0 to π radians: the distance divided by the radius of the earth")
	}
}

// box checks a box: its south-west and its north-east corner.
func (p *parser) box(value bson.RawValue, at place) {
	corners, err := value.Array().Values()
	if err != nil || len(corners) != 2 {
		p.fault(at, "geo", "must be two corners: [[west, south], [east, north]]")
		return
	}
	for i, corner := range corners {
		p.position(corner, at.item(i))
	}
}

func (p *parser) position(value bson.RawValue, at place) {
	var numbers []bson.RawValue
	if array, ok := value.ArrayOK(); ok {
		numbers, _ = array.Values()
	}
	if len(numbers) != 2 || !isDegrees(numbers[0], 180) || !isDegrees(numbers[1], 90) {
		p.fault(at, "geo", "must be a longitude from -180 to 180 and a latitude from -90 to 90")
	}
}

func isDegrees(value bson.RawValue, most float64) bool {
	degrees, ok := value.AsFloat64OK()
	return ok && math.Abs(degrees) <= most
}

// distance reads $near: a point, and how far from it in meters.
func (p *parser) distance(s subject, operand jsontext.Value, at place) *Node {
	if p.misplaced(Near, at) || !p.counted(at) {
		return nil
	}
	record, ok := p.record(operand, distanceFields, at)
	if !ok {
		return nil
	}
	if point, ok := record.Lookup(geometryName).DocumentOK(); ok {
		p.geometry(point, at.member(geometryName), "Point")
	} else {
		p.fault(at, "required", "needs %s: the point to be near to", geometryName)
	}
	for _, name := range []string{farthestName, nearestName} {
		if meters, ok := record.Lookup(name).DoubleOK(); ok && meters < 0 {
			p.fault(at.member(name), "geo", "must be a distance in meters from 0")
		}
	}
	return geoNode(s.node(Near, at), record)
}
