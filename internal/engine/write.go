package engine

import (
	"context"
	"fmt"
	"time"

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
)

// changes reports whether what a verb stores depends on what is stored.
func (v Verb) changes() bool { return v == Merge || v == Update || v == JSONPatch }

// Write is one change of one document, as it was asked for.
type Write struct {
	Verb       Verb
	Collection *schema.Collection
	// ID is that of the document; not set for Create.
	ID bson.RawValue
	// Body is the JSON of the document, or of its change; none for Delete.
	Body []byte
	// Extended admits Extended JSON in Body.
	Extended     bool
	Precondition Precondition
	// Minimal says that nobody wants the document: the result may have no more of
	// it than the id and the version.
	Minimal bool
	// Pointer is where Body lies in what the client sent: it comes before the
	// pointers of faults.
	Pointer string
}

// Result is what became of a Write.
type Result struct {
	// Created is set where the document is new.
	Created bool
	// Document is as it is stored now, nil after Delete.
	Document bson.Raw
}

// Apply carries out all writes or none, and returns their results in order.
//
// Everything that can be checked without stored state is checked first, for all
// writes: a ValidationFailed lists every fault of the input at once. One write
// goes out plainly, several in one transaction.
func (e *Engine) Apply(ctx context.Context, writes ...Write) ([]Result, error) {
	prepared, err := prepare(writes, time.Now())
	if err != nil {
		return nil, err
	}
	if err := e.allocateIDs(ctx, prepared); err != nil {
		return nil, err
	}
	if len(prepared) == 1 {
		result, err := e.run(ctx, prepared[0])
		return []Result{result}, located(err, prepared[0])
	}
	var results []Result
	err = e.store.InTransaction(ctx, func(ctx context.Context) error {
		results, err = e.runAll(ctx, prepared)
		return err
	})
	return results, err
}

// allocateIDs completes the new documents of collections whose ids the service
// gives out.
func (e *Engine) allocateIDs(ctx context.Context, ops []*operation) error {
	waiting := make(map[string][]*operation)
	for _, root := range ops {
		for _, op := range root.all() {
			if op.awaitsID {
				waiting[op.collection.Name] = append(waiting[op.collection.Name], op)
			}
		}
	}
	for name, ops := range waiting {
		first, err := e.store.NextIDs(ctx, name, len(ops))
		if err != nil {
			return err
		}
		for i, op := range ops {
			op.setID(first + int64(i))
		}
	}
	return nil
}

// String returns the verb as an infinitive.
func (v Verb) String() string {
	names := [...]string{Create: "create", Replace: "replace", Merge: "merge", Update: "update", JSONPatch: "patch", Delete: "delete"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verb(%d)", v)
}
