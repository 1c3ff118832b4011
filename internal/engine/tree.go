package engine

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// all returns the operation and those that it brings with it.
func (op *operation) all() []*operation {
	list := []*operation{op}
	if op.tree == nil {
		return list
	}
	for _, t := range op.tree.targets {
		if t.create != nil {
			list = append(list, t.create)
		}
	}
	return list
}

// planting stores a tree. It is for one attempt of one transaction.
type planting struct {
	*Engine
	*tree
	// found are the documents that targets name.
	found map[*target]bson.Raw
	// ids are those of all targets that there are, made those of the documents
	// that are created by what was looked for.
	ids  map[*target]bson.RawValue
	made map[string]bson.RawValue
	// operations are the documents to create: the root first.
	operations []*operation
	// joined are the documents of the other side that get an id.
	joined  []*joined
	created refSet
	known   refSet
}

// joined is a stored document that changes as others connect to it.
type joined struct {
	collection     *schema.Collection
	pointer        string
	original, body bson.Raw
}

// plant creates the documents of a tree and connects those that it names, all
// or nothing, and returns the document of the root.
func (e *Engine) plant(ctx context.Context, op *operation) (Result, error) {
	err := e.store.InTransaction(ctx, func(ctx context.Context) error {
		p := &planting{
			Engine: e, tree: op.tree, found: map[*target]bson.Raw{}, ids: map[*target]bson.RawValue{}, made: map[string]bson.RawValue{},
			created: refSet{}, known: refSet{},
		}
		return p.run(ctx)
	})
	return Result{Created: true, Document: op.document}, err
}

func (p *planting) run(ctx context.Context) error {
	if err := p.find(ctx); err != nil {
		return err
	}
	if err := p.settle(); err != nil {
		return err
	}
	if err := p.insert(ctx); err != nil {
		return err
	}
	if err := p.replaceJoined(ctx); err != nil {
		return err
	}
	var refs []wanted
	for _, op := range p.operations {
		refs = append(refs, op.added(nil, op.document, p.relative(op.pointer))...)
	}
	return p.holdReferences(ctx, refs, p.created, p.known)
}

// relative is a pointer as seen from the root: what reports a fault of the
// root's operation puts its place before it.
func (p *planting) relative(pointer string) string {
	return strings.TrimPrefix(pointer, p.root.pointer)
}

