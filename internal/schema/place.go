package schema

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Place is what a schema says of the values at one place of a document: of a
// whole document, of a member, or of the items of an array. A place that no
// declaration speaks of, in an open object or a value of type any, has the kind
// Any and no rules.
type Place struct {
	rules *rules
	// system is set for what the service keeps.
	system bsonjson.System
}

// Document is the place of the whole document.
func (c *Collection) Document() Place { return Place{rules: c.rules} }

var undeclared = &bsonjson.Shape{Kind: bsonjson.Any}

// Shape is what the codec needs to know of values at the place.
func (p Place) Shape() *bsonjson.Shape {
	if p.rules == nil {
		return undeclared
	}
	return p.rules.shape
}

// Member is the place of a member, of an object or of a value that may be one.
// The error is a phrase that follows the name.
func (p Place) Member(name string) (Place, error) {
	shape := p.Shape()
	switch shape.Kind {
	case bsonjson.Object:
		if i, ok := shape.Fields.Lookup([]byte(name)); ok {
			return Place{p.rules.members[i], shape.Fields.All()[i].System}, nil
		}
		if !shape.Fields.Open() || p.rules.isDocument() && name == "_id" {
			return Place{}, fmt.Errorf("is not a field of the schema%s", nearest.Hint(name, shape.Fields.Names()))
		}
	case bsonjson.Any:
	default:
		return Place{}, fmt.Errorf("does not exist: there are no fields in %s", fieldTypes[p.rules.stored()].article)
	}
	if reason := bsonjson.BadName(name); reason != "" {
		return Place{}, fmt.Errorf("is a name that %s", reason)
	}
	return Place{}, nil
}

// isDocument tells the rules of a whole document from those of an object in it.
func (r *rules) isDocument() bool {
	i, ok := r.shape.Fields.Lookup([]byte("id"))
	return ok && r.shape.Fields.All()[i].System == bsonjson.ID
}

// Item is the place of the items of an array.
func (p Place) Item() Place {
	if p.rules == nil || p.rules.items == nil {
		return Place{}
	}
	return Place{rules: p.rules.items}
}

// System is the system field that the place is of, NotSystem for another.
func (p Place) System() bsonjson.System { return p.system }

// Article names the type of the place's values in a sentence, such as "an int".
func (p Place) Article() string {
	if p.rules == nil {
		return fieldTypes[typeAny].article
	}
	return fieldTypes[p.rules.typ].article
}

// Required reports whether the member must be there.
func (p Place) Required() bool { return p.rules != nil && p.rules.required }

// Bounds are the least and the largest value, each the zero value for none.
func (p Place) Bounds() (least, most bson.RawValue) {
	if p.rules == nil {
		return bson.RawValue{}, bson.RawValue{}
	}
	return p.rules.min, p.rules.max
}

// Bounded reports whether nothing but Bounds limits the values of a number.
func (p Place) Bounded() bool {
	return p.rules != nil && p.rules.enum == nil && p.rules.check == nil
}

// Items are the limits of an array: how many items it has, -1 for no limit, and
// whether they must differ.
func (p Place) Items() (least, most int, unique bool) {
	if p.rules == nil {
		return -1, -1, false
	}
	return p.rules.minItems, p.rules.maxItems, p.rules.uniqueItems
}

// Refers reports whether values at the place hold references, at any depth.
func (p Place) Refers() bool {
	if p.rules == nil {
		return false
	}
	if p.rules.typ == typeRef || p.rules.items != nil && p.Item().Refers() {
		return true
	}
	for _, member := range p.rules.members {
		if (Place{rules: member}).Refers() {
			return true
		}
	}
	return false
}

// Check notes every way in which a value breaks the rules of the place.
func (p Place) Check(value bson.RawValue, pointer string, faults *fault.List) {
	k := checker{faults: faults, pointer: pointer, known: len(faults.Items)}
	if p.rules == nil {
		k.free(nil, value.Type, value.Value)
		return
	}
	k.value(p.rules, value.Type, value.Value)
}
