// Package coalesce joins requests that come at the same time, so that they share
// what is costly: a command to the database, a transaction.
package coalesce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Batcher joins requests that come at the same time into batches. There is no
// timer: a request that finds the batcher idle is sent at once, and while a
// batch is under way further requests gather. They go out together when a batch
// ends, or when as many wait as are under way: so the batches of a busy batcher
// grow to the same size, and keep the database busy while answers are taken
// apart.
//
// A request joins only a batch that is sent after it came, requests are sent in
// the order in which they came, and each gets its own answer. A batch is run by
// the goroutine of its youngest request, which has the most time left; so no
// goroutine runs while nothing is asked for, and a request that is alone is run
// by its own. A Batcher is safe for concurrent use.
type Batcher[Req, Resp any] struct {
	limits Limits
	// run answers every call of a batch, each by its response or its error.
	run func(ctx context.Context, calls []*Call[Req, Resp])
	// weigh returns the bytes of a request; nil where they do not matter.
	weigh func(Req) int

	mu    sync.Mutex
	queue []*Call[Req, Resp]
	// queued is the weight of the queue.
	queued int
	// flying are the sizes of the batches under way.
	flying []int
	closed bool
	// idle is signaled when a batch ends.
	idle sync.Cond
}

// Limits bound a Batcher.
type Limits struct {
	// InFlight is how many batches are under way at most, Size how many requests
	// are in one, and Bytes how much they weigh together, where there is more
	// than one.
	InFlight, Size, Bytes int
	// Queue is how many requests wait at most, and QueueBytes how much they weigh.
	Queue, QueueBytes int
	// Timeout bounds a batch whose requests have no deadline.
	Timeout time.Duration
}

// Call is one request of a batch and its answer.
type Call[Req, Resp any] struct {
	Request  Req
	Response Resp
	Err      error

	ctx    context.Context
	weight int
	// woken is closed when the call is answered, or is to run batch.
	woken chan struct{}
	// batch is set on the call that is to run it, taken on all of its calls.
	batch []*Call[Req, Resp]
	taken bool
}

var (
	// ErrClosed is what Do returns after Close.
	ErrClosed = errors.New("the batcher is closed")
	// ErrFull is what Do returns where too many requests wait.
	ErrFull = errors.New("too many requests wait")
)

// New returns a Batcher that sends batches by run. The context that run
// gets has the values of one call's. Of a call that is alone it is the call's
// own; else it ends at the latest deadline of the calls.
func New[Req, Resp any](limits Limits, weigh func(Req) int, run func(context.Context, []*Call[Req, Resp])) *Batcher[Req, Resp] {
	b := &Batcher[Req, Resp]{limits: limits, weigh: weigh, run: run}
	b.idle.L = &b.mu
	return b
}

// Do sends a request with others and returns its answer. When ctx ends first it
// returns the error of ctx: a request that still waits is never sent then, of
// one that was sent the answer is dropped. It fails after close, and where too
// many wait already.
func (b *Batcher[Req, Resp]) Do(ctx context.Context, request Req) (Resp, error) {
	c := &Call[Req, Resp]{Request: request, ctx: ctx}
	batch, err := b.enter(c)
	if err == nil && batch == nil {
		batch, err = b.wait(c)
	}
	if err != nil {
		var none Resp
		return none, err // a batch under way may still write to the call
	}
	if batch != nil {
		b.lead(c, batch)
	}
	return c.Response, c.Err
}

// enter puts a call into the queue. It returns the batch that the call is to run
// now, nil where others are waited for.
func (b *Batcher[Req, Resp]) enter(c *Call[Req, Resp]) ([]*Call[Req, Resp], error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if b.weigh != nil {
		c.weight = b.weigh(c.Request)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, ErrClosed
	case len(b.queue) >= b.limits.Queue, len(b.queue) > 0 && b.queued+c.weight > b.limits.QueueBytes:
		return nil, ErrFull
	}
	b.queue, b.queued = append(b.queue, c), b.queued+c.weight
	if b.ready() {
		batch := b.take()
		if batch[len(batch)-1] == c {
			return batch, nil
		}
		appoint(batch)
	}
	c.woken = make(chan struct{})
	return nil, nil
}

