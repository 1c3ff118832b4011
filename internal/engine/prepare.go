package engine

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/update"
)

// operation is a Write that was decoded and checked: nothing of it depends on
// when or how often it is run.
type operation struct {
	verb Verb
	// collection is as its file declares it, view as the caller knows it.
	collection, view *schema.Collection
	// caller is who asks, reads and writes are what the rules let it see of the
	// collection, and do by this operation.
	caller        *auth.Principal
	reads, writes *permit
	// sights are what it sees of other collections, as far as that was asked.
	sights map[string]*permit
	// rule is the one that admits the write, refusal is set where none does.
	rule    settled
	refusal error
	// basis is what a Restore changes, where rules are held against that.
	basis bson.Raw
	// sent are the fields of a new document that the client gave, where a rule asks.
	sent         []string
	id           bson.RawValue
	shard        bson.Raw
	precondition Precondition
	// require is what the stored document must match, nil for nothing.
	require *requirement
	// place is where the operation lies in what the client sent, and pointer where
	// its document or change does.
	place, pointer string
	now            time.Time
	// who is the caller by name, for the history.
	who string
	// purge and revision are those of the Write.
	purge    bool
	revision int64

	// document is the whole new one of Create, and of a Replace that creates.
	document bson.Raw
	// awaitsID is set while the document has a placeholder for its id, allocated
	// once the service has given it one.
	awaitsID, allocated bool
	// chosen is set where the client chose the id of the new document.
	chosen bool
	// late is set where the operation mentions what only running others tells: it
	// is prepared again then. provisional is one that mentions what changes when
	// ids are allocated.
	late, provisional bool
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

// prepare decodes and checks one write. What is wrong with its values is noted;
// an error is text that is no JSON.
func (op *operation) prepare(w Write, faults *fault.List) error {
	op.prepareID(w, faults)
	op.prepareRequire(w, faults)
	switch op.verb {
	case Delete:
		op.prepareDelete()
		return nil
	case Read, Restore:
		return nil
	case Create:
		return op.prepareNested(w, 0, faults)
	case Update, JSONPatch:
		return op.preparePatch(w, faults)
	}
	fields := op.view.ChangeFields
	if op.precondition.creates() {
		fields = op.view.Creatable()
	}
	decoded, err := bsonjson.Decode(w.Body, fields, bsonjson.Options{
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
		op.sent = op.fieldsOf(w.Body)
		op.prepareReplace(decoded, faults)
	case Merge:
		op.matchSystem(decoded, faults)
	}
	return nil
}

// prepareID reads an id that came as JSON.
func (op *operation) prepareID(w Write, faults *fault.List) {
	if w.IDText == nil {
		return
	}
	before, at := len(faults.Items), w.Place+"/id"
	id, err := op.collection.DecodeID(w.IDText, at, faults)
	if len(faults.Items) == before && (err != nil || !isSet(id)) {
		faults.Add(at, "type", "is not an id")
	}
	op.id = id
}

// requirement is a filter that the stored document must match.
type requirement struct {
	filter *filter.Bound
	bson   bson.Raw
}

// prepareRequire reads the filter that the stored document must match.
func (op *operation) prepareRequire(w Write, faults *fault.List) {
	if w.Require == nil {
		return
	}
	at := w.Place + "/require"
	tree := filter.Parse(w.Require, at, faults)
	if tree == nil {
		return
	}
	bound := tree.Bind(filter.Fields(op.view.Fields), faults)
	switch {
	case bound == nil || bound.Empty():
		return
	case !bound.Matchable():
		faults.Add(at, "unknown-operator", "$text, $near, $geoWithin and conditions on relations do not stand here")
		return
	}
	text, err := bson.Marshal(bound.BSON())
	if err != nil {
		faults.Add(at, "syntax", "is not a filter that MongoDB takes")
		return
	}
	op.require = &requirement{bound, text}
}

func (op *operation) prepareCreate(decoded bsonjson.Decoded, faults *fault.List) {
	const readOnly = "is kept by the service; leave it out"
	for _, f := range []struct {
		system bsonjson.System
		name   string
	}{{bsonjson.Version, "version"}, {bsonjson.CreatedAt, "createdAt"}, {bsonjson.UpdatedAt, "updatedAt"}, {bsonjson.DeletedAt, schema.DeletedAt}} {
		if isSet(decoded.System[f.system]) {
			faults.Add(op.pointer+"/"+f.name, "read-only", readOnly)
		}
	}
	given := op.id
	op.id = decoded.System[bsonjson.ID]
	if isSet(given) && !isSet(op.id) {
		op.id = given
	} else {
		op.completeID(faults)
	}
	op.chosen = isSet(given) || isSet(decoded.System[bsonjson.ID])
	op.completeDefaults()
	op.document = op.stamp(op.linked(op.sampleIDs()), 1, bsonjson.DateValue(op.now))
	op.grantCreate()
	op.collection.Check(op.document, op.pointer, faults)
}

// completeDefaults adds the defaults of fields that the caller does not know.
func (op *operation) completeDefaults() {
	if missing := op.view.Missing(); missing != nil {
		op.body = bsonjson.NewBuilder(len(op.body)).AppendAll(op.body, nil).AppendAll(bsonjson.Fresh(nil, missing, op.now), nil).Document()
	}
}

func (op *operation) prepareReplace(decoded bsonjson.Decoded, faults *fault.List) {
	op.matchSystem(decoded, faults)
	op.chosen = true
	// What is checked is what will be stored, but for its version and times.
	if op.precondition.creates() {
		op.completeDefaults()
	}
	op.document = op.stamp(op.body, 1, bsonjson.DateValue(op.now))
	if op.precondition.creates() {
		op.grantCreate()
	}
	if op.precondition.creates() || !op.limited() { // else it gets fields of the stored one
		op.collection.Check(op.document, op.pointer, faults)
	}
	if op.precondition.creates() && !op.collection.ID.Settable() {
		faults.Add("If-None-Match", "read-only", "cannot create here: the service gives out the ids of this collection; use POST")
	}
	if op.precondition.creates() && op.precondition.Match != nil {
		faults.Add(op.pointer+"/version", "read-only", "has no meaning for a document that must not exist; leave it out")
	}
}
