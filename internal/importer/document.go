package importer

import (
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// document is a value on its way into the database.
type document struct {
	value
	outcome Outcome
	// id is the zero value until it is known.
	id      bson.RawValue
	decoded bsonjson.Decoded
	// hash is what it is known by where it came without an id.
	hash *hash
	// round is how many documents with the same id come before it in the batch.
	round int
	// stored is what was or is to be stored last, and attempted what becomes of
	// the document by that.
	stored    bson.Raw
	attempted Outcome
}

func (d *document) refuse(reason *fault.Error) { d.outcome, d.fault = Refused, reason }

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

// prepare decodes the document, and checks it where it comes whole.
func (d *document) prepare(r *run) {
	if d.fault != nil {
		d.outcome = Refused
		return
	}
	var faults fault.List
	if err := d.decode(r, &faults); err != nil {
		d.refuse(fault.From(err))
		return
	}
	d.id = d.inputID(r.Collection, &faults)
	if version := d.decoded.System[bsonjson.Version]; sent(version) {
		if n, ok := version.Int64OK(); !ok || n < 1 {
			faults.Add("/version", "min", "must be at least 1")
		}
	}
	d.judge(r, &faults)
}

// judge refuses the document for its faults, if there are any.
func (d *document) judge(r *run, faults *fault.List) {
	if err := faults.Err(fault.ValidationFailed, "the document breaks the schema of %s", r.Collection.Name); err != nil {
		d.refuse(fault.From(err))
	}
}

// decode reads the document. One that comes from an export gets no defaults,
// since it had none when it was stored, unless the schema asks for a field that
// it lacks.
func (d *document) decode(r *run, faults *fault.List) (err error) {
	options := bsonjson.Options{Defaults: r.Mode != Merge, Patch: r.Mode == Merge, Extended: true, Exact: true, Now: r.Now}
	if d.decoded, err = bsonjson.Decode(d.text, r.fields, options, faults); err != nil || r.Mode == Merge {
		return err
	}
	if d.decoded.Defaulted && d.exported() {
		options.Defaults = false
		var more fault.List
		bare, err := bsonjson.Decode(d.text, r.fields, options, &more)
		if r.Collection.Check(bare.Body, "", &more); err == nil && len(more.Items) == 0 {
			d.decoded = bare
			return nil
		}
	}
	r.Collection.Check(d.decoded.Body, "", faults)
	return nil
}

// exported reports whether the document comes with all that the service keeps,
// as an export has it: then it is stored as it was.
func (d *document) exported() bool {
	system := &d.decoded.System
	return sent(system[bsonjson.ID]) && sent(system[bsonjson.Version]) && sent(system[bsonjson.CreatedAt]) && sent(system[bsonjson.UpdatedAt])
}

func sent(value bson.RawValue) bool { return len(value.Value) > 0 }

func pick(value, other bson.RawValue) bson.RawValue {
	if sent(value) {
		return value
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
