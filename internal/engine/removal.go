package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

const (
	// maxAffected bounds the documents that one delete may delete or change
	// beside those that it names: a transaction must come to its end.
	maxAffected = 10_000
	// maxAffectedBytes bounds those of them that are changed.
	maxAffectedBytes = 64 << 20
	// maxCounted bounds the count of the documents that are in a delete's way.
	maxCounted = 1000
)

// removal sees to what refers to documents that are deleted. It is for one
// attempt of one transaction.
type removal struct {
	*Engine
	// by is the operation that deletes.
	by *operation
	// deleted are the ids of all documents that are deleted, by collection.
	deleted map[*schema.Collection]*idList
	// affected counts the documents that are deleted or changed by the way.
	affected int
}

// idList is a set of ids that can be gone through.
type idList struct {
	list []bson.RawValue
	set  store.IDSet
}

func (l *idList) add(id bson.RawValue) bool {
	if l.set == nil {
		l.set = store.IDSet{}
	}
	if !l.set.Add(id) {
		return false
	}
	l.list = append(l.list, bson.RawValue{Type: id.Type, Value: slices.Clone(id.Value)})
	return true
}

// settleReferrers sees to what refers to documents that the transaction of ctx
// has just deleted: to all of them as one, so that what they are to each other
// does not matter. It deletes and changes as the references say, and fails with
// a ReferenceViolation where one of them forbids that.
func (e *Engine) settleReferrers(ctx context.Context, by *operation, ids []bson.RawValue) error {
	r := &removal{Engine: e, by: by, deleted: map[*schema.Collection]*idList{}}
	first := &idList{}
	for _, id := range ids {
		first.add(id)
	}
	if err := r.cascade(ctx, by.collection, first); err != nil {
		return err
	}
	if err := r.restrict(ctx); err != nil {
		return err
	}
	return r.setNull(ctx)
}

