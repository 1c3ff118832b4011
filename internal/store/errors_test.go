package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
)

// What the driver gives up by itself is told to the client, who is still there.
func TestOnlyAClientThatHungUpCancels(t *testing.T) {
	t.Parallel()
	gaveUp := mongo.CommandError{Message: "connection() error occurred", Labels: []string{"NetworkError"}, Wrapped: fmt.Errorf("dial tcp: %w", context.Canceled)}
	if err := mapError(t.Context(), gaveUp); errors.Is(err, context.Canceled) || !fault.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("the driver gave up: %v", err)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if err := mapError(gone, gaveUp); err != context.Canceled { //nolint:errorlint // it is that, and nothing more
		t.Errorf("the client hung up: %v", err)
	}
}
