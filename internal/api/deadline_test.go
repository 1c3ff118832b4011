package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/observe"
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
			d := &deadline{Context: t.Context(), at: began.Add(time.Second)}
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
	long, short := &deadline{Context: parent, at: time.Now().Add(time.Hour)}, &deadline{Context: parent, at: time.Now().Add(time.Millisecond)}
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

// Who asks is known to the context of a request, and what does not concern it is
// its parent's.
func TestADeadlineKnowsItsRequest(t *testing.T) {
	type key struct{}
	parent := context.WithValue(observe.WithCaller(t.Context(), "of the parent"), key{}, "value")
	d := &deadline{Context: parent, at: time.Now().Add(time.Hour), requestID: "id"}
	if got := observe.Caller(d); got != "of the parent" || auth.From(d) != nil {
		t.Errorf("before anybody is known %q asks", got)
	}
	ada := &auth.Principal{Kind: auth.Token, ID: "ada"}
	d.identify(ada)
	child, cancel := context.WithCancel(d)
	defer cancel()
	for _, ctx := range []context.Context{d, child} {
		if observe.RequestID(ctx) != "id" || observe.Caller(ctx) != ada.Caller() || auth.From(ctx) != ada || ctx.Value(key{}) != "value" {
			t.Errorf("%T: %q, %q, %v, %v", ctx, observe.RequestID(ctx), observe.Caller(ctx), auth.From(ctx), ctx.Value(key{}))
		}
	}
}

var _ coalesce.Waiter = (*deadline)(nil)

func TestADeadlineEndsWithItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		before, after := &deadline{Context: parent, at: time.Now().Add(time.Hour)}, &deadline{Context: parent, at: time.Now().Add(time.Hour)}
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
		waited, not := &deadline{Context: t.Context(), at: time.Now().Add(time.Hour)}, &deadline{Context: t.Context(), at: time.Now().Add(time.Hour)}
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
