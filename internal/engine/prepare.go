package engine

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/update"
)

// operation is a Write that was decoded and checked: nothing of it depends on
// when or how often it is run.
type operation struct {
	verb         Verb
	collection   *schema.Collection
	id           bson.RawValue
	precondition Precondition
	pointer      string
	now          time.Time

	// document is the whole new one of Create, and of a Replace that creates.
	document bson.Raw
	// awaitsID is set while the document has a placeholder for its id.
	awaitsID bool
	// body is what was sent, without system fields.
	body bson.Raw
	// patch is the change of Update and JSONPatch, direct the former as one that
	// MongoDB makes by itself, nil for none.
	patch  patch
	direct *update.Direct
	// minimal is set where nobody wants the document.
	minimal bool

	// tree is what a Create brings with it, nil for nothing; links and joins are
	// the relations by which it does.
	tree  *tree
	links []*link
	joins []*join
}

// prepare decodes and checks all writes. It gathers the faults of all; text
// that is no JSON ends it.
func prepare(writes []Write, now time.Time) ([]*operation, error) {
	now = now.UTC().Truncate(time.Millisecond)
	operations := make([]*operation, len(writes))
	var faults fault.List
	for i, w := range writes {
		op := &operation{verb: w.Verb, collection: w.Collection, id: w.ID, precondition: w.Precondition, pointer: w.Pointer, now: now, minimal: w.Minimal}
		if err := op.prepare(w, &faults); err != nil {
			return nil, located(err, op)
		}
		operations[i] = op
	}
	return operations, faults.Err(fault.ValidationFailed, "the document breaks the schema of the collection")
}

func (op *operation) prepare(w Write, faults *fault.List) error {
	switch op.verb {
	case Delete:
		return nil
	case Create:
		return op.prepareNested(w, 0, faults)
	case Update, JSONPatch:
		return op.preparePatch(w, faults)
	}
	decoded, err := bsonjson.Decode(w.Body, op.collection.Fields, bsonjson.Options{
		Defaults: op.verb == Replace, Patch: op.verb == Merge, Now: op.now, Extended: w.Extended, Pointer: op.pointer,
	}, faults)
	if fault.Is(err, fault.ValidationFailed) { // no object
		faults.Items = append(faults.Items, fault.From(err).Items...)
		return nil
	}
	if err != nil {
		return err
	}
	op.body = decoded.Body
	switch op.verb {
	case Replace:
		op.prepareReplace(decoded, faults)
	case Merge:
		op.matchSystem(decoded, faults)
	}
	return nil
}

func (op *operation) prepareCreate(decoded bsonjson.Decoded, faults *fault.List) {
	const readOnly = "is kept by the service; leave it out"
	for _, f := range []struct {
		system bsonjson.System
		name   string
	}{{bsonjson.Version, "version"}, {bsonjson.CreatedAt, "createdAt"}, {bsonjson.UpdatedAt, "updatedAt"}} {
		if isSet(decoded.System[f.system]) {
			faults.Add(op.pointer+"/"+f.name, "read-only", readOnly)
		}
	}
	op.id = decoded.System[bsonjson.ID]
	op.completeID(faults)
	op.document = op.stamp(op.linked(op.sampleIDs()), 1, bsonjson.DateValue(op.now))
	op.check(op.document, faults)
}

// placeholder stands for an id that is allocated once everything is checked.
var placeholder = bsonjson.IntValue(1)

// completeID makes the id where the client did not choose it.
func (op *operation) completeID(faults *fault.List) {
	at := op.pointer + "/id"
	switch {
	case op.collection.ID == schema.Increment:
		if isSet(op.id) {
			faults.Add(at, "read-only", "is given out by the service; leave it out")
		}
		op.id, op.awaitsID = placeholder, true
	case isSet(op.id):
	case op.collection.ID == schema.ObjectID:
		id := bson.NewObjectID()
		op.id = bson.RawValue{Type: bson.TypeObjectID, Value: id[:]}
	case op.collection.ID == schema.UUID:
		// NewV7 fails only without a source of randomness, and then panics.
		op.id = bsonjson.UUIDValue(uuid.Must(uuid.NewV7()))
	case !faults.Has(at):
		faults.Add(at, "required", "is required: clients choose the ids of this collection")
	}
}