// ready reports whether the next batch is to be sent; b.mu is held.
func (b *Batcher[Req, Resp]) ready() bool {
	switch {
	case len(b.queue) == 0 || len(b.flying) >= b.limits.InFlight:
		return false
	case len(b.flying) == 0:
		return true
	}
	return len(b.queue) >= min(slices.Min(b.flying), b.limits.Size)
}

// take removes the next batch from the queue; b.mu is held.
func (b *Batcher[Req, Resp]) take() []*Call[Req, Resp] {
	n, bytes := 0, 0
	for n < min(len(b.queue), b.limits.Size) {
		c := b.queue[n]
		if n > 0 && bytes+c.weight > b.limits.Bytes {
			break
		}
		c.taken = true
		n, bytes = n+1, bytes+c.weight
	}
	batch := b.queue[:n:n]
	if b.queue = b.queue[n:]; len(b.queue) == 0 {
		b.queue = nil // the batch has the memory now
	}
	b.queued -= bytes
	b.flying = append(b.flying, n)
	return batch
}

// appoint has the youngest call of a batch run it.
func appoint[Req, Resp any](batch []*Call[Req, Resp]) {
	leader := batch[len(batch)-1]
	leader.batch = batch
	close(leader.woken)
}

// wait returns when the call is answered, with nil, or when it is to run a
// batch.
func (b *Batcher[Req, Resp]) wait(c *Call[Req, Resp]) ([]*Call[Req, Resp], error) {
	select {
	case <-c.woken:
		return c.batch, nil
	case <-c.ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c.batch != nil:
		return c.batch, nil // the others depend on it
	case !c.taken:
		i := slices.Index(b.queue, c)
		b.queue, b.queued = slices.Delete(b.queue, i, i+1), b.queued-c.weight
	}
	return nil, c.ctx.Err()
}

// lead runs a batch, has the next one run, and wakes those who wait for the
// answers.
func (b *Batcher[Req, Resp]) lead(leader *Call[Req, Resp], batch []*Call[Req, Resp]) {
	b.answer(leader.ctx, batch)
	b.mu.Lock()
	i := slices.Index(b.flying, len(batch))
	b.flying = slices.Delete(b.flying, i, i+1)
	if b.ready() {
		appoint(b.take())
	}
	b.idle.Broadcast()
	b.mu.Unlock()
	for _, c := range batch {
		if c != leader {
			close(c.woken)
		}
	}
}

// answer runs a batch. A panic of run is an error of its calls, since it is the
// fault of one of them at most.
func (b *Batcher[Req, Resp]) answer(ctx context.Context, batch []*Call[Req, Resp]) {
	ctx, cancel := b.context(ctx, len(batch))
	defer cancel()
	defer func() {
		if err := panicked(recover()); err != nil {
			for _, c := range batch {
				c.Err = err
			}
		}
	}()
	b.run(ctx, batch)
}

func panicked(p any) error {
	if p == nil {
		return nil
	}
	return fmt.Errorf("the batch ended in a panic: %v", p)
}

// Apart answers calls each on its own, all at the same time: for a batch that is
// too small to be worth what it would share.
func Apart[Req, Resp any](calls []*Call[Req, Resp], answer func(*Call[Req, Resp])) {
	var group sync.WaitGroup
	for i, c := range calls {
		if i == len(calls)-1 {
			answerOne(c, answer) // by this goroutine
			break
		}
		group.Go(func() { answerOne(c, answer) })
	}
	group.Wait()
}

func answerOne[Req, Resp any](c *Call[Req, Resp], answer func(*Call[Req, Resp])) {
	defer func() {
		if err := panicked(recover()); err != nil {
			c.Err = err
		}
	}()
	answer(c)
}

// context returns that of a batch. One whose calls are several must not end with
// the leader's client, but with its time.
func (b *Batcher[Req, Resp]) context(ctx context.Context, calls int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	switch {
	case ok && calls == 1:
		return ctx, func() {}
	case calls == 1:
		return context.WithTimeout(ctx, b.limits.Timeout)
	case !ok:
		deadline = time.Now().Add(b.limits.Timeout)
	}
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}

// Close refuses further requests and returns when those that came before are
// answered.
func (b *Batcher[Req, Resp]) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for len(b.flying) > 0 {
		b.idle.Wait()
	}
}
