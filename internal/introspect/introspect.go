// Package introspect writes schema files for a database that others made: from
// its validators, its indexes and a sample of its documents.
//
// What it writes accepts what is there. A declaration is inferred from the
// documents that were read, compiled, and held against them; what does not admit
// one is loosened. Where only a sample was read, MongoDB looks for documents that
// the declaration refuses, and those are read as well.
package introspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// Options says what to look at.
type Options struct {
	// Collections are those to write files for; all where there are none.
	Collections []string
	// Sample is how many documents of a collection are read at most.
	Sample int
	// Progress, where it is not nil, is told of every collection before it is
	// looked at, with how many there are.
	Progress func(name string, place, of int)
}

// Result is what was made of a database.
type Result struct {
	// Files are the schema files, one a collection, which compile together.
	Files []schema.File
	// Found tells of the collections that have a file, in the order of the files.
	Found []Found
	// Skipped are the collections that no schema can declare.
	Skipped []Skipped
}

// Found tells of one collection.
type Found struct {
	Name string
	// Documents is how many there are, Read how many of them were looked at.
	Documents, Read int64
	// Limits are what no schema file can say of the collection.
	Limits []string
}

// Skipped is a collection without a file, and why.
type Skipped struct{ Name, Reason string }

// Run looks at the collections of a database. It only reads. A collection of
// Options that is not there is an UnknownCollection fault.
func Run(ctx context.Context, s *store.Store, o Options) (*Result, error) {
	there, err := s.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	there, err = chosen(there, o.Collections)
	if err != nil {
		return nil, err
	}
	result := &Result{}
	var subjects []*subject
	for i, info := range there {
		if o.Progress != nil {
			o.Progress(info.Name, i+1, len(there))
		}
		subject := &subject{store: s, info: info}
		switch reason, err := subject.study(ctx, o.Sample); {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", info.Name, err)
		case reason != "":
			result.Skipped = append(result.Skipped, Skipped{info.Name, reason})
		default:
			subjects = append(subjects, subject)
		}
	}
	if err := findReferences(ctx, s, subjects); err != nil {
		return nil, err
	}
	return result, result.add(subjects)
}

// chosen are the collections that were asked for.
func chosen(there []store.CollectionInfo, names []string) ([]store.CollectionInfo, error) {
	if len(names) == 0 {
		return there, nil
	}
	var found []store.CollectionInfo
	for _, name := range names {
		i := slices.IndexFunc(there, func(info store.CollectionInfo) bool { return info.Name == name })
		if i < 0 {
			return nil, fault.New(fault.UnknownCollection, "the database has no collection %q%s", name, near(name, there))
		}
		if !slices.ContainsFunc(found, func(info store.CollectionInfo) bool { return info.Name == name }) {
			found = append(found, there[i])
		}
	}
	return found, nil
}

// add writes the files, and holds that they compile together.
func (r *Result) add(subjects []*subject) error {
	for _, s := range subjects {
		r.Files = append(r.Files, s.file())
		r.Found = append(r.Found, Found{Name: s.info.Name, Documents: s.count, Read: s.read, Limits: s.limits})
	}
	if len(r.Files) == 0 {
		return nil
	}
	_, err := schema.LoadFiles(r.Files)
	return unexpected(err)
}

// unexpected tells of files that do not compile, which would be a mistake of
// this package.
func unexpected(err error) error {
	if err == nil {
		return nil
	}
	if problems, ok := errors.AsType[*schema.Problems](err); ok {
		return fmt.Errorf("what was inferred does not compile, which is a mistake of sheaf: %s", (*problems)[0])
	}
	return err
}

// subject is one collection while it is looked at.
type subject struct {
	store *store.Store
	info  store.CollectionInfo

	// count is how many documents there are, read how many were looked at, whole
	// that these are all.
	count, read int64
	whole       bool
	// documents are those that were looked at, until the declaration is held
	// against them, of size bytes.
	documents []bson.Raw
	size      int

	seen   *object
	ids    *evidence
	system systemEvidence

	id         schema.IDKind
	top        *field
	indexes    []indexDeclaration
	references []*field
	relations  []relation
	// limits are what no schema file can say.
	limits []string
}