// find reads the documents that targets name: by one command a field.
func (p *planting) find(ctx context.Context) error {
	type place struct {
		collection *schema.Collection
		field      string
		whole      bool
	}
	wanted := map[place]map[string][]*target{}
	values := map[place][]bson.RawValue{}
	for _, t := range p.targets {
		if t.find == nil {
			continue
		}
		seen := p.root.sight(t.find.collection.Name)
		at, key := place{t.find.collection, t.find.field, t.joins || seen != nil}, store.IDKey(t.find.value)
		if wanted[at] == nil {
			wanted[at] = map[string][]*target{}
		}
		if len(wanted[at][key]) == 0 {
			values[at] = append(values[at], t.find.value)
		}
		wanted[at][key] = append(wanted[at][key], t)
	}
	for at, list := range values {
		q := store.Query{Collection: at.collection.Name, Filter: store.In(at.field, list), Batch: maxIn}
		if at.collection.SoftDelete != nil {
			q.Filter = store.OnlyLive(q.Filter)
		}
		if !at.whole {
			q.Projection = store.Only("_id", at.field)
		}
		err := p.store.Each(ctx, q, func(doc bson.Raw) error {
			if !p.root.sight(at.collection.Name).matches(doc) {
				return nil
			}
			doc = slices.Clone(doc)
			for _, t := range wanted[at][store.IDKey(doc.Lookup(at.field))] {
				p.found[t] = doc
			}
			p.known.add(at.collection.Name, doc.Lookup("_id"))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settle works out what is created and connected, and holds the rules against
// that. It needs no database.
func (p *planting) settle() error {
	var missing fault.List
	p.grow(p.root, &missing)
	if err := missing.Err(fault.ReferenceViolation, "a relation leads to a document that does not exist"); err != nil {
		return err
	}
	var faults fault.List
	for _, op := range p.operations {
		if len(op.links) > 0 {
			op.document = op.stamp(op.linked(p.id), 1, bsonjson.DateValue(op.now))
			if op.grantCreate(); op.refusal != nil {
				return op.refusal
			}
			op.collection.Check(op.document, p.relative(op.pointer), &faults)
		}
		for _, j := range op.joins {
			if doc, ok := p.found[j.to]; ok {
				p.join(j, doc, op.id)
			}
		}
	}
	for _, j := range p.joined {
		before := len(faults.Items)
		checkChange(j.collection.Declared(), j.original, j.body, "", &faults)
		for i := before; i < len(faults.Items); i++ {
			faults.Items[i].Detail = strings.TrimPrefix(faults.Items[i].Pointer, "/") + " " + faults.Items[i].Detail
			faults.Items[i].Pointer = p.relative(j.pointer)
		}
	}
	return faults.Err(fault.ValidationFailed, "the documents would break the schema of their collections")
}

// grow adds a document to create, and what comes with it.
func (p *planting) grow(op *operation, missing *fault.List) {
	p.operations = append(p.operations, op)
	p.created.add(op.collection.Name, op.id)
	for _, l := range op.links {
		for _, t := range l.to {
			p.reach(t, missing)
		}
	}
	for _, j := range op.joins {
		p.reach(j.to, missing)
	}
}

// reach settles which document a target is.
func (p *planting) reach(t *target, missing *fault.List) {
	doc, found := p.found[t]
	switch {
	case t.owner:
		p.ids[t] = t.create.id
	case found:
		p.ids[t] = doc.Lookup("_id")
	case t.create == nil:
		missing.Add(p.relative(t.pointer), "reference", "names no document of %s", t.find.collection.Name)
	case t.find != nil && !p.made[t.find.key()].IsZero():
		p.ids[t] = p.made[t.find.key()]
	default:
		if t.find != nil {
			p.made[t.find.key()] = t.create.id
		}
		p.ids[t] = t.create.id
		p.grow(t.create, missing)
	}
}

// key is the same for two lookups of the same document.
func (l *lookup) key() string {
	return l.collection.Name + "\x00" + l.field + "\x00" + store.IDKey(l.value)
}

func (p *planting) id(t *target) bson.RawValue { return p.ids[t] }

// join lets a stored document refer to the document with an id.
func (p *planting) join(j *join, doc bson.Raw, id bson.RawValue) {
	i := slices.IndexFunc(p.joined, func(other *joined) bool {
		return other.collection == j.relation.Collection && store.IDKey(other.original.Lookup("_id")) == store.IDKey(doc.Lookup("_id"))
	})
	if i < 0 {
		i = len(p.joined)
		p.joined = append(p.joined, &joined{collection: j.relation.Collection, pointer: j.to.pointer, original: doc, body: withoutSystem(doc)})
	}
	p.joined[i].body = withRef(p.joined[i].body, j.relation, id)
}

// withRef returns a body whose field refers to an id: beside others, where it
// is an array.
func withRef(body bson.Raw, relation *schema.Relation, id bson.RawValue) bson.Raw {
	value := id
	if relation.ByMany {
		value = withItem(body.Lookup(relation.By), id)
	}
	return bsonjson.NewBuilder(len(body)+len(value.Value)+16).
		AppendAll(body, func(name []byte) bool { return string(name) != relation.By }).
		Append(relation.By, value).Document()
}

func withItem(array, item bson.RawValue) bson.RawValue {
	b, n := bsonjson.NewBuilder(len(array.Value)+32), 0
	if list, ok := array.ArrayOK(); ok {
		values, _ := list.Values()
		for _, v := range values {
			b.Append(strconv.Itoa(n), v)
			n++
		}
	}
	return bson.RawValue{Type: bson.TypeArray, Value: b.Append(strconv.Itoa(n), item).Document()}
}

// insert stores the new documents: by one command a collection.
func (p *planting) insert(ctx context.Context) error {
	for _, group := range byCollection(p.operations) {
		refused, err := p.carry(ctx, group[0].collection, creations(group))
		if refused >= 0 {
			return locatedAt(err, p.relative(group[refused].pointer))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byCollection groups operations by their collection, in the order in which
// those come first.
func byCollection(ops []*operation) [][]*operation {
	var groups [][]*operation
	for _, op := range ops {
		i := slices.IndexFunc(groups, func(group []*operation) bool { return group[0].collection == op.collection })
		if i < 0 {
			i = len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], op)
	}
	return groups
}

// next is what becomes of the document, if the caller may change it so.
func (j *joined) next(root *operation) (op *operation, next bson.Raw, err error) {
	op = root.aside(Update, j.collection.Declared())
	op.view, op.id = j.collection, j.original.Lookup("_id")
	if err := op.authorize(root.caller); err != nil {
		return nil, nil, err
	}
	next, err = op.permitted(j.original, op.successor(j.original, j.body))
	return op, next, err
}

// replaceJoined stores the documents that were connected to.
func (p *planting) replaceJoined(ctx context.Context) error {
	for _, j := range p.joined {
		op, next, err := j.next(p.root)
		if err != nil {
			return locatedAt(err, p.relative(j.pointer))
		}
		if _, err := p.carry(ctx, op.collection, []transition{op.becomes(j.original, next)}); err != nil {
			return locatedAt(err, p.relative(j.pointer))
		}
	}
	return nil
}
