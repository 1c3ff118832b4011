package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Who may do what is decided here, for all routes. A caller knows a model as
// schema.Model.As tells, and what it asks is bound to that; the documents that it
// may see are joined into every filter, and looked at once more where they are
// read by id. A document that a caller may not read is, to that caller, not there;
// one that it may read and not change is forbidden.

// permit is what the rules of one action admit for one caller. It is shared by the
// requests of the caller, and never changed. A nil permit admits everything.
type permit struct {
	grant *schema.Grant
	rules []settled
	// hides is set where a rule shows a part of the fields alone.
	hides bool
}

// settled is a rule with the values of one caller.
type settled struct {
	*schema.Rule
	// where is nil for every document.
	where *filter.Bound
	// set are the values that the rule forces.
	set bson.Raw
}

// permitOf returns what a caller may do with documents of a collection, as a
// view knows it.
func permitOf(caller *auth.Principal, c *schema.Collection, a schema.Action) *permit {
	if c == nil || c.Grant == nil {
		return nil
	}
	if c.Grant.Unlimited(a) {
		return nil
	}
	return caller.Work(permitKey{c.Grant, a}, func() any { return newPermit(caller, c, a) }).(*permit)
}

// permitKey is what a permit is remembered by. A view has a Grant of its own for
// each collection.
type permitKey struct {
	grant  *schema.Grant
	action schema.Action
}

func newPermit(caller *auth.Principal, c *schema.Collection, a schema.Action) *permit {
	p := &permit{grant: c.Grant}
	for _, r := range c.Grant.Rules(a) {
		if s, ok := settle(caller, r); ok {
			p.rules, p.hides = append(p.rules, s), p.hides || s.Fields != nil
		}
	}
	return p
}

// settle puts the values of a caller into a rule. ok is false where they do not
// fit.
func settle(caller *auth.Principal, r *schema.Rule) (s settled, ok bool) {
	s.Rule = r
	if s.where, ok = r.Documents(caller); !ok || len(r.Set) == 0 {
		return s, ok
	}
	b := bsonjson.NewBuilder(32 * len(r.Set))
	for _, assignment := range r.Set {
		value, ok := assignment.For(caller)
		if !ok {
			return s, false
		}
		b.Append(assignment.Name, value)
	}
	s.set = b.Document()
	return s, true
}

func (s settled) matches(doc bson.Raw) bool { return s.where == nil || s.where.Match(doc) }

// forced reports whether the rule sets a field.
func (s settled) forced(name string) bool {
	return slices.ContainsFunc(s.Set, func(a schema.Assignment) bool { return a.Name == name })
}

// fill returns a document with the values that the rule sets. They come last, so
// that the id stays first.
func (s settled) fill(doc bson.Raw) bson.Raw {
	if s.set == nil {
		return doc
	}
	return bsonjson.NewBuilder(len(doc)+len(s.set)).
		AppendAll(doc, func(name []byte) bool { return !s.forced(string(name)) }).
		AppendAll(s.set, nil).Document()
}

// matches reports whether any rule admits a document.
func (p *permit) matches(doc bson.Raw) bool {
	return p == nil || slices.ContainsFunc(p.rules, func(s settled) bool { return s.matches(doc) })
}

// filter returns the condition of the documents that the rules admit, nil for
// all.
func (p *permit) filter() *filter.Bound {
	if p == nil {
		return nil
	}
	var alternatives []*filter.Node
	for _, s := range p.rules {
		if s.where == nil {
			return nil
		}
		alternatives = append(alternatives, s.where.Root())
	}
	if len(alternatives) == 1 {
		return p.rules[0].where
	}
	return filter.Where(filter.Combine(filter.Or, alternatives...))
}

// shown returns what the caller sees of a document: the fields that any of the
// rules shows that admit it. ok is false for a document that it may not see.
func (p *permit) shown(doc bson.Raw) (seen bson.Raw, ok bool) {
	if p == nil || !p.hides && p.matches(doc) {
		return doc, true
	}
	var matching []settled
	for _, s := range p.rules {
		if s.matches(doc) {
			matching = append(matching, s)
		}
	}
	return partOf(doc, func(name string) bool {
		return slices.ContainsFunc(matching, func(s settled) bool { return s.Fields.Has(name) })
	}), len(matching) > 0
}

// common returns what every rule shows of a document: the fields of which the
// caller may speak.
func (p *permit) common(doc bson.Raw) bson.Raw {
	if p == nil {
		return doc
	}
	return partOf(doc, p.grant.Names)
}

