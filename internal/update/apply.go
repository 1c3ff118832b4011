package update

import (
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// Apply returns what a stored document becomes, which the rules are then to be
// held against. It fails with ValidationFailed where an operator does not fit
// what is stored; the pointers are those of the document. now is what the
// defaults of new objects take.
func (u *Update) Apply(current bson.Raw, now time.Time) (bson.Raw, error) {
	document := newDocument(current)
	var faults fault.List
	for i := range u.actions {
		a := &u.actions[i]
		if err := a.carryOut(document, now); err != nil {
			faults.Add(pointer(a.path), "update", "%s", err.Error())
		}
	}
	return bson.Raw(document.value().Value), faults.Err(fault.ValidationFailed, "the change does not fit the stored document")
}

// maxGap is how many nulls a change puts before an item that lies behind the end
// of an array.
const maxGap = 1000

// carryOut changes the value at the path.
func (a *action) carryOut(document *node, now time.Time) error {
	parent, err := a.parent(document, now)
	if parent == nil || err != nil {
		return err
	}
	last := a.path[len(a.path)-1]
	current := parent.get(last)
	if current == nil && !a.op.creates {
		return nil
	}
	next, err := a.op.apply(a, current)
	switch {
	case err != nil:
		return err
	case next == nil && parent.isArray(): // the places of the other items stay
		parent.set(last, &node{kind: bson.TypeNull})
	case next == nil:
		at := parent.find(last)
		parent.members = slices.Delete(parent.members, at, at+1)
	default:
		parent.set(last, next)
	}
	return nil
}

// parent returns the object or array that holds the end of the path, nil where
// there is none and none comes into being.
func (a *action) parent(document *node, now time.Time) (*node, error) {
	at := document
	for i, s := range a.path {
		switch err := a.holds(at, s); {
		case err != nil && a.op.anyPath:
			return nil, nil
		case err != nil:
			return nil, err
		}
		if i == len(a.path)-1 {
			return at, nil
		}
		next := at.get(s)
		if next == nil {
			if !a.op.creates {
				return nil, nil
			}
			next = s.fresh(now)
			at.set(s, next)
		}
		at = next
	}
	return at, nil
}

// holds tells why a value cannot hold a step.
func (a *action) holds(n *node, s step) error {
	switch {
	case n.isObject():
		return nil
	case !n.isArray():
		return errors.New("leads into a value that has no fields")
	case !s.isIndex:
		return errors.New("leads into an array, whose items are named by their index")
	case a.op.creates && s.index > len(n.entries())+maxGap:
		return errors.New("lies too far behind the end of the array")
	}
	return nil
}

func applySet(a *action, _ *node) (*node, error) { return newNode(a.values[0]), nil }

func applyUnset(*action, *node) (*node, error) { return nil, nil }

func applyInc(a *action, current *node) (*node, error) {
	if current == nil {
		return newNode(a.values[0]), nil
	}
	sum, err := add(current.value(), a.values[0])
	return changedNumber(current, sum), err
}

func applyMul(a *action, current *node) (*node, error) {
	if current == nil { // which counts as the int 0
		current = newNode(bsonjson.IntValue(0))
	}
	product, err := multiply(current.value(), a.values[0])
	return changedNumber(current, product), err
}

// changedNumber leaves a number as it is where its value did not change: 0 plus
// 0.00 stays 0.
func changedNumber(current *node, result bson.RawValue) *node {
	if result.Type == current.kind && filter.Order(result, current.value()) == 0 {
		return current
	}
	return newNode(result)
}

func applyMin(a *action, current *node) (*node, error) { return a.lesser(current, -1), nil }

func applyMax(a *action, current *node) (*node, error) { return a.lesser(current, 1), nil }

// lesser returns the operand where it comes before the stored value in the order
// of a direction, else what is stored.
func (a *action) lesser(current *node, direction int) *node {
	if current == nil || filter.Order(a.values[0], current.value())*direction > 0 {
		return newNode(a.values[0])
	}
	return current
}

var errNoArray = errors.New("holds no array")

// array returns the items that are stored, a new array where nothing is.
func array(current *node) (*node, error) {
	if current == nil {
		return newArray(), nil
	}
	if !current.isArray() {
		return nil, errNoArray
	}
	current.entries()
	return current, nil
}

func applyPush(a *action, current *node) (*node, error) {
	n, err := array(current)
	if err != nil {
		return nil, err
	}
	added := make([]member, len(a.values))
	for i, value := range a.values {
		added[i].value = newNode(value)
	}
	n.members = slices.Insert(n.members, a.insertAt(len(n.members)), added...)
	if a.slice != nil {
		n.members = sliced(n.members, *a.slice)
	}
	return n, nil
}

// insertAt is where $push puts items among some: a negative position counts
// from the end.
func (a *action) insertAt(length int) int {
	switch {
	case a.position == nil || *a.position > length:
		return length
	case *a.position < 0:
		return max(length+*a.position, 0)
	}
	return *a.position
}

// sliced keeps the first items, or with a negative count the last.
func sliced(members []member, count int) []member {
	if count >= 0 {
		return members[:min(count, len(members))]
	}
	return members[max(len(members)+count, 0):]
}

func applyAddToSet(a *action, current *node) (*node, error) {
	n, err := array(current)
	if err != nil {
		return nil, err
	}
	for _, value := range a.values {
		has := func(m member) bool { return filter.Order(m.value.value(), value) == 0 }
		if !slices.ContainsFunc(n.members, has) {
			n.members = append(n.members, member{value: newNode(value)})
		}
	}
	return n, nil
}

func applyPull(a *action, current *node) (*node, error) {
	n, err := array(current)
	if err != nil {
		return nil, err
	}
	n.members = slices.DeleteFunc(n.members, func(m member) bool { return a.pulls(m.value.value()) })
	return n, nil
}

// pulls reports whether $pull takes an item out.
func (a *action) pulls(item bson.RawValue) bool {
	if a.condition != nil {
		return a.condition.holds(item)
	}
	return filter.Order(item, a.values[0]) == 0
}

func applyPop(a *action, current *node) (*node, error) {
	n, err := array(current)
	switch {
	case err != nil:
		return nil, err
	case len(n.members) == 0:
		return n, nil
	case a.last:
		n.members = n.members[:len(n.members)-1]
	default:
		n.members = n.members[1:]
	}
	return n, nil
}
