package engine

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
)

// Verb is what a Write does.
type Verb uint8

// The verbs.
const (
	// Create stores a new document.
	Create Verb = iota
	// Replace puts a document in the place of another, or creates it where the
	// precondition says that there must be none.
	Replace
	// Merge applies a merge patch (RFC 7396).
	Merge
	// Update applies update operators.
	Update
	// JSONPatch applies a JSON Patch (RFC 6902).
	JSONPatch
	// Delete deletes.
	Delete
	// Read changes nothing: its result is the document.
	Read
	// Restore brings back a document that was deleted and kept, or a former version.
	Restore
)

// Write is one change of one document, or the reading of one, as it was asked
// for.
type Write struct {
	Verb       Verb
	Collection *schema.Collection
	// ID is that of the document, IDText the same as JSON in its place; the latter is
	// not set for Create, and the former only where it is known before, of a kind
	// that the service gives out.
	ID     bson.RawValue
	IDText []byte
	// Shard has conditions on the shard key of the document as far as the caller
	// knows it, nil for none: they spare the shards where it does not lie.
	Shard bson.Raw
	// Body is the JSON of the document or of its change; none for Delete and Read.
	Body []byte
	// Extended admits Extended JSON in Body.
	Extended     bool
	Precondition Precondition
	// Require is a filter in JSON that the stored document must match, nil for
	// none. There is none for Create.
	Require []byte
	// Purge has a Delete remove the document for good, one that is deleted already
	// too, and its history with it.
	Purge bool
	// Revision is the version of the history that Restore brings back, 0 for the last
	// state of a deleted document.
	Revision int64
	// Minimal says that nobody wants the document: the result may have no more of
	// it than the id and the version.
	Minimal bool
	// As is the name by which later writes of the batch mention this one's
	// document.
	As string
	// Mentions admits {"$ref": "name.field"} in place of any value in IDText, Body
	// and Require.
	Mentions bool
	// Place is where the write lies in what the client sent, and Pointer where
	// Body does: they come before the pointers of faults.
	Place, Pointer string
}

// Result is what became of a Write.
type Result struct {
	// Created is set where the document is new.
	Created bool
	// ID is that of the document, also of one that is gone.
	ID bson.RawValue
	// Document is as it is stored now, or as it was read, as far as the caller sees
	// it; nil after Delete.
	Document bson.Raw
	// Withheld is set where the caller may not read the document that it wrote:
	// Document has its system fields alone.
	Withheld bool
}

// String returns the verb as an infinitive.
func (v Verb) String() string {
	names := [...]string{Create: "create", Replace: "replace", Merge: "merge", Update: "update", JSONPatch: "patch", Delete: "delete", Read: "read", Restore: "restore"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verb(%d)", v)
}
