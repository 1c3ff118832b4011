package query

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Unserved tells of a list for which MongoDB looks at every document of the
// collection, or sorts in memory what an index could give in order.
type Unserved struct {
	Collection *schema.Collection
	// Pointer leads to what no index serves in the client's request.
	Pointer string
	// Index is the line of the schema file that would mend it, such as
	// `- {keys: [status, -createdAt]}`; empty where no index can.
	Index string
	// Shape is the same for lists that one index would mend, or that differ in
	// their values alone.
	Shape string
}

// Unserved returns what is wrong with a plan that no declared index serves, nil
// where one does. It looks at the schema, and neither at indexes that others have
// made nor at how many documents there are. These are the rules:
//
//   - The first key of an index must be among the conditions. Conditions that
//     leave most documents ($ne, $nin, $not, $nor) need none.
//   - A sort must follow in the index after fields that equal one value, or the
//     conditions must bound what is sorted to a range of the index.
//   - Deleted documents alone have an index of their own.
func (p *Plan) Unserved() *Unserved {
	conditions := p.sent()
	b := boundsOf(p.Collection, conditions)
	if p.Deleted == OnlyDeleted || p.served(b) {
		return nil
	}
	u := &Unserved{Collection: p.Collection, Pointer: p.sortPointer, Index: p.suggest(b)}
	if !b.none() {
		u.Pointer = conditions[0].Pointer
	}
	if u.Shape = p.Collection.Name + " " + u.Index; u.Index == "" {
		u.Shape += p.paths()
	}
	return u
}

// sorted reports whether the order is one that the client asked for.
func (p *Plan) sorted() bool { return len(p.order) > 0 && p.order[0].stored != "_id" }

func (p *Plan) served(b bounds) bool {
	switch {
	case b.served:
		return true
	case b.none():
		return !p.sorted() || slices.ContainsFunc(p.Deleted.indexesFor(p.Collection), func(index schema.Index) bool {
			return index.Partial == nil && p.order.follows(index.Keys, bounds{})
		})
	}
	if fitsID(b) || slices.ContainsFunc(p.Deleted.indexesFor(p.Collection), func(index schema.Index) bool { return p.servedBy(index, b) }) {
		return true
	}
	return slices.ContainsFunc(b.alternatives, func(alternatives []bounds) bool {
		return !slices.ContainsFunc(alternatives, func(alternative bounds) bool { return !p.served(alternative) })
	})
}

// fitsID reports whether the index on the id bounds what is looked at.
func fitsID(b bounds) bool {
	_, equal := find(b.equal, "_id")
	_, ranged := find(b.ranged, "_id")
	return equal || ranged
}

// servedBy reports whether one index serves conditions, and the order with them.
func (p *Plan) servedBy(index schema.Index, b bounds) bool {
	if !usable(index, b) {
		return false
	}
	first := index.Keys[0]
	if _, ok := find(b.areas, first.Key); ok && first.Value == sphereKey {
		return true
	}
	equal := prefix(index.Keys, b)
	_, ranged := find(b.ranged, index.Keys[min(equal, len(index.Keys)-1)].Key)
	switch {
	case equal == 0 && !ranged:
		return len(index.Partial) > 0 && !index.OfUniqueField && p.sorted() && p.order.follows(index.Keys, b)
	case ranged || !p.sorted():
		return true
	case index.Unique && equal == len(index.Keys):
		return true // one document
	}
	return p.order.follows(index.Keys, b)
}

// prefix counts the keys at the beginning of an index that equal one value.
func prefix(keys bson.D, b bounds) int {
	n := 0
	for ; n < len(keys) && isDirection(keys[n].Value); n++ {
		if _, ok := find(b.equal, keys[n].Key); !ok {
			break
		}
	}
	return n
}

const sphereKey = "2dsphere"

func isDirection(value any) bool { return value == int32(1) || value == int32(-1) }

// follows reports whether the keys of an index after those that equal one value
// begin with the order, in its directions or all in the other.
func (o order) follows(keys bson.D, b bounds) bool {
	rest, turned := keys[prefix(keys, b):], 0
	for _, k := range o {
		if _, fixed := find(b.equal, k.stored); fixed {
			continue
		}
		if len(rest) == 0 || rest[0].Key != k.stored || !isDirection(rest[0].Value) {
			return false
		}
		turn := 1
		if k.descending == (rest[0].Value == int32(1)) {
			turn = -1
		}
		if turned == -turn {
			return false
		}
		rest, turned = rest[1:], turn
	}
	return true
}

