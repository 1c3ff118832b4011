package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/query"
)

// Selection is all documents that a plan's filter matches, to be changed or
// deleted as one.
type Selection struct {
	Plan *query.Plan
	// Most is how many there may be; of more, none is touched.
	Most int
	// Purge has a delete remove the documents for good, and their history.
	Purge bool
}

// Changed counts the documents of a Selection.
type Changed struct{ Matched, Modified int }

// ChangeAll changes all documents of a selection as a Write says that changes
// one, or none of them. Each is held against the rules, and a fault names the
// document.
func (e *Engine) ChangeAll(ctx context.Context, s Selection, w Write) (Changed, error) {
	p, faults := newPlan(ctx, w), fault.List{}
	if err := p.prepare(&faults); err != nil {
		return Changed{}, err
	}
	var changed Changed
	err := e.store.InTransaction(ctx, func(ctx context.Context) error {
		current, err := e.selected(ctx, s, nil)
		if err != nil {
			return err
		}
		next, refs, err := p.ops[0].successors(current)
		if err != nil {
			return err
		}
		changed = Changed{Matched: len(current), Modified: len(next)}
		if len(next) == 0 {
			return nil
		}
		refused, err := e.carry(ctx, s.Plan.Collection, next)
		if refused >= 0 {
			return ofDocument(err, next[refused].to.Lookup("_id"))
		}
		if err != nil {
			return err
		}
		return e.holdReferences(ctx, refs, nil, nil)
	})
	return changed, err
}

// successors computes what documents become, and which references that adds.
func (op *operation) successors(current []bson.Raw) (next []transition, refs []wanted, err error) {
	for _, doc := range current {
		one := *op
		one.id = doc.Lookup("_id")
		err := one.admits(doc)
		var changed bson.Raw
		if err == nil {
			changed, err = one.next(doc)
		}
		if err != nil {
			return nil, nil, ofDocument(err, one.id)
		}
		next, refs = append(next, one.becomes(doc, changed)), append(refs, op.added(doc, changed, "")...)
	}
	return next, refs, nil
}

// ofDocument says which of several documents an error is about.
func ofDocument(err error, id bson.RawValue) error {
	e := fault.From(err)
	text := strings.Trim(string(bsonjson.AppendValue(nil, id)), `"`)
	return fault.Wrap(err, e.Code, "the document with the id %s: %s", text, e.Detail).WithItems(e.Items...)
}

// DeleteAll deletes all documents of a selection, or none of them, and returns
// how many there were.
func (e *Engine) DeleteAll(ctx context.Context, s Selection) (deleted int, err error) {
	c := s.Plan.Collection.Declared()
	op := &operation{verb: Delete, collection: c, view: s.Plan.Collection, now: time.Now().UTC().Truncate(time.Millisecond), who: observe.Caller(ctx), purge: s.Purge}
	if err := op.authorize(auth.From(ctx)); err != nil {
		return 0, err
	}
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		docs, err := e.selected(ctx, s, op.toDelete())
		if deleted = len(docs); err != nil || deleted == 0 {
			return err
		}
		ids, list := make([]bson.RawValue, len(docs)), make([]transition, len(docs))
		for i, doc := range docs {
			one := *op
			one.id = doc.Lookup("_id")
			if err := one.reaches(doc); err != nil {
				return ofDocument(err, one.id)
			}
			ids[i], list[i] = one.id, op.becomes(doc, op.deleted(doc))
		}
		if _, err := e.carry(ctx, c, list); err != nil || len(c.Referrers) == 0 {
			return err
		}
		return e.settleReferrers(ctx, op, ids)
	})
	return deleted, err
}

// selected reads the documents of a selection.
func (e *Engine) selected(ctx context.Context, s Selection, projection bson.Raw) ([]bson.Raw, error) {
	_, q, err := e.listQuery(ctx, s.Plan)
	if err != nil {
		return nil, err
	}
	q.Projection, q.Limit = projection, int64(s.Most)+1
	if s.Plan.Collection.Grant.Whole() { // else which one fails first would tell of others between
		q.Sort = nil
	}
	var docs []bson.Raw
	size := 0
	err = e.store.Each(ctx, q, func(doc bson.Raw) error {
		if size += len(doc); size > maxAffectedBytes {
			return fault.New(fault.PayloadTooLarge, "the documents that match come to more than %d bytes; narrow the filter", maxAffectedBytes)
		}
		docs = append(docs, slices.Clone(doc))
		return nil
	})
	if err == nil && len(docs) > s.Most {
		err = fault.New(fault.RequirementFailed, "more than %d documents match; narrow the filter, or raise the limit", s.Most).WithItems(
			fault.Item{Pointer: "Prefer", Code: "max-affected", Detail: "admits fewer documents than match"})
	}
	return docs, err
}