// maxBytes bounds the documents of one collection that are kept, in bytes.
const maxBytes = 128 << 20

var errEnough = errors.New("the documents are too large to keep more of them")

// study reads documents and infers the declaration. reason says why there is
// none.
func (s *subject) study(ctx context.Context, most int) (reason string, err error) {
	if reason := schema.BadCollectionName(s.info.Name); reason != "" {
		return "its name " + reason, nil
	}
	s.seen, s.ids = newObject(), newEvidence()
	s.whole, s.count, err = s.store.Sample(ctx, s.info.Name, most, s.look)
	if errors.Is(err, errEnough) {
		s.whole, err = false, nil
	}
	if err != nil {
		return "", err
	}
	s.infer()
	if err := s.settle(ctx); err != nil {
		return "", err
	}
	s.documents = nil
	s.limits = append(append(s.limits, s.systemLimits()...), s.validatorLimits()...)
	return "", s.declareIndexes()
}

// look takes a document into account.
func (s *subject) look(doc bson.Raw) error {
	if s.size += len(doc); s.size > maxBytes && s.read > 0 {
		return errEnough
	}
	s.documents = append(s.documents, slices.Clone(doc))
	s.read++
	s.seen.see(doc, func(name string, value bson.RawValue) bool {
		if name == "_id" {
			s.ids.see(value)
			return true
		}
		return s.system.see(name, value)
	})
	return nil
}

// infer makes the declaration of what was seen.
func (s *subject) infer() {
	s.id = s.idKind()
	top := &field{typ: "object"}
	if s.seen.isMap() {
		top.open = true
		for _, name := range s.seen.names {
			if e := s.seen.members[name]; e.values*mapShare >= s.seen.count {
				top.members = append(top.members, infer(name, e, s.seen.count, 1))
			}
		}
	} else {
		top.members, top.open = inferMembers(s.seen, 0)
	}
	top.open = top.open || s.system.unfit["id"] > 0
	s.top = top
	s.heed(s.validator())
}

// idKind is the kind of most ids that a schema has a kind for; what the validator
// says where there are no documents.
func (s *subject) idKind() schema.IDKind {
	kinds := map[string]schema.IDKind{"objectId": schema.ObjectID, "uuid": schema.UUID, "string": schema.String, "int": schema.Int}
	best := "objectId"
	if said, _ := saidType(s.validator().Lookup("properties", "_id")); s.ids.values == 0 && said != "" {
		best = strings.Replace(said, "binary", "uuid", 1)
	}
	for _, kind := range []string{"objectId", "uuid", "int", "string"} {
		if s.ids.kinds[kind] > s.ids.kinds[best] {
			best = kind
		}
	}
	return kinds[best]
}

// file writes the declaration.
func (s *subject) file() schema.File {
	notes := schema.Notes{}
	declared := s.declaration(notes)
	s.head(notes)
	return schema.File{Name: s.info.Name + ".yaml", Text: schema.AppendYAML(nil, declared, notes)}
}

// declaration is the collection as a schema file has it.
func (s *subject) declaration(notes schema.Notes) schema.JSON {
	out := schema.JSON{
		{Name: "collection", Value: s.info.Name},
		{Name: "id", Value: s.id.String()},
		{Name: "fields", Value: declareMembers(s.top.members, "/fields", "documents", notes)},
	}
	notes.Add("/id", "%s", s.idNote())
	if s.top.open {
		out = append(out, schema.Member{Name: "additional", Value: "keep"})
		notes.Add("/additional", "%s", s.openNote())
	}
	if list := s.indexList(notes); len(list) > 0 {
		out = append(out, schema.Member{Name: "indexes", Value: list})
	}
	if list := s.relationList(); len(list) > 0 {
		out = append(out, schema.Member{Name: "relations", Value: list})
	}
	return out
}

// compile compiles the declaration by itself, as long as it has no references.
func (s *subject) compile() (*schema.Collection, error) {
	model, err := schema.LoadFiles([]schema.File{s.file()})
	if err != nil {
		return nil, err
	}
	return model.Collections[0], nil
}