// cascade claims documents that are deleted, and deletes what is to go with
// them, level by level. What is deleted is not found again, so that circles end.
func (r *removal) cascade(ctx context.Context, c *schema.Collection, ids *idList) error {
	for level := map[*schema.Collection]*idList{c: ids}; len(level) > 0; {
		if err := r.claim(ctx, level); err != nil {
			return err
		}
		next := map[*schema.Collection]*idList{}
		err := r.eachReferrer(level, schema.Cascade, func(from schema.Referrer, to *idList) error {
			found, err := r.deleteReferring(ctx, from, to.list)
			if len(found.list) > 0 {
				next[from.Collection] = merged(next[from.Collection], found)
			}
			return err
		})
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

func merged(a, b *idList) *idList {
	if a == nil {
		return b
	}
	for _, id := range b.list {
		a.add(id)
	}
	return a
}

// claim notes documents as deleted, and makes every transaction conflict that
// adds a reference to one of them.
func (r *removal) claim(ctx context.Context, level map[*schema.Collection]*idList) error {
	var keys []store.Key
	for c, ids := range level {
		r.deleted[c] = merged(r.deleted[c], ids)
		for _, id := range ids.list {
			if len(c.Referrers) > 0 {
				keys = append(keys, store.Key{Collection: c.Name, ID: id})
			}
		}
	}
	return r.store.Claim(ctx, keys)
}

// eachReferrer calls visit with every reference to documents of several
// collections that says the same of their delete, and with their ids.
func (r *removal) eachReferrer(of map[*schema.Collection]*idList, answer schema.OnDelete, visit func(from schema.Referrer, to *idList) error) error {
	for c, ids := range of {
		for _, from := range c.Referrers {
			if from.Declared().OnDelete != answer {
				continue
			}
			if err := visit(from, ids); err != nil {
				return err
			}
		}
	}
	return nil
}

// referring calls visit with every document that refers to one of some ids. Those
// that were deleted and kept go with what is purged, and are no concern of others.
func (r *removal) referring(ctx context.Context, from schema.Referrer, ids []bson.RawValue, projection bson.Raw, visit func(bson.Raw) error) error {
	goes := r.by.purge && from.Declared().OnDelete == schema.Cascade
	for some := range slices.Chunk(ids, maxIn) {
		q := store.Query{Collection: from.Collection.Name, Filter: store.In(from.Declared().Path, some), Projection: projection, Batch: maxIn}
		if from.Collection.SoftDelete != nil && !goes {
			q.Filter = store.OnlyLive(q.Filter)
		}
		if err := r.store.Each(ctx, q, visit); err != nil {
			return err
		}
	}
	return nil
}

// affect counts a document that is deleted or changed by the way.
func (r *removal) affect() error {
	if r.affected++; r.affected > maxAffected {
		return fault.New(fault.ReferenceViolation,
			"the delete would also delete or change more than %d documents that refer to what it deletes; delete some of those first", maxAffected)
	}
	return nil
}

// deleteReferring deletes the documents that refer to some ids.
func (r *removal) deleteReferring(ctx context.Context, from schema.Referrer, ids []bson.RawValue) (*idList, error) {
	found, size := &idList{}, 0
	op := r.by.aside(Delete, from.Collection)
	var list []transition
	err := r.referring(ctx, from, ids, op.toDelete(), func(doc bson.Raw) error {
		if !found.add(doc.Lookup("_id")) {
			return nil
		}
		if size += len(doc); size > maxAffectedBytes {
			return errTooLarge
		}
		doc = slices.Clone(doc)
		list = append(list, op.becomes(doc, op.deleted(doc)))
		return r.affect()
	})
	return found, r.carryOut(ctx, from.Collection, list, err)
}

// carryOut stores what becomes of documents, unless finding them failed.
func (r *removal) carryOut(ctx context.Context, c *schema.Collection, list []transition, err error) error {
	for some := range slices.Chunk(list, maxIn) {
		if err == nil {
			_, err = r.carry(ctx, c, some)
		}
	}
	return err
}

var errTooLarge = fault.New(fault.ReferenceViolation, "the documents that refer to what would be deleted are too large to be changed at once; delete some of those first")

// restrict fails where documents that stay refer to what is deleted by a field
// that forbids that.
func (r *removal) restrict(ctx context.Context) error {
	var faults fault.List
	err := r.eachReferrer(r.deleted, schema.Restrict, func(from schema.Referrer, to *idList) error {
		n, err := r.count(ctx, from, to.list)
		if n > 0 {
			faults.Add("", "restrict", "%s of %s by %s", counted(n), from.Collection.Name, from.Declared().Path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(faults.Items, func(a, b fault.Item) int { return strings.Compare(a.Detail, b.Detail) })
	return faults.Err(fault.ReferenceViolation, "documents that stay refer to what would be deleted")
}

// count returns how many documents refer to some ids, maxCounted for more.
func (r *removal) count(ctx context.Context, from schema.Referrer, ids []bson.RawValue) (int, error) {
	found := &idList{}
	err := r.referring(ctx, from, ids, store.OnlyID, func(doc bson.Raw) error {
		if found.add(doc.Lookup("_id")); len(found.list) == maxCounted {
			return errCounted
		}
		return nil
	})
	if errors.Is(err, errCounted) {
		err = nil
	}
	return len(found.list), err
}

var errCounted = errors.New("enough is counted")

func counted(n int) string {
	switch n {
	case 1:
		return "is referred to by 1 document"
	case maxCounted:
		return fmt.Sprintf("is referred to by %d documents or more", n)
	}
	return fmt.Sprintf("is referred to by %d documents", n)
}

// setNull takes the references out of the documents that stay.
func (r *removal) setNull(ctx context.Context) error {
	return r.eachReferrer(r.deleted, schema.SetNull, func(from schema.Referrer, to *idList) error {
		var left []transition
		size := 0
		err := r.referring(ctx, from, to.list, nil, func(doc bson.Raw) error {
			if size += len(doc); size > maxAffectedBytes {
				return errTooLarge
			}
			next, err := r.withoutRefs(from.Collection, slices.Clone(doc))
			left = append(left, next)
			return errors.Join(err, r.affect())
		})
		return r.carryOut(ctx, from.Collection, left, err)
	})
}

// withoutRefs returns what becomes of a document that stays: all of its
// references to what is deleted are taken out at once, so that it is changed
// once.
func (r *removal) withoutRefs(c *schema.Collection, current bson.Raw) (transition, error) {
	body := c.WithoutRefs(withoutSystem(current), func(ref schema.Ref) bool {
		reference := c.References[ref.Reference]
		if reference.OnDelete != schema.SetNull {
			return false
		}
		for deleted, ids := range r.deleted {
			if deleted.Name == reference.To {
				return ids.set.Has(ref.ID)
			}
		}
		return false
	})
	op := r.by.aside(Update, c)
	op.id = current.Lookup("_id")
	next := op.successor(current, body)
	var faults fault.List
	checkChange(c, current, next, "", &faults)
	if len(faults.Items) > 0 {
		return transition{}, fault.New(fault.ReferenceViolation, "a document of %s refers to what would be deleted, and would break its schema without that: %s %s",
			c.Name, faults.Items[0].Pointer, faults.Items[0].Detail)
	}
	return op.becomes(current, next), nil
}
