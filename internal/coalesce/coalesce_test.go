package coalesce

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a batcher whose batches end one by one, when they are told to.
type gate struct {
	batcher *Batcher[int, int]
	batches chan []int
	end     chan struct{}
}

func newGate(limits Limits) *gate {
	g := &gate{batches: make(chan []int, 100), end: make(chan struct{})}
	g.batcher = New(limits, nil, func(ctx context.Context, calls []*Call[int, int]) {
		var requests []int
		for _, c := range calls {
			requests = append(requests, c.Request)
			c.Response, c.Err = 10*c.Request, nil
		}
		g.batches <- requests
		select {
		case <-g.end:
		case <-ctx.Done():
			for _, c := range calls {
				c.Err = ctx.Err()
			}
		}
	})
	return g
}

// ask sends a request and waits until the batcher has it.
func (g *gate) ask(ctx context.Context, n int) <-chan error {
	done := make(chan error, 1)
	go func() {
		response, err := g.batcher.Do(ctx, n)
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
		g := newGate(Limits{InFlight: 1, Size: 3, Timeout: time.Minute, Bytes: 100, Queue: 100, QueueBytes: 100})
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
		g.batcher.Close()
	})
}

func TestACallerCanLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{InFlight: 1, Size: 10, Timeout: time.Minute, Bytes: 100, Queue: 100, QueueBytes: 100})
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
		g.batcher.Close()
	})
}

func TestABatchEndsAtItsTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{InFlight: 1, Size: 10, Timeout: time.Minute, Bytes: 100, Queue: 100, QueueBytes: 100})
		began := time.Now()
		if err := <-g.ask(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("ended after %v: %v", time.Since(began), err)
		}
		g.batcher.Close()
	})
}

func TestAPanicFailsItsBatchAlone(t *testing.T) {
	b := New(Limits{InFlight: 1, Size: 1, Timeout: time.Minute, Bytes: 100, Queue: 100, QueueBytes: 100}, nil, func(_ context.Context, calls []*Call[int, int]) {
		if calls[0].Request == 13 {
			panic("unlucky")
		}
	})
	if _, err := b.Do(t.Context(), 13); err == nil {
		t.Error("no error")
	}
	if _, err := b.Do(t.Context(), 1); err != nil {
		t.Error(err)
	}
	b.Close()
	if _, err := b.Do(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestASecondBatchIsSentWhenItIsAsLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{InFlight: 2, Size: 10, Timeout: time.Minute, Queue: 100})
		var answers []<-chan error
		ask := func(numbers ...int) {
			for _, n := range numbers {
				answers = append(answers, g.ask(t.Context(), n))
			}
		}
		expect := func(want ...int) {
			t.Helper()
			synctest.Wait()
			select {
			case got := <-g.batches:
				if !slices.Equal(got, want) {
					t.Errorf("batch %v, want %v", got, want)
				}
			default:
				if len(want) > 0 {
					t.Errorf("no batch, want %v", want)
				}
			}
		}
		ask(0)
		expect(0)
		ask(1) // as many as are under way
		expect(1)
		ask(2, 3, 4) // no room for a third
		expect()
		g.end <- struct{}{}
		expect(2, 3, 4)
		g.end <- struct{}{}
		ask(5, 6)
		expect() // fewer than the three, or one and three, that are under way
		g.end <- struct{}{}
		expect(5, 6)
		g.end <- struct{}{}
		for _, answer := range answers {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
		g.batcher.Close()
	})
}

func TestAFullQueueRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weigh := func(n int) int { return n }
		g := newGate(Limits{InFlight: 1, Size: 10, Bytes: 50, Timeout: time.Minute, Queue: 3, QueueBytes: 60})
		g.batcher.weigh = weigh
		first, heavy := g.ask(t.Context(), 1), g.ask(t.Context(), 70) // one alone may weigh what it likes
		if _, err := g.batcher.Do(t.Context(), 1); !errors.Is(err, ErrFull) {
			t.Errorf("beside a heavy one: %v", err)
		}
		<-g.batches
		g.end <- struct{}{}
		if got := <-g.batches; !slices.Equal(got, []int{70}) {
			t.Errorf("batch %v", got)
		}
		answers := []<-chan error{g.ask(t.Context(), 30), g.ask(t.Context(), 20), g.ask(t.Context(), 5)}
		if _, err := g.batcher.Do(t.Context(), 0); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth that waits: %v", err)
		}
		g.end <- struct{}{}
		for _, want := range [][]int{{30, 20}, {5}} { // within the bytes of a batch
			if got := <-g.batches; !slices.Equal(got, want) {
				t.Errorf("batch %v, want %v", got, want)
			}
			g.end <- struct{}{}
		}
		for _, answer := range append(answers, first, heavy) {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
		g.batcher.Close()
	})
}

// The oldest call of a batch runs it. Where its client leaves, the others must get
// their answers all the same.
func TestABatchIsRunThoughItsLeaderHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Limits{InFlight: 1, Size: 10, Timeout: time.Minute, Queue: 100})
		ctx, leave := context.WithCancel(t.Context())
		first, second, last := g.ask(t.Context(), 0), g.ask(ctx, 1), g.ask(t.Context(), 2)
		<-g.batches
		g.end <- struct{}{}
		if got := <-g.batches; !slices.Equal(got, []int{1, 2}) {
			t.Errorf("batch %v", got)
		}
		leave()
		synctest.Wait()
		g.end <- struct{}{}
		if err := errors.Join(<-first, <-second, <-last); err != nil {
			t.Error(err)
		}
		g.batcher.Close()
	})
}

func TestEveryCallGetsItsOwnAnswer(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[int]int)
	b := New(Limits{InFlight: 2, Size: 7, Bytes: 1000, Timeout: time.Minute, Queue: 1000, QueueBytes: 1000}, func(int) int { return 1 },
		func(_ context.Context, calls []*Call[int, int]) {
			mu.Lock()
			for _, c := range calls {
				seen[c.Request]++
			}
			mu.Unlock()
			runtime.Gosched()
			for _, c := range calls {
				c.Response = -c.Request
			}
		})
	var group sync.WaitGroup
	var left atomic.Int64
	const callers, each = 32, 200
	for caller := range callers {
		group.Go(func() {
			for i := range each {
				ctx, cancel := context.WithCancel(context.Background())
				if i%5 == 0 {
					go cancel()
				}
				n := caller*each + i + 1
				got, err := b.Do(ctx, n)
				cancel()
				switch {
				case errors.Is(err, context.Canceled):
					left.Add(1)
				case err != nil || got != -n:
					t.Errorf("%d: %d, %v", n, got, err)
				}
			}
		})
	}
	group.Wait()
	b.Close()
	for n, times := range seen {
		if times != 1 {
			t.Errorf("%d was sent %d times", n, times)
		}
	}
	if sent := int64(len(seen)); sent < callers*each-left.Load() {
		t.Errorf("%d were sent, %d left", sent, left.Load())
	}
}

// The oldest request of a batch, which leads it, is not held up beyond its time by
// one that came later.
func TestALeaderIsNotHeldUpByTheYoungest(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{})
	b := New(Limits{InFlight: 1, Size: 10, Bytes: 1, Queue: 10}, nil, func(_ context.Context, calls []*Call[int, int]) {
		entered <- struct{}{}
		<-release
	})
	var group sync.WaitGroup
	defer group.Wait()
	defer close(release)
	within := func(limit time.Duration) chan error {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		got := make(chan error, 1)
		group.Go(func() {
			defer cancel()
			_, err := b.Do(ctx, 0)
			got <- err
		})
		return got
	}
	queued := func(n int) {
		for b.waiting() != n {
			time.Sleep(time.Millisecond)
		}
	}
	within(time.Hour)
	<-entered
	leader := within(2 * time.Second)
	queued(1)
	within(time.Hour)
	queued(2)
	release <- struct{}{}
	<-entered
	if err := <-leader; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the leader got %v", err)
	}
}

func (b *Batcher[Req, Resp]) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}
