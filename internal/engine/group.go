package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Small batches that come at the same time share a transaction of MongoDB's: the
// documents of all are read by one command a collection, the batches are carried
// out in memory, one after the other and each whole or not at all, and what
// becomes of the documents is stored by one command a collection. A batch that
// fails leaves no trace in it. What MongoDB refuses is left out, and the others
// are tried again.

// The bounds of a group.
const (
	groupInFlight   = 2
	groupSize       = 64
	groupBytes      = 4 << 20
	groupQueue      = 10_000
	groupQueueBytes = 64 << 20
	// groupOperations is how many operations a batch that joins a group has at
	// most: one with more shares enough commands by itself.
	groupOperations = 20
)

// planCall is a batch that shares a transaction.
type planCall = coalesce.Call[*plan, []Result]

func (e *Engine) newGroups() *coalesce.Batcher[*plan, []Result] {
	limits := coalesce.Limits{
		InFlight: groupInFlight, Size: groupSize, Bytes: groupBytes, Queue: groupQueue, QueueBytes: groupQueueBytes, Timeout: e.store.Timeout(),
		Sent: e.store.Batches("transaction"),
	}
	weigh := func(p *plan) (size int) {
		for _, w := range p.writes {
			size += len(w.Body)
		}
		return size
	}
	return coalesce.New(limits, weigh, byModel((*plan).model, e.groupBatch))
}

// groupable reports whether a batch can be carried out in memory, on documents
// that are known before.
func (p *plan) groupable() bool {
	if len(p.ops) > groupOperations {
		return false
	}
	return !slices.ContainsFunc(p.ops, func(op *operation) bool {
		return op.late || op.tree != nil || op.precondition.creates() || !op.shareable()
	})
}

// groupBatch answers batches that came together.
func (e *Engine) groupBatch(ctx context.Context, calls []*planCall) {
	alone := func(c *planCall) { c.Response, c.Err = e.transact(ctx, c.Request, false) }
	if len(calls) == 1 {
		alone(calls[0])
		return
	}
	var apart []*planCall
	together(calls, func(calls []*planCall) (refused *planCall, err error) {
		if refused, apart, err = e.groupOnce(ctx, calls); refused != nil {
			apart = nil // they are among those that are tried again
		}
		return refused, err
	}, alone)
	if len(apart) > 0 {
		coalesce.Apart(apart, alone)
	}
}

// groupOnce carries batches out in one transaction. Those that cannot share it
// are left to be carried out apart. Where one is refused by MongoDB nothing is
// stored, and it is returned with the error.
func (e *Engine) groupOnce(ctx context.Context, calls []*planCall) (refused *planCall, apart []*planCall, err error) {
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		refused, apart = nil, nil
		g := group{Engine: e, docs: map[*schema.Collection]map[string]*held{}}
		if err := g.load(ctx, calls); err != nil {
			return err
		}
		for _, c := range calls {
			if !g.carryOut(c) {
				apart = append(apart, c)
			}
		}
		refused, err = g.save(ctx)
		return err
	})
	return refused, apart, err
}

// group is one attempt to carry out batches together.
type group struct {
	*Engine
	// docs are the documents that the batches are about, by the keys of their ids.
	docs map[*schema.Collection]map[string]*held
	// adds are the references that each batch adds.
	adds []addition
}

// held is a document while batches are carried out.
type held struct {
	// stored is nil where there was none, current where there is none now.
	stored, current bson.Raw
	// by is the batch that changed it last, nil for none.
	by *planCall
	// trail are the versions that it went through, where a history is kept.
	trail  []version
	chosen bool
}

// addition is the references that one batch adds.
type addition struct {
	by   *planCall
	refs []wanted
}

// load reads the documents that the batches are about.
func (g *group) load(ctx context.Context, calls []*planCall) error {
	var keys []store.Key
	ids := map[*schema.Collection][]bson.RawValue{}
	for _, c := range calls {
		keys = append(keys, c.Request.changed()...)
		for _, op := range c.Request.ops {
			if op.verb != Create && g.hold(op) {
				ids[op.collection] = append(ids[op.collection], op.id)
			}
		}
	}
	if err := g.store.Queue(ctx, keys); err != nil {
		return err
	}
	for c, list := range ids {
		docs, err := g.store.GetMany(ctx, c.Name, list, maxReadBytes)
		if err != nil {
			return err
		}
		for key, doc := range docs {
			h := g.docs[c][key]
			h.stored, h.current = doc, doc
		}
	}
	return nil
}

// hold makes room for the document of an operation, and reports whether there was
// none.
func (g *group) hold(op *operation) bool {
	docs := g.docs[op.collection]
	if docs == nil {
		docs = map[string]*held{}
		g.docs[op.collection] = docs
	}
	key := store.IDKey(op.id)
	if docs[key] != nil {
		return false
	}
	docs[key] = &held{}
	return true
}

