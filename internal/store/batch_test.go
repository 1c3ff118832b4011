package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a batcher whose batches end one by one, when they are told to.
type gate struct {
	batcher *batcher[int, int]
	batches chan []int
	end     chan struct{}
}

func newGate(limits batchLimits) *gate {
	g := &gate{batches: make(chan []int, 100), end: make(chan struct{})}
	g.batcher = newBatcher(limits, func(ctx context.Context, calls []*call[int, int]) {
		var requests []int
		for _, c := range calls {
			requests = append(requests, c.request)
			c.response, c.err = 10*c.request, nil
		}
		g.batches <- requests
		select {
		case <-g.end:
		case <-ctx.Done():
		}
	})
	return g
}

// ask sends a request and waits until the batcher has it.
func (g *gate) ask(ctx context.Context, n int) <-chan error {
	done := make(chan error, 1)
	go func() {
		response, err := g.batcher.do(ctx, n)
		if err == nil && response != 10*n {
			err = errors.New("the answer of another request")
		}
		done <- err
	}()
	synctest.Wait()
	return done
}

func TestRequestsGatherWhileABatchIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(batchLimits{inFlight: 1, size: 3, timeout: time.Minute})
		var answers []<-chan error
		for n := range 6 {
			answers = append(answers, g.ask(t.Context(), n))
		}
		for _, want := range [][]int{{0}, {1, 2, 3}, {4, 5}} {
			if got := <-g.batches; !slices.Equal(got, want) {
				t.Errorf("batch %v, want %v", got, want)
			}
			g.end <- struct{}{}
		}
		for n, answer := range answers {
			if err := <-answer; err != nil {
				t.Errorf("request %d: %v", n, err)
			}
		}
		g.batcher.close()
	})
}

func TestACallerCanLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(batchLimits{inFlight: 1, size: 10, timeout: time.Minute})
		first := g.ask(t.Context(), 0)
		ctx, leave := context.WithCancel(t.Context())
		waiting, staying := g.ask(ctx, 1), g.ask(t.Context(), 2)
		leave()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		<-g.batches
		g.end <- struct{}{}
		if got := <-g.batches; !slices.Equal(got, []int{2}) {
			t.Errorf("batch %v, want that of who stayed", got)
		}
		g.end <- struct{}{}
		if err := errors.Join(<-first, <-staying); err != nil {
			t.Error(err)
		}
		// A batch that nobody waits for any more is canceled.
		ctx, leave = context.WithCancel(t.Context())
		alone := g.ask(ctx, 3)
		<-g.batches
		leave()
		if err := <-alone; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		g.batcher.close()
	})
}

func TestABatchEndsAtItsTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(batchLimits{inFlight: 1, size: 10, timeout: time.Minute})
		began := time.Now()
		if err := <-g.ask(t.Context(), 1); err != nil || time.Since(began) != time.Minute {
			t.Errorf("ended after %v: %v", time.Since(began), err)
		}
		g.batcher.close()
	})
}

func TestAPanicFailsItsBatchAlone(t *testing.T) {
	b := newBatcher(batchLimits{inFlight: 1, size: 1, timeout: time.Minute}, func(_ context.Context, calls []*call[int, int]) {
		if calls[0].request == 13 {
			panic("unlucky")
		}
	})
	if _, err := b.do(t.Context(), 13); err == nil {
		t.Error("no error")
	}
	if _, err := b.do(t.Context(), 1); err != nil {
		t.Error(err)
	}
	b.close()
	if _, err := b.do(t.Context(), 1); !errors.Is(err, errBatcherClosed) {
		t.Errorf("after close: %v", err)
	}
}
