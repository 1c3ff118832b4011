package engine

import (
	"time"

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

// check holds the rules against a whole document. Pointers are those of the
// body alone where the write is already under way.
func (op *operation) check(doc bson.Raw, faults *fault.List) {
	pointer := op.pointer
	if op.verb.changes() {
		pointer = "" // located adds it
	}
	op.collection.Check(doc, pointer, faults)
}