// partOf returns a document without the fields that has does not have.
func partOf(doc bson.Raw, has func(name string) bool) bson.Raw {
	elements, _ := doc.Elements() // MongoDB's documents are whole
	if !slices.ContainsFunc(elements, func(e bson.RawElement) bool { return !has(e.Key()) }) {
		return doc
	}
	return bsonjson.NewBuilder(len(doc)).AppendAll(doc, func(name []byte) bool { return has(string(name)) }).Document()
}

// readable returns what the caller of ctx sees of a collection. It fails with
// Forbidden where that is nothing, whatever is stored.
func readable(ctx context.Context, c *schema.Collection) (*permit, error) {
	if err := c.Readable(); err != nil {
		return nil, err
	}
	return permitOf(auth.From(ctx), c, schema.Reading), nil
}

// Denial is what a caller was kept from by the rules. It is the cause of the fault
// that the caller is answered.
type Denial struct {
	Action     schema.Action
	Collection string
	// ID is the id of the document, zero where there is none yet.
	ID bson.RawValue
}

// Error is the text for logs.
func (d *Denial) Error() string {
	return fmt.Sprintf("no rule lets the caller %s a document of %s", d.Action, d.Collection)
}

// action is what the rules call that the operation does.
func (op *operation) action() schema.Action {
	switch {
	case op.verb == Create, op.verb == Replace && op.precondition.creates():
		return schema.Creating
	case op.verb == Delete:
		return schema.Deleting
	case op.verb == Read:
		return schema.Reading
	}
	return schema.Updating
}

// authorize notes what the rules say of the operation. It fails with Forbidden
// where no document could be one that they admit.
func (op *operation) authorize(caller *auth.Principal) error {
	op.caller = caller
	if op.view.Grant == nil {
		return nil
	}
	if err := op.view.Allows(op.action()); err != nil {
		return op.denied(fault.From(err))
	}
	op.reads, op.writes = permitOf(caller, op.view, schema.Reading), permitOf(caller, op.view, op.action())
	return nil
}

// limited reports whether rules must be held against the document.
func (op *operation) limited() bool { return op.reads != nil || op.writes != nil }

// denied is the fault of an operation that the rules do not admit, with its cause.
func (op *operation) denied(f *fault.Error) error {
	id := op.id
	if op.action() == schema.Creating {
		id = bson.RawValue{}
	}
	return fault.Wrap(&Denial{Action: op.action(), Collection: op.collection.Name, ID: id}, f.Code, "%s", f.Detail)
}

func (op *operation) forbidden() error {
	what := "this document"
	if op.action() == schema.Creating {
		what = "such a document"
	}
	return op.denied(fault.New(fault.Forbidden, "no rule lets this caller %s %s of %s", op.action(), what, op.collection.Name))
}

// reaches holds the rules against the stored document: who may not read it is
// told that it is not there.
func (op *operation) reaches(doc bson.Raw) error {
	switch {
	case !op.reads.matches(doc):
		return op.denied(fault.From(notFound(op.collection)))
	case op.verb == Delete && !op.writes.matches(doc):
		return op.forbidden()
	}
	return nil
}

// grantCreate finds the rule that admits the new document, and sets what it sets.
// Where none does the operation is not to be carried out, which is told once all
// else that is wrong is.
func (op *operation) grantCreate() {
	op.refusal = nil
	if op.writes == nil {
		return
	}
	sent := op.sentFields()
	for _, s := range op.writes.rules {
		doc := s.fill(op.document)
		writable := !slices.ContainsFunc(sent, func(name string) bool { return !s.Fields.Has(name) && !s.forced(name) })
		if writable && s.matches(doc) {
			op.document, op.rule = doc, s
			return
		}
	}
	op.refusal = op.forbidden()
	if len(op.writes.rules) > 0 {
		op.document = op.writes.rules[0].fill(op.document)
	}
}

// refused returns why no rule admits what the operation creates. A document that
// gets ids of others is looked at when these are known.
func (op *operation) refused() error {
	for _, each := range op.all() {
		if each.refusal != nil && len(each.links) == 0 {
			return located(each.refusal, op)
		}
	}
	return nil
}

// sentFields are the fields of a new document that the client gave.
func (op *operation) sentFields() []string {
	names := op.sent
	for _, l := range op.links {
		names = append(slices.Clip(names), l.relation.By)
	}
	return names
}

