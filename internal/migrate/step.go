// Package migrate brings a database from the state that it is in to the one that
// a model needs: Inspect reads that state, Diff makes steps of the difference,
// Find looks for stored documents that are in the way of them.
//
// Steps are data: they are printed, written into migration files and read from
// there again, and carried out one by one.
package migrate

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Kind is what a step does, as migration files name it.
type Kind string

// The kinds.
const (
	CreateCollection Kind = "create_collection"
	DropCollection   Kind = "drop_collection"
	RenameCollection Kind = "rename_collection"
	ShardCollection  Kind = "shard_collection"
	CreateIndex      Kind = "create_index"
	DropIndex        Kind = "drop_index"
	SetValidator     Kind = "set_validator"
	Update           Kind = "update"
)

// Risk is what a step means for the instances that run meanwhile, old ones and
// new ones. Steps are carried out in the order of their risks.
type Risk uint8

// The risks.
const (
	// Expand adds: old and new instances work before it and after it.
	Expand Risk = iota
	// Backfill changes stored documents, so that they fit what comes.
	Backfill
	// Tighten makes MongoDB refuse what it took, which old instances may write
	// still.
	Tighten
	// Contract deletes, which nothing brings back.
	Contract
)

// String returns the risk as it is printed and as migration files have it.
func (r Risk) String() string { return riskNames[r] }

var riskNames = []string{Expand: "expand", Backfill: "backfill", Tighten: "tighten", Contract: "contract"}

// Step is one change of the database. Which fields count follows from its kind.
type Step struct {
	Kind Kind
	// Collection is its name before the step.
	Collection string
	// To is the new name: of RenameCollection.
	To string
	// Validator is what CreateCollection and SetValidator give; nil for none.
	Validator bson.Raw
	// Index is what CreateIndex makes and DropIndex deletes, as createIndexes
	// takes it. Of one to delete it may hold the name alone.
	Index bson.Raw
	// ShardKey is that of ShardCollection.
	ShardKey bson.D
	// Change is what Update does to documents.
	Change *Change

	Risk Risk
	// Irreversible says why the step cannot be undone; empty where it can.
	Irreversible string
	// Note tells the reader what the step itself does not.
	Note string
}

// IndexName returns the name of the step's index.
func (s Step) IndexName() string {
	name, _ := s.Index.Lookup("name").StringValueOK()
	return name
}

// Change is what an Update does to every document that a filter admits. One of
// its members beside Filter is set.
type Change struct {
	// Filter is MongoDB's; nil admits all documents.
	Filter bson.Raw

	Rename     *Rename
	SetDefault *SetDefault
	Convert    *Convert
	Split      *Split
	// Unset are the paths of the fields to take out. They may lead through arrays.
	Unset []string
	// Pipeline are the stages of an update pipeline.
	Pipeline []bson.Raw
	// Todo says what is to be written in place of the step: it is one that only
	// its author can know, and refuses to run.
	Todo string
}

// Rename moves the value at a path to another. A document without a value stays
// as it is, and so does one that has a value at the new path.
type Rename struct{ From, To string }

// SetDefault gives the field at a path a value where it is missing. Where the
// object in which it lies is missing, or is no object, nothing is set.
type SetDefault struct {
	Field string
	// Value is what is set; Now takes the time of the update in its place.
	Value bson.RawValue
	Now   bool
}

// Convert gives the value at a path another type: string, int, double, decimal,
// bool, date or objectId. A value that does not convert stops the step.
type Convert struct{ Field, To string }

// Split cuts the string at a path at every By, and puts the parts into other
// fields in order, the last of which gets all that is left.
type Split struct {
	Field, By string
	Into      []string
}

// Migration is one migration file.
type Migration struct {
	// Name is the file's without its extension, such as 0002_users_age; Number
	// is what it begins with.
	Name   string
	Number int
	// File is the name of the file.
	File string
	// Description is for the reader.
	Description string
	Up, Down    []Step
	// OneWay is set where the file says nothing of the way down.
	OneWay bool
	// Checksum stands for the meaning of the file: layout and comments do not
	// count.
	Checksum string
}

// Irreversible returns why the migration cannot be undone, a sentence a step;
// none where it can.
func (m *Migration) Irreversible() []string {
	var reasons []string
	if m.OneWay {
		reasons = append(reasons, "the file has no down steps")
	}
	for _, step := range m.Up {
		if step.Irreversible != "" {
			reasons = append(reasons, step.Irreversible)
		}
	}
	return reasons
}
