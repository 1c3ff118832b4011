// Package schema compiles schema files into an immutable Model: what every
// request needs to know of a collection, worked out once.
//
// The rules of a schema hold in three places that agree: Collection.Check,
// MongoDB's $jsonSchema (Collection.Validator) for the part that it can
// express, and the published JSON Schema (Collection.JSONSchema).
package schema

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Model is a compiled schema folder. It is never changed after Load returns,
// and nothing that it leads to may be changed.
type Model struct {
	// Collections are sorted by name.
	Collections []*Collection
	// Hash stands for the compiled meaning: it changes when a rule, an index or
	// a relation does, and not when comments or layout of the files do.
	Hash string
	// Files are what it was compiled from, sorted by name.
	Files []File

	byName map[string]*Collection
	// ruled is set where a collection has rules of access.
	ruled      bool
	vocabulary vocabulary
	views      views
}

// File is a schema file as it was read.
type File struct {
	Name string
	Text []byte
}

// Lookup returns the collection of a name.
func (m *Model) Lookup(name string) (*Collection, bool) {
	c, ok := m.byName[name]
	return c, ok
}

// Nearest returns the name of the collection that a mistyped name was meant to
// be, "" where none is near.
func (m *Model) Nearest(name string) string { return nearest.Name(name, m.Names()) }

// Names returns the names of the collections, sorted.
func (m *Model) Names() []string {
	names := make([]string, len(m.Collections))
	for i, c := range m.Collections {
		names[i] = c.Name
	}
	return names
}

// Collection is one compiled schema file.
type Collection struct {
	Name        string
	Description string
	// Model is what the collection belongs to. Collections of two models are never
	// the same, not even where the files say the same of them.
	Model *Model
	// ID says how documents get their id.
	ID IDKind
	// Fields shape a document for the codec: id, the declared fields in the
	// order of the file, then version, createdAt and updatedAt; and deletedAt of a
	// collection whose deleted documents are kept.
	Fields *bsonjson.Fields
	// Indexes are in the order of the file: those of `unique: true` first, and
	// last those of references and relations that no other index serves. The
	// index on _id is not among them.
	Indexes []Index
	// ShardKey is nil for a collection that is not to be sharded.
	ShardKey *ShardKey
	// References are the fields of type ref, at any depth.
	References []Reference
	// SoftDelete is nil where a delete removes a document. Else the document stays,
	// with the time of its delete, and takes no part in anything.
	SoftDelete *Retention
	// History is nil where no versions of documents are kept but the last.
	History *Retention
	// CreateFields are Fields, and the relations by which a create may bring
	// other documents with it: those are kept apart.
	CreateFields *bsonjson.Fields
	// ChangeFields are the members of the body of a replacement or a merge patch.
	ChangeFields *bsonjson.Fields
	// KeyFields are the id and the fields that are unique by themselves: each
	// names at most one document.
	KeyFields *bsonjson.Fields
	// Referrers are the references of all collections that lead to this one.
	Referrers []Referrer
	// Relations and Aggregates are sorted by name.
	Relations  []Relation
	Aggregates []*Aggregate
	// Access is who may do what; nil where every caller may do everything.
	Access *Access
	// Grant is what the caller may do as whose the model is looked at (Model.As);
	// nil for everything.
	Grant *Grant

	// origin is set in a view: the collection that it narrows.
	origin *Collection
	// creatable are the fields of which CreateFields are made.
	creatable *bsonjson.Fields
	idShape   *bsonjson.Shape
	// rules are those of the whole document: an object's.
	rules *rules
}

// IDKind says how documents of a collection get their id.
type IDKind uint8

// The id kinds. Increment is a rising int that the service allocates, String
// and Int are chosen by the client, ObjectID and UUID (version 7) are generated
// where the client sends none.
const (
	ObjectID IDKind = iota
	UUID
	Increment
	String
	Int
)

// Generated reports whether a document may be created without an id.
func (k IDKind) Generated() bool { return k == ObjectID || k == UUID || k == Increment }

// Settable reports whether a client may choose the id.
func (k IDKind) Settable() bool { return k != Increment }

// String returns the kind as schema files name it.
func (k IDKind) String() string { return idKindNames[k] }

var idKindNames = []string{ObjectID: "objectId", UUID: "uuid", Increment: "increment", String: "string", Int: "int"}

// Index is a secondary index of a collection.
type Index struct {
	// Name is made from the keys, and from a hash of the options where the keys
	// alone would not tell two indexes apart.
	Name string
	// Keys are as MongoDB has them: stored paths (_id for id) with 1, -1,
	// "text" or "2dsphere".
	Keys bson.D
	// Fields are the paths of Keys as clients know them (id for _id).
	Fields []string
	Unique bool
	// Partial is the filter of a partial index; nil for one of all documents.
	Partial bson.D
	// ExpireAfter is how long after the date of its one key MongoDB deletes a
	// document; nil for never.
	ExpireAfter *time.Duration

	// OfUniqueField is set for the index of a field that says unique: where it
	// is partial it leaves out only documents that have no value there.
	OfUniqueField bool
	// LiveOnly is set where the last condition of Partial leaves out documents that
	// are deleted and kept.
	LiveOnly bool
}

// Reference is a field that holds the id of a document of a collection.
type Reference struct {
	// Path is dotted, and leads through arrays without an index.
	Path string
	To   string
	// Target is the collection To.
	Target   *Collection
	OnDelete OnDelete
	// Many is set where an array lies on the path.
	Many bool
}

// Referrer is a Reference, seen from the collection that it leads to.
type Referrer struct {
	// Collection holds the reference, Reference is its place among the
	// References of that.
	Collection *Collection
	Reference  int
}

// Declared returns the reference itself.
func (r Referrer) Declared() Reference { return r.Collection.References[r.Reference] }

// OnDelete says what becomes of a document when the one that it refers to is
// deleted.
type OnDelete uint8

// The answers to a delete: refuse it, delete the referring documents too, or
// take the reference out of them.
const (
	Restrict OnDelete = iota
	Cascade
	SetNull
)

// String returns the answer as schema files name it.
func (d OnDelete) String() string { return onDeleteNames[d] }

var onDeleteNames = []string{Restrict: "restrict", Cascade: "cascade", SetNull: "set_null"}

// Relation is a named way from a document to others.
type Relation struct {
	Name string
	Kind RelationKind
	// Target is the collection that the way leads to.
	Target string
	// By is the path of the field that holds the id: of this collection for
	// BelongsTo, of Target for HasMany and HasOne. Stored is that path in
	// MongoDB: _id for id.
	By, Stored string
	// Many is set where the way leads to any number of documents: for HasMany,
	// and for BelongsTo by a field that holds several ids.
	Many bool
	// ByMany is set where an array lies on By, so that one document holds several
	// ids there.
	ByMany bool
	// Collection is that of Target.
	Collection *Collection
	// Nested is set where a create may bring documents with it by this relation:
	// where By is a reference, or an array of them, at the top of the document.
	Nested bool
}

// RelationKind tells on which side the id is kept, and how many it leads to.
type RelationKind uint8

// The relation kinds.
const (
	BelongsTo RelationKind = iota
	HasMany
	HasOne
)

// String returns the kind as schema files name it.
func (k RelationKind) String() string { return relationKindNames[k] }

var relationKindNames = []string{BelongsTo: "belongs_to", HasMany: "has_many", HasOne: "has_one"}
