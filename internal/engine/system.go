package engine

import (
	"bytes"
	"encoding/binary"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

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
	op.id, op.awaitsID, op.allocated = bsonjson.IntValue(id), false, true
}

// matchSystem admits system fields that came back as they were read: the id
// must be that of the path, and the version is a precondition.
func (op *operation) matchSystem(decoded bsonjson.Decoded, faults *fault.List) {
	if id := decoded.System[bsonjson.ID]; isSet(id) && (id.Type != op.id.Type || !bytes.Equal(id.Value, op.id.Value)) {
		faults.Add(op.pointer+"/id", "immutable", "must be the id of the document, which never changes")
	}
	if isSet(decoded.System[bsonjson.DeletedAt]) {
		faults.Add(op.pointer+"/"+schema.DeletedAt, "read-only", "is kept by the service: a delete sets it, and restoring the document takes it away")
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

// successor puts the system fields around the body of the next version of a
// document.
func (op *operation) successor(current, body bson.Raw) bson.Raw {
	createdAt := current.Lookup("createdAt")
	if createdAt.Type != bson.TypeDateTime {
		createdAt = bsonjson.DateValue(op.now)
	}
	return op.stamp(body, Version(current)+1, createdAt)
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
