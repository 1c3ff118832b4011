package schema

import (
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/geojson"
)

// maxValidatorDepth is how many levels of fields a validator describes: deeper
// ones would nest it beyond what MongoDB stores. Check describes them all.
const maxValidatorDepth = 50

// Validator returns the filter {$jsonSchema: …} that MongoDB applies to every
// write, as the second line behind Check. It has every rule that MongoDB can
// express, and so leaves out checks, limits of dates and the subtype of uuids.
func (c *Collection) Validator() bson.D {
	return bson.D{{Key: "$jsonSchema", Value: mongoObject(c.rules, 0)}}
}

// mongoValue describes a value.
func mongoValue(r *rules, depth int) bson.D {
	switch {
	case r.shape.Kind == bsonjson.Any:
		return bson.D{}
	case depth > maxValidatorDepth:
		return bson.D{bsonType(r)}
	}
	switch r.shape.Kind {
	case bsonjson.Object:
		return mongoObject(r, depth)
	case bsonjson.Array:
		return mongoArray(r, depth)
	case bsonjson.Geo:
		return mongoGeometry(r)
	}
	doc := bson.D{bsonType(r)}
	if r.enum != nil {
		doc = append(doc, bson.E{Key: "enum", Value: mongoEnum(r)})
	}
	doc = appendLimit(doc, "minLength", r.minLength)
	doc = appendLimit(doc, "maxLength", r.maxLength)
	if r.pattern != nil {
		doc = append(doc, bson.E{Key: "pattern", Value: r.pattern.pcre})
	}
	if r.shape.Kind != bsonjson.Date {
		doc = appendValue(doc, "minimum", r.min)
		doc = appendValue(doc, "maximum", r.max)
	}
	return doc
}

// bsonType names the stored types of a value.
func bsonType(r *rules) bson.E {
	types := slices.Clone(fieldTypes[r.stored()].bson)
	if r.shape.Nullable {
		types = append(types, "null")
	}
	if len(types) == 1 {
		return bson.E{Key: "bsonType", Value: types[0]}
	}
	return bson.E{Key: "bsonType", Value: types}
}

func mongoEnum(r *rules) bson.A {
	values := make(bson.A, 0, len(r.enum)+1)
	for _, value := range r.enum {
		values = append(values, value)
	}
	if r.shape.Nullable {
		values = append(values, nil)
	}
	return values
}

func appendLimit(doc bson.D, name string, limit int) bson.D {
	if limit < 0 {
		return doc
	}
	return append(doc, bson.E{Key: name, Value: int64(limit)})
}

func appendValue(doc bson.D, name string, value bson.RawValue) bson.D {
	if value.IsZero() {
		return doc
	}
	return append(doc, bson.E{Key: name, Value: value})
}

func mongoObject(r *rules, depth int) bson.D {
	required, properties, patterns := bson.A{}, bson.D{}, bson.D{}
	for i, member := range r.members {
		name := member.name
		if r.shape.Fields.All()[i].System == bsonjson.ID {
			name = "_id"
		}
		described := mongoValue(member, depth+1)
		if strings.Contains(name, ".") {
			// MongoDB takes a dot in properties and required for a step of a path.
			patterns = append(patterns, bson.E{Key: "^" + regexp.QuoteMeta(name) + `\z`, Value: described})
			continue
		}
		properties = append(properties, bson.E{Key: name, Value: described})
		if member.required || r.shape.Fields.All()[i].System.Always() {
			required = append(required, name)
		}
	}
	doc := bson.D{bsonType(r)}
	if len(required) > 0 {
		doc = append(doc, bson.E{Key: "required", Value: required})
	}
	if len(properties) > 0 {
		doc = append(doc, bson.E{Key: "properties", Value: properties})
	}
	if len(patterns) > 0 {
		doc = append(doc, bson.E{Key: "patternProperties", Value: patterns})
	}
	if !r.shape.Fields.Open() {
		doc = append(doc, bson.E{Key: "additionalProperties", Value: false})
	}
	return doc
}

func mongoArray(r *rules, depth int) bson.D {
	doc := bson.D{bsonType(r)}
	doc = appendLimit(doc, "minItems", r.minItems)
	doc = appendLimit(doc, "maxItems", r.maxItems)
	if r.uniqueItems {
		doc = append(doc, bson.E{Key: "uniqueItems", Value: true})
	}
	if items := mongoValue(r.items, depth+1); len(items) > 0 {
		doc = append(doc, bson.E{Key: "items", Value: items})
	}
	return doc
}

func mongoGeometry(r *rules) bson.D {
	names := bson.A{}
	for _, name := range geojson.Names() {
		names = append(names, name)
	}
	return bson.D{bsonType(r), {Key: "required", Value: bson.A{"type"}}, {Key: "properties", Value: bson.D{
		{Key: "type", Value: bson.D{{Key: "enum", Value: names}}},
		{Key: "coordinates", Value: bson.D{{Key: "bsonType", Value: "array"}}},
		{Key: "geometries", Value: bson.D{{Key: "bsonType", Value: "array"}}},
	}}, {Key: "additionalProperties", Value: false}}
}
