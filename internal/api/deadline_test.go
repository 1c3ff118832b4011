package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sheafdb/sheaf/internal/coalesce"
)

// Each way of waiting for the end must see it, whatever was asked before.
func TestADeadlineEndsARequest(t *testing.T) {
	tests := map[string]func(*deadline) error{
		"without a timer": func(d *deadline) error { time.Sleep(time.Second); return d.Err() },
		"with a timer":    func(d *deadline) error { <-d.Done(); return d.Err() },
		"of a child": func(d *deadline) error {
			child, cancel := context.WithCancel(d)
			defer cancel()
			<-child.Done()
			return child.Err()
		},
	}
	for name, wait := range tests {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			d := withDeadline(t.Context(), began.Add(time.Second))
			if d.Err() != nil {
				t.Errorf("%s: over at once: %v", name, d.Err())
			}
			if err := wait(d); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			d.release()
		})
	}
}

func TestAwaitingEndsWithTheFirst(t *testing.T) {
	closed, open := make(chan struct{}), make(chan struct{})
	close(closed)
	parent, cancel := context.WithCancel(t.Context())
	long, short := withDeadline(parent, time.Now().Add(time.Hour)), withDeadline(parent, time.Now().Add(time.Millisecond))
	if !long.Await(closed) {
		t.Error("the channel was closed")
	}
	if short.Await(open) || !errors.Is(short.Err(), context.DeadlineExceeded) {
		t.Errorf("the time was up: %v", short.Err())
	}
	cancel()
	if long.Await(open) || !errors.Is(long.Err(), context.Canceled) {
		t.Errorf("the parent was cancelled: %v", long.Err())
	}
}

// Who asks is put into the context of a request, which batches wait for with a
// timer that is there already.
func TestADeadlineWithValuesIsAwaited(t *testing.T) {
	d := withDeadline(t.Context(), time.Now().Add(time.Hour))
	defer d.release()
	type key struct{}
	ctx := d.with(func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, "ada") })
	waiter, ok := ctx.(coalesce.Waiter)
	if !ok {
		t.Fatal("it is nothing that can be awaited")
	}
	closed := make(chan struct{})
	close(closed)
	if !waiter.Await(closed) || d.timed != nil || ctx.Value(key{}) != "ada" {
		t.Errorf("a timer was made, or the value is %v", ctx.Value(key{}))
	}
	if at, ok := ctx.Deadline(); !ok || !at.Equal(d.at) {
		t.Errorf("ends at %v", at)
	}
}

func TestADeadlineEndsWithItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		before, after := withDeadline(parent, time.Now().Add(time.Hour)), withDeadline(parent, time.Now().Add(time.Hour))
		done := before.Done()
		cancel()
		<-done
		<-after.Done()
		if !errors.Is(before.Err(), context.Canceled) || !errors.Is(after.Err(), context.Canceled) {
			t.Errorf("%v, %v", before.Err(), after.Err())
		}
		before.release()
		after.release()
	})
}

func TestAReleasedDeadlineIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited, not := withDeadline(t.Context(), time.Now().Add(time.Hour)), withDeadline(t.Context(), time.Now().Add(time.Hour))
		done := waited.Done()
		waited.release()
		not.release()
		<-done
		<-not.Done()
		if !errors.Is(waited.Err(), context.Canceled) || !errors.Is(not.Err(), context.Canceled) {
			t.Errorf("%v, %v", waited.Err(), not.Err())
		}
	})
}
