package seed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// maxFileBytes bounds a file of fixtures.
const maxFileBytes = 8 << 20

// Read reads the fixtures of files and holds them against the model. The error is
// *schema.Problems, with all that is wrong with all files.
func Read(ctx context.Context, model *schema.Model, files []schema.File) (*Set, error) {
	s := &Set{model: model, byName: map[string]map[string]*fixture{}, astray: map[schema.Problem]bool{}}
	for _, file := range files {
		if root := schema.ParseYAML(file.Name, file.Text, "seed", maxFileBytes, &s.problems); root != nil {
			s.file(root)
		}
	}
	for _, f := range s.fixtures {
		s.resolve(f)
	}
	s.check(ctx)
	if err := s.problems.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// file reads the collections of one file.
func (s *Set) file(root *schema.Node) {
	if !root.IsMapping() {
		s.problems.Add(root, "must be a mapping of collections, such as {users: {ada: {name: Ada}}}, not %s", root.KindName())
		return
	}
	for key, documents := range root.Entries() {
		c, ok := s.model.Lookup(key.Text())
		switch {
		case !ok:
			s.problems.Add(key, "the schema declares no collection %q%s", key.Text(), nearest.Hint(key.Text(), s.model.Names()))
		case !documents.IsMapping():
			s.problems.Add(documents, "must be a mapping of names to documents, such as {ada: {name: Ada}}, not %s", documents.KindName())
		default:
			for name, node := range documents.Entries() {
				s.add(&fixture{collection: c, name: name.Text(), key: name, node: node})
			}
		}
	}
}

func (s *Set) add(f *fixture) {
	if !f.node.IsMapping() {
		s.problems.Add(f.node, "must be a document, a mapping of its fields, not %s", f.node.KindName())
		return
	}
	if f.name == "" {
		s.problems.Add(f.key, "the name is empty")
		return
	}
	names := s.byName[f.collection.Name]
	if names == nil {
		names = map[string]*fixture{}
		s.byName[f.collection.Name] = names
	}
	if first, taken := names[f.name]; taken {
		at := first.key.Place()
		s.problems.Add(f.key, "the name %q is taken by another document of %s, in %s:%d", f.name, f.collection.Name, at.File, at.Line)
		return
	}
	names[f.name], s.fixtures = f, append(s.fixtures, f)
}

// resolve reads the id of a fixture, finds the fixtures that it refers to, and
// notes names that lead nowhere.
func (s *Set) resolve(f *fixture) {
	for key, value := range f.node.Entries() {
		_, isField := f.collection.Fields.Lookup([]byte(key.Text()))
		if _, isRelation := f.collection.Relation(key.Text()); isRelation && !isField {
			s.problems.Add(key, "%q is a relation; write the documents that it leads to as fixtures of their own, and name them where the ids stand", key.Text())
		}
		if key.Text() == "id" && f.collection.ID.Settable() {
			f.given = f.readID(value)
		}
	}
	s.render(f, func(at *schema.Node, to *fixture, problem string) []byte {
		if problem != "" {
			s.problems.Add(at, "%s", problem)
			s.astray[at.Place()] = true
		}
		if to != nil && !slices.Contains(f.refers, to) {
			f.refers = append(f.refers, to)
		}
		return placeholder(to)
	})
}

// readID reads an id that stands in the document; what is wrong with it is told
// when the document is checked.
func (f *fixture) readID(n *schema.Node) bson.RawValue {
	id, err := f.collection.DecodeID(n.JSON(), "", new(fault.List))
	if err != nil {
		return bson.RawValue{}
	}
	if id.Type == 0 && n.IsWord() {
		id, _ = f.collection.ParseID(n.Text())
	}
	return id
}

// placeholder is an id of the right kind for a document that has none yet.
func placeholder(to *fixture) []byte {
	if to == nil {
		return nil
	}
	switch to.collection.ID {
	case schema.Increment, schema.Int:
		return []byte("1")
	case schema.String:
		return []byte(`"x"`)
	}
	return bsonjson.AppendValue(nil, to.collection.ID.Derive([16]byte{}))
}

// write makes the body of a document whose references are all known.
func (s *Set) write(f *fixture) {
	s.render(f, func(_ *schema.Node, to *fixture, _ string) []byte {
		if to == nil {
			return nil
		}
		return bsonjson.AppendValue(nil, to.id)
	})
}

// render makes the body of a fixture. id is asked for what stands in the place of
// a reference: to which fixture, or what is wrong with it.
func (s *Set) render(f *fixture, id func(at *schema.Node, to *fixture, problem string) []byte) {
	targets := map[string]string{}
	for _, ref := range f.collection.References {
		targets[ref.Path] = ref.To
	}
	shape := &bsonjson.Shape{Kind: bsonjson.Object, Fields: f.collection.Fields}
	f.body = f.node.Literal(shape, func(path string, n *schema.Node) []byte {
		if named, ok := mentioned(n); ok {
			to, problem := s.mention(named)
			return id(n, to, problem)
		}
		target, isRef := targets[path]
		if !isRef || !n.IsWord() {
			return nil
		}
		to, problem := s.named(target, n.Text())
		return id(n, to, problem)
	})
}

// mentioned returns the text of {$ref: text}.
func mentioned(n *schema.Node) (string, bool) {
	if !n.IsMapping() {
		return "", false
	}
	for key, value := range n.Entries() {
		return value.Text(), key.Text() == "$ref" && value.IsWord()
	}
	return "", false
}

// mention finds the fixture that is called collection.name.
func (s *Set) mention(text string) (*fixture, string) {
	for i, c := range text {
		if to := s.byName[text[:i]][text[min(i+1, len(text)):]]; c == '.' && to != nil {
			return to, ""
		}
	}
	var all []string
	for _, f := range s.fixtures {
		all = append(all, f.collection.Name+"."+f.name)
	}
	return nil, fmt.Sprintf("no document of these files is called %q%s; write collection.name", text, nearest.Hint(text, all))
}

// named finds the fixture of a collection that a reference names. What is no name
// is an id, where it can be one.
func (s *Set) named(collection, name string) (*fixture, string) {
	if to := s.byName[collection][name]; to != nil {
		return to, ""
	}
	target, _ := s.model.Lookup(collection)
	if _, err := target.ParseID(name); err == nil {
		return nil, ""
	}
	names := slices.Sorted(maps.Keys(s.byName[collection]))
	return nil, fmt.Sprintf("no document of %s in these files is named %q%s", collection, name, nearest.Hint(name, names))
}

// check holds all fixtures against the rules of their collections.
func (s *Set) check(ctx context.Context) {
	writes := make([]engine.Write, len(s.fixtures))
	for i, f := range s.fixtures {
		writes[i] = f.asWrite(i)
		if f.given.Type == 0 && !f.collection.ID.Generated() && f.collection.ID == schema.String {
			writes[i].ID = bsonjson.StringValue(f.name)
		}
	}
	if err := engine.Check(ctx, engine.Batch{Writes: writes}); err != nil {
		s.place(fault.From(err).Items, s.fixtures)
	}
}

// place notes faults of documents at their places in the files. Where a name
// leads nowhere that is all that is told.
func (s *Set) place(items []fault.Item, of []*fixture) {
	for _, item := range items {
		index, rest, _ := strings.Cut(strings.TrimPrefix(item.Pointer, "/"), "/")
		i, err := strconv.Atoi(index)
		if err != nil || i >= len(of) {
			s.problems.Note(schema.Problem{Message: item.Detail})
			continue
		}
		f := of[i]
		at := f.key
		if inner := f.node.At("/" + rest); rest != "" && inner != f.node {
			at = inner
		}
		if !s.astray[at.Place()] {
			s.problems.Add(at, "%s.%s%s %s", f.collection.Name, f.name, spoken(rest), item.Detail)
		}
	}
}

// spoken is a pointer within a document.
func spoken(rest string) string {
	if rest == "" {
		return ""
	}
	return ": /" + rest
}
