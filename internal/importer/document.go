package importer

import (
	"bytes"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// outcome is what became of a document.
type outcome uint8

const (
	pending outcome = iota
	imported
	present // it was there already
	refused
)

// document is a value on its way into the database.
type document struct {
	value
	outcome outcome
	// id is the zero value until it is known.
	id      bson.RawValue
	decoded bsonjson.Decoded
	// version, createdAt and updatedAt, where they came with it or not.
	version, createdAt, updatedAt bson.RawValue
	stored                        bson.Raw
	// hash is what it is known by where it came without an id.
	hash *hash
}

func (d *document) refuse(reason *fault.Error) { d.outcome, d.fault = refused, reason }

// inputFields are the fields as an import reads them. Ids that are strings may
// come as any value that has one plain text.
func inputFields(c *schema.Collection) *bsonjson.Fields {
	fields := slices.Clone(c.Fields.All())
	for i, field := range fields {
		if field.System == bsonjson.ID && c.ID == schema.String {
			fields[i].Shape = &bsonjson.Shape{Kind: bsonjson.Any}
		}
	}
	return bsonjson.NewFields(fields, c.Fields.Open())
}

// prepare decodes and checks the document.
func (d *document) prepare(r *run) {
	if d.fault != nil {
		d.outcome = refused
		return
	}
	var faults fault.List
	var err error
	d.decoded, err = bsonjson.Decode(d.text, r.fields, bsonjson.Options{Defaults: true, Extended: true, Now: r.Now}, &faults)
	if err != nil {
		d.refuse(fault.From(err))
		return
	}
	r.Collection.Check(d.decoded.Body, "", &faults)
	d.system(r, &faults)
	if err := faults.Err(fault.ValidationFailed, "the document breaks the schema of %s", r.Collection.Name); err != nil {
		d.refuse(fault.From(err))
	}
}

// system takes the system fields that came with the document, as an export has
// them, and fills in all but the id.
func (d *document) system(r *run, faults *fault.List) {
	system := &d.decoded.System
	d.id = d.inputID(r.Collection, faults)
	d.version = pick(system[bsonjson.Version], bsonjson.IntValue(1))
	d.createdAt = pick(system[bsonjson.CreatedAt], bsonjson.DateValue(r.Now))
	d.updatedAt = pick(system[bsonjson.UpdatedAt], bsonjson.DateValue(r.Now))
	if version, ok := d.version.Int64OK(); !ok || version < 1 {
		faults.Add("/version", "min", "must be at least 1")
	}
}

func pick(sent, other bson.RawValue) bson.RawValue {
	if len(sent.Value) > 0 {
		return sent
	}
	return other
}

// inputID returns the id that came with the document, the zero value for none.
func (d *document) inputID(c *schema.Collection, faults *fault.List) bson.RawValue {
	id := d.decoded.System[bsonjson.ID]
	switch {
	case id.Type == 0:
		if !c.ID.Generated() && !faults.Has("/id") {
			faults.Add("/id", "required", "is required")
		}
	case c.ID == schema.String:
		text, ok := idText(id)
		if !ok {
			faults.Add("/id", "type", "must be a string, an int or an objectId")
		}
		if ok && text == "" {
			faults.Add("/id", "min-length", "must not be empty")
		}
		return bsonjson.StringValue(text)
	}
	return id
}

// idText is an id as text, where that is plain.
func idText(id bson.RawValue) (string, bool) {
	switch id.Type {
	case bson.TypeString:
		return id.StringValueOK()
	case bson.TypeInt64:
		return strconv.FormatInt(id.Int64(), 10), true
	case bson.TypeObjectID:
		return id.ObjectID().Hex(), true
	}
	return "", false
}

// stamp makes what is stored.
func (d *document) stamp() {
	if d.outcome != pending {
		return
	}
	d.stored = bsonjson.NewBuilder(len(d.decoded.Body)+96).
		Append("_id", d.id).
		AppendAll(d.decoded.Body, nil).
		Append("version", d.version).
		Append("createdAt", d.createdAt).
		Append("updatedAt", d.updatedAt).
		Document()
}

// sameAs reports whether a stored document has the content of this one. The
// system fields do not count, nor the values that it got for want of its own:
// those can be another every time.
func (d *document) sameAs(stored bson.Raw, r *run) bool {
	sent, err := bsonjson.Decode(d.text, r.fields, bsonjson.Options{Extended: true}, new(fault.List))
	if err != nil {
		return false
	}
	body := bsonjson.NewBuilder(len(stored)).AppendAll(stored, func(name []byte) bool {
		return !isSystem(string(name))
	}).Document()
	return same(body, d.decoded.Body, sent.Body)
}

func isSystem(name string) bool {
	return name == "_id" || name == "version" || name == "createdAt" || name == "updatedAt"
}

// same compares a stored document or array with one that has its defaults, of
// which sent is what came.
func same(stored, complete, sent bson.Raw) bool {
	if bytes.Equal(stored, complete) {
		return true
	}
	members, err := complete.Elements()
	there, thereErr := stored.Elements()
	came, cameErr := sent.Elements()
	if err != nil || thereErr != nil || cameErr != nil || len(members) != len(there) {
		return false
	}
	for i, member := range members {
		other, ok := named(there, i, member.Key())
		if !ok {
			return false
		}
		if own, ok := named(came, i, member.Key()); ok && !sameValue(other, member.Value(), own) {
			return false
		}
	}
	return true
}

// named returns the value of a name, which is most often at the place i.
func named(members []bson.RawElement, i int, name string) (bson.RawValue, bool) {
	if i < len(members) && members[i].Key() == name {
		return members[i].Value(), true
	}
	for _, member := range members {
		if member.Key() == name {
			return member.Value(), true
		}
	}
	return bson.RawValue{}, false
}

func sameValue(stored, complete, sent bson.RawValue) bool {
	if stored.Type != complete.Type {
		return false
	}
	if stored.Type == bson.TypeEmbeddedDocument || stored.Type == bson.TypeArray {
		return same(stored.Value, complete.Value, sent.Value)
	}
	return bytes.Equal(stored.Value, complete.Value)
}