// setID puts an allocated id in the place of the placeholder, which is the
// first element of the document.
func (op *operation) setID(id int64) {
	const offset = 4 + 1 + len("_id\x00")
	binary.LittleEndian.PutUint64(op.document[offset:], uint64(id))
	op.id, op.awaitsID = bsonjson.IntValue(id), false
}

func (op *operation) prepareReplace(decoded bsonjson.Decoded, faults *fault.List) {
	op.matchSystem(decoded, faults)
	// What is checked is what will be stored, but for its version and times.
	op.document = op.stamp(op.body, 1, bsonjson.DateValue(op.now))
	op.check(op.document, faults)
	if op.precondition.creates() && !op.collection.ID.Settable() {
		faults.Add("If-None-Match", "read-only", "cannot create here: the service gives out the ids of this collection; use POST")
	}
	if op.precondition.creates() && op.precondition.Match != nil {
		faults.Add(op.pointer+"/version", "read-only", "has no meaning for a document that must not exist; leave it out")
	}
}

// matchSystem admits system fields that came back as they were read: the id
// must be that of the path, and the version is a precondition.
func (op *operation) matchSystem(decoded bsonjson.Decoded, faults *fault.List) {
	if id := decoded.System[bsonjson.ID]; isSet(id) && (id.Type != op.id.Type || !bytes.Equal(id.Value, op.id.Value)) {
		faults.Add(op.pointer+"/id", "immutable", "must be the id of the document, which never changes")
	}
	version := decoded.System[bsonjson.Version]
	n, isInt := version.AsInt64OK()
	switch {
	case isInt:
		op.precondition.Match = op.precondition.Match.only(n)
	case isSet(version):
		faults.Add(op.pointer+"/version", "immutable", "is kept by the service, and cannot be removed")
	}
}

// only returns the versions that are also n; a nil set is that of all.
func (v *Versions) only(n int64) *Versions {
	if v == nil || v.Has(n) {
		return &Versions{List: []int64{n}}
	}
	return &Versions{}
}

// next computes what the stored document becomes; nil for Delete.
func (op *operation) next(current bson.Raw) (bson.Raw, error) {
	var body bson.Raw
	switch op.verb {
	case Replace:
		body = op.body
	case Merge:
		body = bsonjson.Merge(withoutSystem(current), op.body, op.collection.Fields, op.now)
	case Update, JSONPatch:
		patched, err := op.patch.Apply(current, op.now)
		if err != nil {
			return nil, err
		}
		body = withoutSystem(patched)
	default:
		return nil, nil
	}
	next := op.successor(current, body)
	var faults fault.List
	if op.verb != Replace { // which was checked as it came
		op.check(next, &faults)
	}
	return next, faults.Err(fault.ValidationFailed, "the document would break the schema of the collection")
}

// successor puts the system fields around the body of the next version of a
// document.
func (op *operation) successor(current, body bson.Raw) bson.Raw {
	createdAt := current.Lookup("createdAt")
	if createdAt.Type != bson.TypeDateTime {
		createdAt = bsonjson.DateValue(op.now)
	}
	return op.stamp(body, Version(current)+1, createdAt)
}

// check holds the rules against a whole document. Pointers are those of the
// body alone where the write is already under way.
func (op *operation) check(doc bson.Raw, faults *fault.List) {
	pointer := op.pointer
	if op.verb.changes() {
		pointer = "" // located adds it
	}
	op.collection.Check(doc, pointer, faults)
}

// stamp puts the system fields around a body.
func (op *operation) stamp(body bson.Raw, version int64, createdAt bson.RawValue) bson.Raw {
	const system = 80 // bytes of the system fields but for the value of the id
	b := bsonjson.NewBuilder(len(body) + len(op.id.Value) + system)
	if isSet(op.id) {
		b.Append("_id", op.id)
	}
	return b.AppendAll(body, nil).
		Append("version", bsonjson.IntValue(version)).
		Append("createdAt", createdAt).
		Append("updatedAt", bsonjson.DateValue(op.now)).
		Document()
}

func withoutSystem(doc bson.Raw) bson.Raw {
	return bsonjson.NewBuilder(len(doc)).AppendAll(doc, func(name []byte) bool {
		switch string(name) {
		case "_id", "version", "createdAt", "updatedAt":
			return false
		}
		return true
	}).Document()
}

func isSet(value bson.RawValue) bool { return value.Type != 0 }