// usable reports whether conditions ask for no document that an index leaves out.
func usable(index schema.Index, b bounds) bool {
	if index.OfUniqueField {
		_, ranged := find(b.ranged, index.Keys[0].Key)
		equal, ok := find(b.equal, index.Keys[0].Key)
		return index.Partial == nil || ranged || ok && !slices.ContainsFunc(equal.values, isNull)
	}
	for _, e := range index.Partial {
		equal, ok := find(b.equal, e.Key)
		if !ok || len(equal.values) != 1 || !isEquality(e.Value, equal.values[0]) {
			return false
		}
	}
	return true
}

func isNull(value bson.RawValue) bool { return value.Type == bson.TypeNull }

// isEquality reports whether the operand of an index's filter is {$eq: value}.
func isEquality(operand any, value bson.RawValue) bool {
	operators, ok := operand.(bson.D)
	if !ok || len(operators) != 1 || operators[0].Key != filter.Eq.String() {
		return false
	}
	wanted, ok := operators[0].Value.(bson.RawValue)
	return ok && wanted.Type == value.Type && bytes.Equal(wanted.Value, value.Value)
}

// suggest writes the index that would serve the plan, empty for none.
func (p *Plan) suggest(b bounds) string {
	for _, alternatives := range b.alternatives {
		for _, alternative := range alternatives {
			if !p.served(alternative) {
				return p.suggest(alternative)
			}
		}
	}
	keys := p.suggestedKeys(b)
	if len(keys) == 0 && len(b.areas) > 0 {
		return "- {keys: [{" + name(b.areas[0].path) + ": " + sphereKey + "}]}"
	}
	if len(keys) == 0 {
		return ""
	}
	return "- {keys: [" + strings.Join(keys, ", ") + "]}"
}

// suggestedKeys are the fields that equal one value, and then the order. Where
// there are none such a range comes first, and the order is made in memory. A
// range after an order that ends with the id would come before the id.
func (p *Plan) suggestedKeys(b bounds) []string {
	var keys keyList
	for _, at := range b.equal {
		keys.add(at, "")
	}
	if len(keys.names) == 0 && len(b.ranged) > 0 {
		keys.add(b.ranged[0], "")
	}
	if len(keys.names) == 0 && !b.none() {
		return nil
	}
	var last *orderKey
	for _, k := range p.order {
		_, fixed := find(b.equal, k.stored)
		switch {
		case fixed:
		case k.stored != "_id":
			keys.add(bound{stored: k.stored, path: k.stored}, k.sign())
			last = &k
		case last != nil && last.descending != k.descending: // else the index has it by itself
			keys.add(bound{stored: k.stored, path: "id"}, k.sign())
		}
	}
	if len(b.ranged) > 0 && (len(p.order) == 0 || !p.sorted() || p.order[len(p.order)-1].stored != "_id") {
		keys.add(b.ranged[0], "")
	}
	return keys.names
}

func (k orderKey) sign() string {
	if k.descending {
		return "-"
	}
	return ""
}

// keyList is the keys of an index that is suggested.
type keyList struct {
	names  []string
	stored []string
	// array is the one that an index can lead through, empty for none yet.
	array string
}

// add adds a field, unless it is there or MongoDB does not index it beside those
// that are.
func (l *keyList) add(at bound, sign string) {
	parallel := at.array != "" && l.array != "" && at.array != l.array
	if parallel || slices.Contains(l.stored, at.stored) || len(l.names) == maxSortKeys {
		return
	}
	if at.array != "" {
		l.array = at.array
	}
	l.stored = append(l.stored, at.stored)
	l.names = append(l.names, name(sign+at.path))
}

var plainName = regexp.MustCompile(`^-?[A-Za-z_][A-Za-z0-9_.]*$`)

// name writes a field as YAML takes it.
func name(path string) string {
	if plainName.MatchString(path) {
		return path
	}
	return strconv.Quote(path)
}

// paths are the fields of the conditions, as far as they are listed in a log.
func (p *Plan) paths() string {
	var paths []string
	p.Where.Walk(func(n *filter.Node) {
		if n.Path != "" && len(paths) < maxSortKeys {
			paths = append(paths, n.Path+" "+n.Op.String())
		}
	})
	return strings.Join(paths, ", ")
}
