package engine

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// A create may bring other documents with it, by its relations: some to be
// created with it, some to be found and connected. All become operations of one
// tree, whose root is the create itself.

const (
	// maxNesting bounds how deep relations lie within each other.
	maxNesting = 5
	// maxTargets bounds the documents that one create brings with it.
	maxTargets = 1000
)

// tree is a create with all that it brings with it.
type tree struct {
	root    *operation
	targets []*target
}

// target is a document that a relation leads to: one to be found, one to be
// created, or one to be created where it is not found.
type target struct {
	// pointer leads to it in what the client sent.
	pointer string
	// ids says how the document gets its id.
	ids    schema.IDKind
	find   *lookup
	create *operation
	// joins is set where the document itself is changed when it is found: the
	// field that connects is its own.
	joins bool
	// owner is set for the document that the relation starts from, as seen from
	// those that it leads to. It is created in any case.
	owner bool
}

// lookup names a document by its id, or by a field that is unique.
type lookup struct {
	collection *schema.Collection
	field      string // as it is stored
	value      bson.RawValue
}

// link is a field of a document to create that gets the ids of targets.
type link struct {
	relation *schema.Relation
	// many is set where the field is an array.
	many bool
	to   []*target
}

// join is a relation by a field of the other side: where its target is found,
// that gets the id of the document to create.
type join struct {
	relation *schema.Relation
	to       *target
}

// verbs are the members of a nested write.
var verbs = bsonjson.NewFields([]bsonjson.Field{
	{Name: "create", Apart: true}, {Name: "connect", Apart: true}, {Name: "connectOrCreate", Apart: true},
}, false)

// choice are the members of connectOrCreate.
var choice = bsonjson.NewFields([]bsonjson.Field{{Name: "where", Apart: true}, {Name: "create", Apart: true}}, false)

// nester reads the nested writes of one document to create.
type nester struct {
	op       *operation
	extended bool
	depth    int
	faults   *fault.List
}

// relations reads the members of a body that are relations.
func (n nester) relations(decoded bsonjson.Decoded) error {
	for _, member := range decoded.Apart {
		relation, _ := n.op.view.Relation(member.Name)
		pointer := bsonjson.AppendToken(n.op.pointer, member.Name)
		if relation.Kind == schema.BelongsTo && has(decoded.Body, relation.By) {
			n.faults.Add(pointer, "conflict", "stands beside %s, which it sets; give one of them", relation.By)
			continue
		}
		if n.op.tree == nil {
			n.op.tree = &tree{root: n.op}
		}
		if err := n.relation(relation, member.Text, pointer); err != nil {
			return err
		}
	}
	return nil
}

func has(doc bson.Raw, name string) bool {
	_, err := doc.LookupErr(name)
	return err == nil
}

// relation reads the nested write of one relation.
func (n nester) relation(relation *schema.Relation, text []byte, pointer string) error {
	if err := reaches(n.op.caller, relation.Target, strings.TrimPrefix(pointer, n.op.tree.root.pointer)); err != nil {
		return err
	}
	if n.depth >= maxNesting {
		n.faults.Add(pointer, "depth", "lies more than %d relations deep", maxNesting)
		text = nil
	}
	decoded, ok, err := n.object(text, verbs, pointer)
	if err != nil {
		return err
	}
	var targets []*target
	for _, verb := range decoded.Apart {
		some, err := n.verb(relation, verb, bsonjson.AppendToken(pointer, verb.Name))
		if err != nil {
			return err
		}
		targets = append(targets, some...)
	}
	switch given := len(decoded.Apart); {
	case ok && given == 0 && relation.Many:
		n.faults.Add(pointer, "nested", "must have create, connect or connectOrCreate")
	case ok && given != 1 && !relation.Many:
		n.faults.Add(pointer, "nested", "must have one of create, connect and connectOrCreate")
	}
	if relation.Kind == schema.BelongsTo {
		if len(targets) == 0 && !relation.ByMany { // a fault, which is noted
			targets = append(targets, &target{ids: relation.Collection.ID})
		}
		n.op.links = append(n.op.links, &link{relation: relation, many: relation.ByMany, to: targets})
		return nil
	}
	for _, t := range targets {
		n.op.joins = append(n.op.joins, &join{relation: relation, to: t})
	}
	return nil
}

