package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// batcher joins requests that come at the same time into batches. There is no
// timer: a request that finds the batcher idle is sent at once, and while the
// batches that may be under way are, further requests gather and go out
// together when one of them ends.
//
// A request joins only a batch that is sent after it came, requests are sent in
// the order in which they came, and each gets its own answer. No goroutine runs
// while nothing is asked for. The batcher is safe for concurrent use.
type batcher[Req, Resp any] struct {
	limits batchLimits
	// run answers every call of a batch, each by its response or its error.
	run func(ctx context.Context, calls []*call[Req, Resp])

	mu     sync.Mutex
	queue  []*call[Req, Resp]
	flying int
	closed bool
	// idle is signaled when a batch ends.
	idle sync.Cond
}

// batchLimits bound a batcher.
type batchLimits struct {
	// inFlight is how many batches are under way at most, size how many requests
	// are in one.
	inFlight, size int
	// timeout bounds a batch.
	timeout time.Duration
}

// call is one request of a batch and its answer.
type call[Req, Resp any] struct {
	request  Req
	response Resp
	err      error

	ctx  context.Context
	done chan struct{}
	// flight is the batch that the call was sent in, nil while it waits.
	flight *flight
}

// flight is a batch that is under way.
type flight struct {
	// wanted is how many callers still wait for it.
	wanted int
	cancel context.CancelFunc
}

var errBatcherClosed = errors.New("the batcher is closed")

// newBatcher returns a batcher that sends batches by run. The context that run
// gets has the values of the first call's, and ends at the time limit or when
// no caller wants the answer any more.
func newBatcher[Req, Resp any](limits batchLimits, run func(context.Context, []*call[Req, Resp])) *batcher[Req, Resp] {
	b := &batcher[Req, Resp]{limits: limits, run: run}
	b.idle.L = &b.mu
	return b
}

// do sends a request with others and returns its answer. When ctx ends first it
// returns the error of ctx: a request that still waits is never sent then, of
// one that was sent the answer is dropped. After close it fails.
func (b *batcher[Req, Resp]) do(ctx context.Context, request Req) (Resp, error) {
	c := &call[Req, Resp]{request: request, ctx: ctx, done: make(chan struct{})}
	if err := b.enqueue(c); err != nil {
		return c.response, err
	}
	select {
	case <-c.done:
		return c.response, c.err
	case <-ctx.Done():
		b.leave(c)
		var none Resp
		return none, ctx.Err()
	}
}

func (b *batcher[Req, Resp]) enqueue(c *call[Req, Resp]) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errBatcherClosed
	}
	b.queue = append(b.queue, c)
	if b.flying < b.limits.inFlight {
		b.flying++
		ctx, calls := b.take()
		go b.send(ctx, calls)
	}
	return nil
}

// leave takes a call out of the queue, or off the batch that it was sent in.
func (b *batcher[Req, Resp]) leave(c *call[Req, Resp]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.flight == nil {
		i := slices.Index(b.queue, c)
		b.queue = slices.Delete(b.queue, i, i+1)
		return
	}
	if c.flight.wanted--; c.flight.wanted == 0 {
		c.flight.cancel()
	}
}

// take removes the next batch from the queue; b.mu is held.
func (b *batcher[Req, Resp]) take() (context.Context, []*call[Req, Resp]) {
	calls := b.queue
	if len(calls) > b.limits.size {
		calls = calls[:b.limits.size:b.limits.size]
		b.queue = slices.Clone(b.queue[b.limits.size:])
	} else {
		b.queue = nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(calls[0].ctx), b.limits.timeout)
	f := &flight{wanted: len(calls), cancel: cancel}
	for _, c := range calls {
		c.flight = f
	}
	return ctx, calls
}

// send runs batches for as long as requests wait.
func (b *batcher[Req, Resp]) send(ctx context.Context, calls []*call[Req, Resp]) {
	for {
		b.answer(ctx, calls)
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.flying--
			b.idle.Broadcast()
			b.mu.Unlock()
			return
		}
		ctx, calls = b.take()
		b.mu.Unlock()
	}
}

// answer runs one batch. A panic of run is an error of its calls, since no
// caller's goroutine would catch it.
func (b *batcher[Req, Resp]) answer(ctx context.Context, calls []*call[Req, Resp]) {
	defer calls[0].flight.cancel()
	defer func() {
		if p := recover(); p != nil {
			for _, c := range calls {
				c.err = fmt.Errorf("the batch ended in a panic: %v", p)
			}
		}
		for _, c := range calls {
			close(c.done)
		}
	}()
	b.run(ctx, calls)
}

// close refuses further requests and returns when those that came before are
// answered.
func (b *batcher[Req, Resp]) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for b.flying > 0 {
		b.idle.Wait()
	}
}