// fieldsOf returns the fields of a document that the client gave, nil where no rule
// asks for that. The body was decoded before.
func (op *operation) fieldsOf(body []byte) []string {
	ofRules := op.writes != nil && slices.ContainsFunc(op.writes.rules, func(s settled) bool { return s.Fields != nil })
	if !ofRules && (op.action() == schema.Creating || !op.limited()) {
		return nil
	}
	members, _ := bsonjson.SplitObject(body)
	var names []string
	for _, member := range members {
		if _, isField := op.view.Fields.Lookup([]byte(member.Name)); isField || !op.isRelation(member.Name) {
			names = append(names, member.Name)
		}
	}
	return names
}

func (op *operation) isRelation(name string) bool {
	_, ok := op.view.Relation(name)
	return ok
}

// permitted returns what a document becomes by a change that a rule admits: of
// the stored document and of the next one, with the fields that it lets be
// written. It is Forbidden where none does.
func (op *operation) permitted(current, next bson.Raw) (bson.Raw, error) {
	if op.writes == nil {
		return next, nil
	}
	for _, s := range op.writes.rules {
		if !s.matches(current) || !writable(s, current, next) {
			continue
		}
		if filled := s.fill(next); s.matches(filled) {
			op.rule = s
			return filled, nil
		}
	}
	return nil, op.forbidden()
}

// writable reports whether a rule lets all fields be written in which two
// documents differ.
func writable(s settled, current, next bson.Raw) bool {
	if s.Fields == nil {
		return true
	}
	return !differ(current, next, s) && !differ(next, current, s)
}

// differ reports whether a field of a that the rule does not let be written is
// another in b.
func differ(a, b bson.Raw, s settled) bool {
	elements, _ := a.Elements()
	return slices.ContainsFunc(elements, func(e bson.RawElement) bool {
		return !s.Fields.Has(e.Key()) && !s.forced(e.Key()) && !e.Value().Equal(b.Lookup(e.Key()))
	})
}

// hidden are the fields of a stored document of which the caller cannot speak:
// they stay as they are.
func (op *operation) hidden(current bson.Raw) bson.Raw {
	return partOf(current, func(name string) bool { return !op.view.Grant.Names(name) })
}

// replaced returns what a replacement makes of a stored document. Fields that the
// caller does not see or may not write stay as they are where it gave none.
func (op *operation) replaced(current bson.Raw) bson.Raw {
	if !op.limited() {
		return op.body
	}
	stays := func(name string) bool {
		return !slices.Contains(op.sent, name) && (!op.view.Grant.Names(name) || !op.mayWrite(name))
	}
	body := partOf(op.body, func(name string) bool { return !stays(name) })
	return beside(body, partOf(withoutSystem(current), stays))
}

// mayWrite reports whether any rule lets the field be written.
func (op *operation) mayWrite(name string) bool {
	return op.writes == nil || slices.ContainsFunc(op.writes.rules, func(s settled) bool { return s.Fields.Has(name) })
}

// shown is a result as the caller may see it. Of a document that it may write and
// not read there are the system fields alone.
func (op *operation) shown(r Result) Result {
	if op.reads == nil || r.Document == nil {
		return r
	}
	seen, ok := op.reads.shown(r.Document)
	if !ok {
		seen, r.Withheld = partOf(r.Document, noFields.Has), true
	}
	r.Document = seen
	return r
}

// noFields has the system fields alone, which every list has.
var noFields = &schema.FieldList{}

// veiled returns an error without the fields of which the caller cannot speak.
func (op *operation) veiled(err error) error {
	if err == nil || !op.limited() {
		return err
	}
	e := fault.From(err)
	if !slices.ContainsFunc(e.Items, op.tells) {
		return err
	}
	items := make([]fault.Item, len(e.Items))
	for i, item := range e.Items {
		if items[i] = item; op.tells(item) {
			items[i] = fault.Item{Code: item.Code, Detail: "breaks a rule of a field that this caller does not see"}
		}
	}
	return fault.Wrap(err, e.Code, "%s", fault.Lookup(e.Code).Title).WithItems(items...)
}

// tells reports whether an item is about a field that the caller neither sees nor
// writes.
func (op *operation) tells(item fault.Item) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(item.Pointer, "/"), "/")
	name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	_, declared := op.collection.Fields.Lookup([]byte(name))
	return declared && !op.view.Grant.Names(name) && !op.mayWrite(name)
}

// sight is what the caller sees of the documents of another collection.
func (op *operation) sight(collection string) *permit {
	if op.view == nil || op.caller == nil {
		return nil
	}
	if seen, ok := op.sights[collection]; ok {
		return seen
	}
	if op.sights == nil {
		op.sights = map[string]*permit{}
	}
	op.sights[collection] = permitOf(op.caller, op.view.Beside(collection), schema.Reading)
	return op.sights[collection]
}
