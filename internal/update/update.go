// Package update changes documents: by MongoDB's update operators, and by JSON
// Patch (RFC 6902).
//
// Compile reads a change against the schema of a collection, with every fault at
// once, and gives every value its type. Apply works on the stored document in
// memory, exactly as MongoDB would. Where MongoDB can make a change by itself
// and the rules are sure to hold, Direct writes it as one update with a guard.
package update

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Options say how a change is read.
type Options struct {
	// Now is what the now generator of a default gives.
	Now time.Time
	// Extended admits Extended JSON in values.
	Extended bool
	// Pointer is put before the pointers of faults.
	Pointer string
}

func (o Options) values(at string) bsonjson.Options {
	return bsonjson.Options{Defaults: true, Now: o.Now, Extended: o.Extended, Pointer: at}
}

// Update is a compiled change by operators. It is never changed.
type Update struct {
	// actions are sorted by path, in the order in which MongoDB carries them out.
	actions []action
}

// action is one operator at one path.
type action struct {
	op   *operator
	path []step
	// at is where the operand stands in what the client sent.
	at string
	operand
}

// operand is what an operator takes.
type operand struct {
	// values are the typed values: one, or those of $each.
	values []bson.RawValue
	// position and slice are modifiers of $push, nil for none.
	position, slice *int
	// each is set where the values were a list, condition where $pull has one.
	each      bool
	condition *condition
	// last is which end $pop takes from.
	last bool
}

// CompileOperators reads a JSON object of update operators. Text that is no JSON
// is a MalformedJSON fault; all else that is wrong is noted in faults.
func CompileOperators(body []byte, c *schema.Collection, o Options, faults *fault.List) (*Update, error) {
	members, err := bsonjson.SplitObject(body)
	if err != nil {
		return nil, err
	}
	k := compiler{Options: o, document: c.Document(), faults: faults}
	if len(members) == 0 {
		faults.Add(o.Pointer, "type", `must hold an operator, such as {"$set": {…}}`)
	}
	for _, m := range members {
		if err := k.operator(m); err != nil {
			return nil, err
		}
	}
	if len(k.actions) > maxOperations {
		faults.Add(o.Pointer, "limit", "changes more than %d paths", maxOperations)
	}
	k.sort()
	return &Update{actions: k.actions}, nil
}

// compiler gathers the actions of one update.
type compiler struct {
	Options
	document schema.Place
	faults   *fault.List
	actions  []action
}

// operator reads the paths and operands of one operator.
func (k *compiler) operator(m bsonjson.Member) error {
	at := bsonjson.AppendToken(k.Pointer, m.Name)
	op, ok := operators[m.Name]
	if !ok {
		k.faults.Add(at, "unknown-operator", "is not an update operator%s", hint(m.Name))
		return nil
	}
	paths, err := bsonjson.SplitObject(m.Text)
	if fault.Is(err, fault.ValidationFailed) {
		k.faults.Add(at, "type", "must be an object of fields and operands")
		return nil
	}
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := k.action(op, path, bsonjson.AppendToken(at, path.Name)); err != nil {
			return err
		}
	}
	return nil
}

func hint(name string) string {
	if near := nearest.Hint(name, operatorNames); near != "" || strings.HasPrefix(name, "$") {
		return near
	}
	return "; a document without operators is a merge patch (application/merge-patch+json)"
}

// action reads one operand for one path.
func (k *compiler) action(op *operator, m bsonjson.Member, at string) error {
	a := action{op: op, path: k.resolve(m.Name, at), at: at}
	if a.path == nil {
		return nil
	}
	place := a.place()
	if !op.fits(place.Shape().Kind) {
		k.faults.Add(at, "type", "is %s, which %s does not fit: it takes %s", place.Article(), op.name, op.takes)
		return nil
	}
	before := len(k.faults.Items)
	operand, err := op.read(k, place, m.Text, at)
	if err != nil {
		return err
	}
	if a.operand = operand; op.name == "$unset" && place.Required() && len(k.faults.Items) == before {
		k.faults.Add(at, "required", "is required, and cannot be removed")
	}
	k.actions = append(k.actions, a)
	return nil
}

// place is what the path leads to.
func (a *action) place() schema.Place { return a.path[len(a.path)-1].place }

// maxSteps is how deep a path leads at most: no document is nested deeper.
const maxSteps = bsonjson.MaxDepth

// resolve takes a dotted path apart; nil where it is at fault.
func (k *compiler) resolve(path, at string) []step {
	names := strings.Split(path, ".")
	if len(names) > maxSteps {
		k.faults.Add(at, "depth", "lies more than %d levels deep", maxSteps)
		return nil
	}
	steps, place := make([]step, len(names)), k.document
	for i, name := range names {
		s := newStep(name)
		next, reason := follow(place, s)
		switch {
		case reason != "" && len(names) == 1:
			k.faults.Add(at, "unknown-field", "%s", reason)
			return nil
		case reason != "":
			k.faults.Add(at, "unknown-field", "%q %s", strings.Join(names[:i+1], "."), reason)
			return nil
		case next.System() != bsonjson.NotSystem:
			k.faults.Add(at, "read-only", "is kept by the service, and cannot be changed")
			return nil
		}
		s.place, place = next, next
		steps[i] = s
	}
	return steps
}

// follow goes one step on from a place. The reason is a phrase that follows the
// path.
func follow(place schema.Place, s step) (next schema.Place, reason string) {
	if place.Shape().Kind == bsonjson.Array {
		if !s.isIndex {
			return schema.Place{}, "does not exist: the items of an array are named by their index, from 0"
		}
		return place.Item(), ""
	}
	if s.name == "" && place.Shape().Kind == bsonjson.Any {
		return schema.Place{}, "has an empty name"
	}
	next, err := place.Member(s.name)
	if err != nil {
		return schema.Place{}, err.Error()
	}
	return next, ""
}

// sort brings the actions into the order of their paths, and refuses two that
// touch each other's.
func (k *compiler) sort() {
	slices.SortStableFunc(k.actions, func(a, b action) int { return slices.CompareFunc(a.path, b.path, compareSteps) })
	for i := 1; i < len(k.actions); i++ {
		above, below := k.actions[i-1], k.actions[i]
		if len(above.path) > len(below.path) || !slices.EqualFunc(above.path, below.path[:len(above.path)], sameStep) {
			continue
		}
		k.faults.Add(below.at, "conflict", "cannot be changed together with %s, which %s changes too", dotted(above.path), above.op.name)
		k.actions = slices.Delete(k.actions, i, i+1) // what is below conflicts with the one above as well
		i--
	}
}

func sameStep(a, b step) bool { return a.name == b.name }

// compareSteps orders indexes by number and before names.
func compareSteps(a, b step) int {
	switch {
	case a.isIndex && b.isIndex:
		return cmp.Compare(a.index, b.index)
	case a.isIndex != b.isIndex:
		if a.isIndex {
			return -1
		}
		return 1
	}
	return strings.Compare(a.name, b.name)
}

func dotted(path []step) string {
	names := make([]string, len(path))
	for i, s := range path {
		names[i] = s.name
	}
	return strings.Join(names, ".")
}
