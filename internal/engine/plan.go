package engine

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// plan is a batch of writes as operations that are ready to run. What an
// operation mentions of one that has not run yet, such as a document to be read,
// is put in while the transaction runs, on every attempt anew; all else is
// settled.
type plan struct {
	writes []Write
	caller *auth.Principal
	now    time.Time
	// who is the caller by name, empty where nobody is known.
	who string
	ops []*operation
	// names are the places of writes that have one.
	names map[string]int
	// mentions are those of each write; nil where there are none.
	mentions [][]mention
	// size is how much text mentions put in, in bytes.
	size int
}

func newPlan(ctx context.Context, writes ...Write) *plan {
	return &plan{
		writes: writes, caller: auth.From(ctx), who: observe.Caller(ctx), now: time.Now().UTC().Truncate(time.Millisecond), ops: make([]*operation, len(writes)),
	}
}

// prepare decodes and checks all writes. It gathers the faults of all; text
// that is no JSON ends it.
func (p *plan) prepare(faults *fault.List) error {
	p.findMentions(faults)
	for i := range p.writes {
		var own fault.List
		op, err := p.operation(i, p.document, &own)
		if err != nil {
			return err
		}
		p.ops[i] = op
		faults.Join(own)
	}
	what := "the document breaks the schema of the collection"
	if p.mentions != nil {
		what = "the operations are not valid"
	}
	if err := faults.Err(fault.ValidationFailed, "%s", what); err != nil {
		return err
	}
	return p.refused()
}

// refused returns why the rules do not admit one of the operations. Of one that
// mentions what is not known yet, that is told when it is.
func (p *plan) refused() error {
	for _, op := range p.ops {
		if op.late || op.provisional {
			continue
		}
		if err := op.refused(); err != nil {
			return err
		}
	}
	return nil
}

// operation prepares one write, with what it mentions as document tells. Where
// that is nil the mention stays in its place, and what is wrong there is found
// out when it is known.
func (p *plan) operation(i int, document func(int) bson.Raw, faults *fault.List) (*operation, error) {
	w := p.writes[i]
	op := &operation{
		verb: w.Verb, view: w.Collection, id: w.ID, shard: w.Shard, precondition: w.Precondition, place: w.Place, pointer: w.Pointer,
		who: p.who, now: p.now, minimal: w.Minimal, purge: w.Purge, revision: w.Revision,
	}
	if w.Collection == nil {
		return op, nil
	}
	op.collection = w.Collection.Declared()
	if err := reaches(p.caller, w.Collection.Name, w.Place); err != nil {
		return nil, err
	}
	if err := op.authorize(p.caller); err != nil {
		return nil, located(err, op)
	}
	if i < len(p.mentions) {
		p.classify(op, i)
		op.minimal = op.minimal && w.As == ""
		return op, p.prepareMentioning(op, w, p.mentions[i], document, faults)
	}
	return op, located(op.prepare(w, faults), op)
}

// prepareMentioning prepares an operation with the values that it mentions.
func (p *plan) prepareMentioning(op *operation, w Write, mentions []mention, document func(int) bson.Raw, faults *fault.List) error {
	open, err := p.fill(&w, mentions, document, faults)
	if err != nil {
		return err
	}
	var own fault.List
	if err := op.prepare(w, &own); err != nil {
		return located(err, op)
	}
	for _, item := range own.Items {
		if !slices.ContainsFunc(open, func(m mention) bool { return m.holds(item.Pointer) }) {
			faults.Note(item)
		}
	}
	return nil
}

// document returns the document that an operation creates, nil where only
// running it tells.
func (p *plan) document(i int) bson.Raw {
	if op := p.ops[i]; op.collection != nil && op.verb == Create && !op.late && op.tree == nil {
		return op.document
	}
	return nil
}

// model is the one that all operations are of.
func (p *plan) model() *schema.Model { return p.ops[0].model() }

// changed returns the documents that the operations change or delete, as far as
// that is known.
func (p *plan) changed() []store.Key {
	var keys []store.Key
	for _, op := range p.ops {
		if op.verb != Create && op.verb != Read && isSet(op.id) {
			keys = append(keys, store.Key{Collection: op.collection.Name, ID: op.id})
		}
	}
	return slices.Clip(keys)
}