// carryOut carries one batch out on the documents as the batches before it left
// them, or gives it its error. It reports false for one that cannot be carried
// out among these others, of which nothing is left either.
func (g *group) carryOut(c *planCall) bool {
	c.Response, c.Err = nil, nil
	s := step{group: g, next: map[*held]transition{}}
	results := make([]Result, len(c.Request.ops))
	for i, op := range c.Request.ops {
		var err error
		if results[i], err = s.operation(op); err != nil {
			c.Err = located(err, op)
			return true
		}
		if s.apart {
			return false
		}
	}
	for h, next := range s.next {
		h.current, h.by, h.chosen = next.to, c, next.chosen
		h.trail = append(h.trail, next.trail...)
	}
	if len(s.refs) > 0 {
		g.adds = append(g.adds, addition{c, s.refs})
	}
	c.Response = results
	return true
}

// step is one batch while it is carried out.
type step struct {
	*group
	// next is what becomes of the documents that it changes.
	next map[*held]transition
	refs []wanted
	// apart is set where MongoDB might decide otherwise if the batches came one by
	// one.
	apart bool
}

func (s *step) operation(op *operation) (Result, error) {
	if op.verb == Create {
		return s.create(op), nil
	}
	h := s.docs[op.collection][store.IDKey(op.id)]
	current, before := h.current, s.next[h]
	if before.from != nil || before.to != nil {
		current = before.to
	}
	if current == nil {
		return Result{}, notFound(op.collection)
	}
	if err := op.admits(current); err != nil {
		return Result{}, err
	}
	if op.verb == Read {
		return Result{ID: op.id, Document: current}, nil
	}
	next, err := op.next(current)
	if err != nil {
		return Result{}, err
	}
	s.refer(op.added(current, next, op.pointer))
	s.apart = s.apart || h.stored == nil || uniqueDiffer(op.collection, h.stored, current)
	becomes := op.becomes(current, next)
	becomes.trail = append(before.trail, becomes.trail...)
	s.next[h] = becomes
	return op.result(next), nil
}

// refer notes references that are added. Whether a document is one that the caller
// sees is not known before it is stored, of which others are in the group.
func (s *step) refer(refs []wanted) {
	s.refs = append(s.refs, refs...)
	s.apart = s.apart || slices.ContainsFunc(refs, func(w wanted) bool { return w.seen != nil })
}

// create adds a new document. A document of the group that has the id already is
// for MongoDB to decide about.
func (s *step) create(op *operation) Result {
	s.apart = s.apart || !s.hold(op)
	s.next[s.docs[op.collection][store.IDKey(op.id)]] = op.becomes(nil, op.document)
	s.refer(op.added(nil, op.document, op.pointer))
	return Result{Created: true, ID: op.id, Document: op.document}
}

// uniqueDiffer reports whether a field of a unique index was changed: MongoDB has
// not looked at the value yet, and never would if it changed again.
func uniqueDiffer(c *schema.Collection, stored, current bson.Raw) bool {
	for _, index := range c.Indexes {
		if !index.Unique {
			continue
		}
		for _, path := range index.Fields {
			name, _, _ := strings.Cut(path, ".")
			a, b := stored.Lookup(name), current.Lookup(name)
			if a.Type != b.Type || !bytes.Equal(a.Value, b.Value) {
				return true
			}
		}
	}
	return false
}

// save stores what became of the documents. It returns the batch that is refused.
func (g *group) save(ctx context.Context) (refused *planCall, err error) {
	created, shared, refused, err := g.references(ctx)
	if err != nil || refused != nil {
		return refused, err
	}
	for c, docs := range g.docs {
		var list []transition
		var by []*planCall
		for _, h := range docs {
			if h.by != nil && (h.stored != nil || h.current != nil) {
				list, by = append(list, transition{from: h.stored, to: h.current, trail: h.trail, chosen: h.chosen}), append(by, h.by)
			}
		}
		at, err := g.carry(ctx, c, list)
		if at >= 0 {
			return by[at], located(err, by[at].Request.about(list[at].to.Lookup("_id"), c.Name))
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, g.store.Share(ctx, distinct(shared, created))
}

// about returns the last operation about a document.
func (p *plan) about(id bson.RawValue, collection string) *operation {
	for _, op := range slices.Backward(p.ops) {
		if op.verb != Read && op.collection.Name == collection && store.IDKey(op.id) == store.IDKey(id) {
			return op
		}
	}
	return p.ops[0]
}

// references holds what the batches refer to. It returns the documents that are
// new, the references to be held, and the batch one of whose leads nowhere with
// the error.
func (g *group) references(ctx context.Context) (created refSet, all []wanted, refused *planCall, err error) {
	created, known := refSet{}, refSet{}
	for c, docs := range g.docs {
		for _, h := range docs {
			switch {
			case h.current == nil, c.Deleted(h.current):
			case h.stored == nil:
				created.add(c.Name, h.current.Lookup("_id"))
			default:
				known.add(c.Name, h.current.Lookup("_id"))
			}
		}
	}
	for _, a := range g.adds {
		all = append(all, a.refs...)
	}
	looked := slices.DeleteFunc(slices.Clone(all), func(w wanted) bool { return created.has(w.key) })
	there, err := g.lookFor(ctx, looked, known)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, a := range g.adds {
		if err := dangling(a.refs, there, created, known); err != nil {
			return nil, nil, a.by, err
		}
	}
	return created, all, nil, nil
}
