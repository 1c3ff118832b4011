package query

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// bounds are what an index can make of conditions that must all hold.
type bounds struct {
	// equal are the fields that the conditions give one value, or a few; ranged
	// those that they give a range; areas those that lie somewhere on the globe.
	equal, ranged, areas []bound
	// alternatives are those of each $or, each with bounds of its own.
	alternatives [][]bounds
	// served is set where a condition brings its own index.
	served bool
	// loose is set where a condition that no index can use may leave few
	// documents. One such as $ne leaves most of them, and counts for nothing.
	loose bool
}

// bound is a field with the conditions about it.
type bound struct {
	// stored is the path in MongoDB, path as clients know it.
	stored, path string
	// array is the outermost array that the path leads through, empty for none.
	array string
	// values are what the field equals, none for a range.
	values []bson.RawValue
}

// boundsOf reads the conditions of a filter on a collection.
func boundsOf(c *schema.Collection, conditions []*filter.Node) bounds {
	var b bounds
	for _, n := range conditions {
		b.add(c, n, "")
	}
	return b
}

// manyValues is how many values an $in lists at most to be taken for an equality:
// for more, MongoDB sorts what it finds.
const manyValues = 100

// add notes one condition; prefix comes before paths within an $elemMatch.
func (b *bounds) add(c *schema.Collection, n *filter.Node, prefix string) {
	at := boundOf(n, prefix)
	switch n.Op {
	case filter.And:
		for _, inner := range n.Nodes {
			b.add(c, inner, prefix)
		}
	case filter.Or:
		b.either(c, n)
	case filter.Text, filter.Near:
		b.served = true
	case filter.Eq, filter.All, filter.In:
		at.values = n.Values
		b.equals(at, n)
	case filter.Gt, filter.Gte, filter.Lt, filter.Lte:
		b.ranged = append(b.ranged, at)
	case filter.Regex:
		b.pattern(at, n.Values[0])
	case filter.GeoWithin:
		b.areas = append(b.areas, at)
	case filter.ElemMatch:
		b.element(c, n, at.stored)
	case filter.Some, filter.Is:
		b.related(c, n)
	case filter.Exists, filter.Size, filter.Every:
		b.loose = true
	}
}

func boundOf(n *filter.Node, prefix string) bound {
	at := bound{stored: n.Target.Stored, path: n.Path}
	if len(n.Target.Arrays) > 0 {
		at.array = n.Target.Arrays[0]
	}
	if prefix != "" {
		at = bound{stored: strings.TrimSuffix(prefix+"."+n.Path, "."), path: strings.TrimSuffix(prefix+"."+n.Path, "."), array: prefix}
	}
	return at
}

func (b *bounds) equals(at bound, n *filter.Node) {
	switch {
	case len(n.Nodes) > 0, isWhole(n):
		b.loose = true
	case n.Op == filter.In && len(n.Values) > manyValues:
		b.ranged = append(b.ranged, at)
	default:
		b.equal = append(b.equal, at)
	}
}

// isWhole reports whether a condition compares an array or an object as a whole,
// for which an index of its elements is of little use.
func isWhole(n *filter.Node) bool {
	for _, value := range n.Values {
		if value.Type == bson.TypeArray || value.Type == bson.TypeEmbeddedDocument {
			return true
		}
	}
	return false
}

// pattern takes one that begins with fixed text for a range.
func (b *bounds) pattern(at bound, value bson.RawValue) {
	source, _ := value.Regex()
	if rest, anchored := strings.CutPrefix(source, "^"); anchored && rest != "" && !strings.ContainsAny(rest[:1], `.[(\^$*+?{`) && !strings.Contains(rest, "|") {
		b.ranged = append(b.ranged, at)
		return
	}
	b.loose = true
}

func (b *bounds) either(c *schema.Collection, n *filter.Node) {
	alternatives := make([]bounds, len(n.Nodes))
	for i, inner := range n.Nodes {
		alternatives[i] = boundsOf(c, []*filter.Node{inner})
	}
	b.alternatives = append(b.alternatives, alternatives)
}

func (b *bounds) element(c *schema.Collection, n *filter.Node, array string) {
	for _, inner := range n.Nodes {
		b.add(c, inner, array)
	}
}

// related takes a condition on related documents for what it is resolved to: the
// ids of those that fulfil it.
func (b *bounds) related(c *schema.Collection, n *filter.Node) {
	for _, relation := range c.Relations {
		if relation.Name != n.Target.Relation.Name {
			continue
		}
		if relation.Kind == schema.BelongsTo {
			b.equal = append(b.equal, bound{stored: relation.Stored, path: relation.By})
			return
		}
		b.equal = append(b.equal, bound{stored: "_id", path: "id"})
	}
}

// none reports whether there is nothing that an index must serve.
func (b *bounds) none() bool {
	return len(b.equal)+len(b.ranged)+len(b.areas)+len(b.alternatives) == 0 && !b.served && !b.loose
}

// find returns the bound on a stored field.
func find(list []bound, stored string) (bound, bool) {
	for _, b := range list {
		if b.stored == stored {
			return b, true
		}
	}
	return bound{}, false
}
