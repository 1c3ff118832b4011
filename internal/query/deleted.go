package query

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Deleted says whether a read sees documents that were deleted and kept.
type Deleted uint8

// The choices: none of them, them too, them alone.
const (
	NoDeleted Deleted = iota
	WithDeleted
	OnlyDeleted
)

var deletedNames = []string{WithDeleted: "include", OnlyDeleted: "only"}

const mustBeDeleted = "must be one of include, only"

// parseDeleted reads the choice, which is not NoDeleted.
func parseDeleted(text string) (Deleted, bool) {
	i := slices.Index(deletedNames, text)
	return Deleted(max(i, 0)), i > 0
}

// isDeleted reports whether the values of a parameter are the choice, rather than a
// condition on a field of that name.
func isDeleted(values []string) bool {
	return slices.ContainsFunc(values, func(text string) bool { _, ok := parseDeleted(text); return ok })
}

// admits reports whether a read sees a stored document of a collection.
func (d Deleted) admits(c *schema.Collection, doc bson.Raw) bool {
	return d == WithDeleted || c.Deleted(doc) == (d == OnlyDeleted)
}

var deletedAt = filter.Target{Stored: schema.DeletedAt, Shape: &bsonjson.Shape{Kind: bsonjson.Date}}

// Live is the filter of the documents of a collection that are not deleted, nil
// where none is kept that is.
func Live(c *schema.Collection) *filter.Bound { return NoDeleted.where(c) }

// where is the filter of the documents that a read sees, nil for all. It is
// written so that the indexes serve it that leave the others out.
func (d Deleted) where(c *schema.Collection) *filter.Bound {
	switch {
	case c.SoftDelete == nil || d == WithDeleted:
		return nil
	case d == OnlyDeleted:
		first := bson.RawValue{Type: bson.TypeDateTime, Value: bsonjson.IntValue(math.MinInt64).Value}
		return filter.Where(filter.Compare(deletedAt, filter.Gte, first))
	}
	return filter.Where(filter.Compare(deletedAt, filter.Eq, bson.RawValue{Type: bson.TypeNull}))
}

// isOwn reports whether a condition is the one that Deleted adds.
func isOwn(n *filter.Node) bool { return n.Target.Shape == deletedAt.Shape }

// sent are the conditions that the client sent.
func (p *Plan) sent() []*filter.Node {
	if p.Where == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Where.Conditions()), isOwn)
}

// indexesFor are the indexes as a read can use them: without the condition that
// it fulfils by itself, and without those that leave out what it sees.
func (d Deleted) indexesFor(c *schema.Collection) []schema.Index {
	if c.SoftDelete == nil {
		return c.Indexes
	}
	var list []schema.Index
	for _, index := range c.Indexes {
		if index.LiveOnly && d != NoDeleted {
			continue
		}
		index.Partial = index.Among()
		list = append(list, index)
	}
	return list
}

// admitsDeleted notes where a collection keeps nothing that is deleted.
func (r Request) admitsDeleted(c *schema.Collection, faults *fault.List) {
	if r.Deleted != NoDeleted && c.SoftDelete == nil {
		faults.Add(r.source.pointer(partDeleted), "unknown-parameter", "does not fit %s, which keeps no deleted documents", c.Name)
	}
	if r.Count == Estimate && c.SoftDelete != nil && r.Deleted != WithDeleted {
		faults.Add(r.source.pointer(partCount), "enum", "estimate is that of the whole collection, deleted documents included; ask for exact")
	}
}
