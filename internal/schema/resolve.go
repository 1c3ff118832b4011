package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Resolver finds what filters of the collection can speak of: the fields of its
// documents, with the indexes that serve $near and $text, and its relations.
func (c *Collection) Resolver() filter.Resolver {
	fields := filter.Fields(c.Fields)
	return func(path string) (filter.Target, error) {
		if relation, ok := c.Relation(path); ok {
			return filter.Target{Relation: &filter.Related{
				Name: relation.Name, Many: relation.Many, Fields: relation.Collection.Resolver(),
			}}, nil
		}
		if path == filter.TextIndex && c.serves(isTextKey) {
			return filter.Target{}, nil
		}
		target, err := fields(path)
		if err != nil {
			return target, c.unresolved(path, err)
		}
		target.Near = c.serves(func(key bson.E) bool { return key.Key == target.Stored && key.Value == sphereKey })
		return target, nil
	}
}

// serves reports whether an index begins with a key and holds all documents:
// one that does not serves only filters that also ask for what it is limited to.
func (c *Collection) serves(first func(bson.E) bool) bool {
	return slices.ContainsFunc(c.Indexes, func(index Index) bool {
		return index.Partial == nil && first(index.Keys[0])
	})
}

// unresolved adds what relations have to do with a path that leads nowhere.
func (c *Collection) unresolved(path string, reason error) error {
	first, _, dotted := strings.Cut(path, ".")
	relation, ok := c.Relation(first)
	switch {
	case ok:
		return errors.New("leads into a relation; ask for the related documents with " + filter.Quantifiers(relation.Many))
	case dotted || path == filter.TextIndex:
		return reason
	}
	return fmt.Errorf("is not a field of the schema%s", nearest.Hint(path, append(c.Fields.Names(), c.RelationNames()...)))
}
