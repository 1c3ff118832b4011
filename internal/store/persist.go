package store

import (
	"context"
	"errors"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
)

const (
	// patience is how long trouble with the database is waited out by what runs
	// without anybody who waits for an answer.
	patience  = 30 * time.Second
	firstWait = 50 * time.Millisecond
	longWait  = 2 * time.Second
)

// Persist calls try, with how many times it did, until it succeeds, fails for good,
// or has failed for half a minute. It returns the last error; one that wraps the
// end of ctx too where that came while it waited.
func Persist(ctx context.Context, try func(int) error) error {
	deadline := time.Now().Add(patience)
	for tries, wait := 1, firstWait; ; tries, wait = tries+1, min(2*wait, longWait) {
		err := try(tries)
		if err == nil || !Passes(err) || time.Now().Add(wait).After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

// Passes reports whether trouble may be over when one tries again.
func Passes(err error) bool {
	return fault.Is(err, fault.DatabaseUnavailable) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.WriteConflict)
}