// object decodes an object of members that are kept apart. ok is false where it
// is none, which is noted; no text is none that is noted already.
func (n nester) object(text []byte, fields *bsonjson.Fields, pointer string) (decoded bsonjson.Decoded, ok bool, err error) {
	if text == nil {
		return decoded, false, nil
	}
	before := len(n.faults.Items)
	decoded, err = bsonjson.Decode(text, fields, bsonjson.Options{Extended: n.extended, Pointer: pointer}, n.faults)
	if fault.Is(err, fault.ValidationFailed) {
		n.faults.Items = append(n.faults.Items, fault.From(err).Items...)
		return decoded, false, nil
	}
	return decoded, len(n.faults.Items) == before, err
}

// verb reads what is to be created or connected: one, or an array of them where
// the relation leads to many.
func (n nester) verb(relation *schema.Relation, verb bsonjson.Member, pointer string) ([]*target, error) {
	if verb.Text[0] != '[' || !relation.Many {
		t, err := n.target(relation, verb.Name, verb.Text, pointer)
		if t == nil {
			return nil, err
		}
		return []*target{t}, err
	}
	elements, err := bsonjson.SplitArray(verb.Text)
	if err != nil {
		return nil, err
	}
	var targets []*target
	for i, element := range elements {
		t, err := n.target(relation, verb.Name, element, pointer+"/"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if t != nil {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// target reads one document to create or to connect; nil for a faulty one.
func (n nester) target(relation *schema.Relation, verb string, text []byte, pointer string) (*target, error) {
	tree := n.op.tree
	if len(tree.targets) >= maxTargets {
		n.faults.Add(tree.root.pointer, "items", "brings more than %d documents with it", maxTargets)
		return nil, nil
	}
	t := &target{pointer: pointer, ids: relation.Collection.ID, joins: relation.Kind != schema.BelongsTo}
	tree.targets = append(tree.targets, t)
	var err error
	switch verb {
	case "create":
		t.create, err = n.create(relation, text, pointer)
	case "connect":
		t.find, err = n.lookup(relation.Collection, text, pointer)
	default:
		err = n.choice(t, relation, text)
	}
	return t, err
}

func (n nester) choice(t *target, relation *schema.Relation, text []byte) error {
	decoded, ok, err := n.object(text, choice, t.pointer)
	for _, member := range decoded.Apart {
		at := bsonjson.AppendToken(t.pointer, member.Name)
		switch {
		case err != nil:
		case member.Name == "where":
			t.find, err = n.lookup(relation.Collection, member.Text, at)
		default:
			t.create, err = n.create(relation, member.Text, at)
		}
	}
	for name, missing := range map[string]bool{"where": !named(decoded.Apart, "where"), "create": !named(decoded.Apart, "create")} {
		if ok && missing {
			n.faults.Add(bsonjson.AppendToken(t.pointer, name), "required", "is required")
		}
	}
	return err
}

func named(members []bsonjson.Member, name string) bool {
	for _, member := range members {
		if member.Name == name {
			return true
		}
	}
	return false
}

// create reads a document to create, with what that brings in turn.
func (n nester) create(relation *schema.Relation, text []byte, pointer string) (*operation, error) {
	op := &operation{verb: Create, who: n.op.who, collection: relation.Collection.Declared(), view: relation.Collection, pointer: pointer, now: n.op.now, tree: n.op.tree}
	if relation.Kind != schema.BelongsTo {
		owner := &target{ids: n.op.collection.ID, create: n.op, owner: true}
		op.links = append(op.links, &link{relation: relation, many: relation.ByMany, to: []*target{owner}})
	}
	if err := op.authorize(n.op.caller); err != nil {
		return op, locatedAt(err, pointer)
	}
	return op, op.prepareNested(Write{Verb: Create, Body: text, Extended: n.extended}, n.depth+1, n.faults)
}

// lookup reads which document is meant: {"id": 1}, or a field that is unique.
func (n nester) lookup(c *schema.Collection, text []byte, pointer string) (*lookup, error) {
	decoded, ok, err := n.object(text, c.KeyFields, pointer)
	if err != nil || !ok {
		return nil, err
	}
	elements, err := decoded.Body.Elements()
	if err != nil {
		return nil, err
	}
	id := decoded.System[bsonjson.ID]
	switch {
	case isSet(id) && len(elements) == 0:
		return &lookup{collection: c, field: "_id", value: id}, nil
	case !isSet(id) && len(elements) == 1:
		return &lookup{collection: c, field: elements[0].Key(), value: elements[0].Value()}, nil
	}
	n.faults.Add(pointer, "nested", "must name one document: by its id, or by one field that is unique")
	return nil, nil
}

// prepareNested is prepare for a create that lies within another.
func (op *operation) prepareNested(w Write, depth int, faults *fault.List) error {
	decoded, err := bsonjson.Decode(w.Body, op.view.CreateFields, bsonjson.Options{
		Defaults: true, Now: op.now, Extended: w.Extended, Pointer: op.pointer,
	}, faults)
	if fault.Is(err, fault.ValidationFailed) { // no object
		faults.Items = append(faults.Items, fault.From(err).Items...)
		return nil
	}
	if err != nil {
		return err
	}
	for _, l := range op.links { // to the owner
		if has(decoded.Body, l.relation.By) {
			faults.Add(bsonjson.AppendToken(op.pointer, l.relation.By), "read-only", "is set by the relation %s; leave it out", l.relation.Name)
		}
	}
	op.body, op.sent = decoded.Body, op.fieldsOf(w.Body)
	if err := (nester{op: op, extended: w.Extended, depth: depth, faults: faults}).relations(decoded); err != nil {
		return err
	}
	op.prepareCreate(decoded, faults)
	return nil
}

// linked returns the body with the fields that links set, to the ids that idOf
// tells.
func (op *operation) linked(idOf func(*target) bson.RawValue) bson.Raw {
	if len(op.links) == 0 {
		return op.body
	}
	b := bsonjson.NewBuilder(len(op.body)+64*len(op.links)).AppendAll(op.body, nil)
	for _, l := range op.links {
		switch {
		case has(op.body, l.relation.By): // a fault, which is noted
		case l.many:
			b.Append(l.relation.By, idArray(l.to, idOf))
		case len(l.to) > 0:
			b.Append(l.relation.By, idOf(l.to[0]))
		}
	}
	return b.Document()
}

func idArray(targets []*target, idOf func(*target) bson.RawValue) bson.RawValue {
	b := bsonjson.NewBuilder(32 * len(targets))
	for i, t := range targets {
		b.Append(strconv.Itoa(i), idOf(t))
	}
	return bson.RawValue{Type: bson.TypeArray, Value: b.Document()}
}

// sampleIDs returns a function that stands for the ids of targets that are not
// known before the transaction: each another one, so that no rule of a field
// that holds ids is broken.
func (op *operation) sampleIDs() func(*target) bson.RawValue {
	n := int64(0)
	return func(t *target) bson.RawValue {
		n++
		return sampleID(t.ids, n)
	}
}

func sampleID(kind schema.IDKind, n int64) bson.RawValue {
	switch kind {
	case schema.ObjectID:
		id := bson.NewObjectID()
		return bson.RawValue{Type: bson.TypeObjectID, Value: bytes.Clone(id[:])}
	case schema.UUID:
		return bsonjson.UUIDValue(uuid.New())
	case schema.String:
		return bsonjson.StringValue(strconv.FormatInt(n, 10))
	}
	return bsonjson.IntValue(n)
}
