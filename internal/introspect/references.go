package introspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// relation is a name for the way that a reference leads.
type relation struct{ name, to, by string }

// findReferences finds the fields whose values are ids of documents, of a
// collection that they are named after or that nothing else fits.
func findReferences(ctx context.Context, s *store.Store, subjects []*subject) error {
	for _, subject := range subjects {
		err := subject.top.walk("", func(f *field, path string) error {
			return subject.reference(ctx, s, f, path, subjects)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walk calls visit with the fields to which a path leads, those in arrays too.
func (f *field) walk(path string, visit func(*field, string) error) error {
	for _, member := range f.members {
		if strings.Contains(member.name, ".") {
			continue
		}
		at := member.name
		if path != "" {
			at = path + "." + member.name
		}
		value := member
		for value.typ == "array" {
			value = value.items
		}
		if err := visit(value, at); err != nil {
			return err
		}
		if err := value.walk(at, visit); err != nil {
			return err
		}
	}
	return nil
}

// maxReferences leaves room for their indexes, of which MongoDB holds 64.
const maxReferences = 24

// reference makes a ref of a field whose values are all ids of one collection.
func (s *subject) reference(ctx context.Context, db *store.Store, f *field, path string, among []*subject) error {
	if f.seen == nil || len(f.seen.ids) == 0 || len(s.references) == maxReferences || !slices.Contains([]string{"objectId", "uuid", "int", "string"}, f.typ) {
		return nil
	}
	var found []*subject
	certainty := none
	for _, other := range among {
		fit := s.fit(f, path, other)
		if fit == none || fit < certainty {
			continue
		}
		there, err := db.Existing(ctx, other.info.Name, f.seen.ids, false)
		if err != nil {
			return err
		}
		if len(there) < len(f.seen.ids) {
			s.partly(f, fit, len(there), other)
			continue
		}
		if fit > certainty {
			found = nil
		}
		found, certainty = append(found, other), fit
	}
	if len(found) == 1 && s.roomFor(path) {
		s.refer(f, path, found[0])
	}
	return nil
}

// partly tells of a field that is named after a collection, and holds other
// values than its ids too.
func (s *subject) partly(f *field, fit certainty, there int, other *subject) {
	if fit == byName && there > 0 {
		f.notes = append(f.notes, fmt.Sprintf("no ref: %d of %d values that were looked for are ids of %s", there, len(f.seen.ids), other.info.Name))
	}
}

// roomFor reports whether the index of a reference has a name that is free.
func (s *subject) roomFor(path string) bool {
	return !slices.ContainsFunc(s.info.Indexes, func(raw bson.Raw) bool { return indexName(raw) == path+"_1__id_1" })
}

// certainty is how much a field looks like a reference to a collection, before
// its values are looked for there.
type certainty int

const (
	none certainty = iota
	// byValue: nothing but the values can tell.
	byValue
	// byRole: the name is that of a part which people play.
	byRole
	// byName: the name is that of the collection.
	byName
)

// enoughValues is how many values must be ids where the name of a field says
// little, and enoughPeople where it names a part that people play.
const enoughValues, enoughPeople = 3, 2

func (s *subject) fit(f *field, path string, other *subject) certainty {
	if other.id.String() != f.typ && (other.id != schema.Increment || f.typ != "int") || other.ids.values == 0 {
		return none
	}
	name := path[strings.LastIndexByte(path, '.')+1:]
	stem, suffixed := stemOf(name)
	target := singular(plainWord(other.info.Name))
	word := singular(plainWord(stem))
	unique := f.typ == "objectId" || f.typ == "uuid" // by themselves, over all collections
	switch {
	case word == target || strings.HasSuffix(word, target) && len(target) > 2 && (suffixed || unique):
		return byName
	case slices.Contains(roles, word) && slices.Contains(peoples, target) && len(f.seen.ids) >= enoughPeople:
		return byRole
	case unique && len(f.seen.ids) >= enoughValues:
		return byValue
	}
	return none
}

// roles are words for people, and peoples what collections of them are called.
var (
	roles   = []string{"author", "owner", "creator", "editor", "reviewer", "assignee", "member", "user", "sender", "recipient", "createdby", "updatedby", "manager", "person", "customer", "account"}
	peoples = []string{"user", "person", "people", "member", "author", "account", "customer", "profile", "contact"}
)

var idSuffixes = []string{"_ids", "_id", "Ids", "IDs", "Id", "ID", "_ref", "Ref", "Refs"}

// stemOf takes what names an id off a name.
func stemOf(name string) (stem string, suffixed bool) {
	for _, suffix := range idSuffixes {
		if stem, ok := strings.CutSuffix(name, suffix); ok && stem != "" {
			return stem, true
		}
	}
	return name, false
}

// plainWord is a name in lower case, without marks between its words.
func plainWord(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(name))
}

// singular is a word of English without the mark of its plural, about.
func singular(word string) string {
	if stem, ok := strings.CutSuffix(word, "ies"); ok && len(stem) > 1 {
		return stem + "y"
	}
	for _, end := range []string{"ses", "xes", "ches", "shes"} {
		if strings.HasSuffix(word, end) {
			return strings.TrimSuffix(word, "es")
		}
	}
	if strings.HasSuffix(word, "ss") {
		return word
	}
	return strings.TrimSuffix(word, "s")
}

// refer makes the field a reference, and gives the way a name where the field's
// own leaves one.
func (s *subject) refer(f *field, path string, to *subject) {
	f.typ, f.to, f.rules = "ref", to.info.Name, nil
	f.notes = append(f.notes, fmt.Sprintf("%s looked for, each the id of a document of %s", count(int64(len(f.seen.ids)), "value"), to.info.Name))
	s.references = append(s.references, f)
	name, suffixed := stemOf(path)
	if !suffixed || strings.Contains(path, ".") || s.top.member(name) != nil || schema.BadFieldName(name, true) != "" || strings.Contains(name, ",") {
		return
	}
	if s.top.member(path).typ == "array" {
		if name += "s"; s.top.member(name) != nil {
			return
		}
	}
	s.relations = append(s.relations, relation{name, to.info.Name, path})
}

func (s *subject) relationList() schema.JSON {
	var list schema.JSON
	for _, r := range s.relations {
		list = append(list, schema.Member{Name: r.name, Value: schema.JSON{{Name: "belongs_to", Value: r.to}, {Name: "by", Value: r.by}}})
	}
	return list
}
