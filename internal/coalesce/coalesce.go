// Package coalesce joins requests that come at the same time, so that they share
// what is costly: a command to the database, a transaction.
package coalesce

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
// the goroutine of its oldest request, in the time of its youngest, which has the
// most left (a goroutine of its own where that is much more); so no goroutine runs while nothing is asked for, and a request that
// is alone is run by its own. A Batcher is safe for concurrent use.
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
	// leading says that the first call of the queue is about to send a batch.
	leading bool
	// flying are the sizes of the batches under way, and last that of the last one
	// that was sent.
	flying []int
	last   int
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
	// Sent is told how many requests a batch has that is sent; nil for nobody.
	Sent func(requests int)
}

// Call is one request of a batch and its answer.
type Call[Req, Resp any] struct {
	Request  Req
	Response Resp
	Err      error

	ctx    context.Context
	weight int
	// woken is closed when the call is answered, or is to lead a batch.
	woken        chan struct{}
	leads, taken bool
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
	leads, err := b.enter(c)
	if err == nil && !leads {
		leads, err = b.wait(c)
	}
	if err != nil {
		var none Resp
		return none, err // a batch under way may still write to the call
	}
	if leads && !b.lead(c) {
		var none Resp
		return none, ctx.Err()
	}
	return c.Response, c.Err
}

// enter puts a call into the queue. It reports whether the call is to lead a
// batch now; else others are waited for.
func (b *Batcher[Req, Resp]) enter(c *Call[Req, Resp]) (leads bool, err error) {
	if err := c.ctx.Err(); err != nil {
		return false, err
	}
	if b.weigh != nil {
		c.weight = b.weigh(c.Request)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return false, ErrClosed
	case len(b.queue) >= b.limits.Queue, len(b.queue) > 0 && b.queued+c.weight > b.limits.QueueBytes:
		return false, ErrFull
	}
	b.queue, b.queued = append(b.queue, c), b.queued+c.weight
	c.woken = make(chan struct{})
	b.appoint()
	return c.leads, nil
}

// appoint has the oldest call lead a batch where one is to be sent; b.mu is held.
func (b *Batcher[Req, Resp]) appoint() {
	if !b.ready() {
		return
	}
	b.leading = true
	b.queue[0].leads = true
	close(b.queue[0].woken)
}

// ready reports whether the next batch is to be sent; b.mu is held.
func (b *Batcher[Req, Resp]) ready() bool {
	switch {
	case len(b.queue) == 0 || b.leading || len(b.flying) >= b.limits.InFlight:
		return false
	case len(b.flying) == 0:
		return true
	}
	return len(b.queue) >= min(slices.Min(b.flying), b.limits.Size)
}

// take removes the next batch from the queue.
func (b *Batcher[Req, Resp]) take() []*Call[Req, Resp] {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	b.flying, b.last, b.leading = append(b.flying, n), n, false
	b.appoint()
	return batch
}

// wait returns when the call is answered, or when it is to lead a batch.
func (b *Batcher[Req, Resp]) wait(c *Call[Req, Resp]) (leads bool, err error) {
	if awaits(c.ctx, c.woken) {
		return c.leads, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c.leads:
		return true, nil // the others depend on it
	case !c.taken:
		i := slices.Index(b.queue, c)
		b.queue, b.queued = slices.Delete(b.queue, i, i+1), b.queued-c.weight
	}
	return false, c.ctx.Err()
}

// Waiter is a context that can be waited for beside a channel at less cost than
// by its Done.
type Waiter interface {
	// Await returns true when the channel is closed, false when the context ends.
	Await(closed <-chan struct{}) bool
}

// awaits waits for a channel as long as ctx lasts, and reports whether it was
// closed.
func awaits(ctx context.Context, closed <-chan struct{}) bool {
	if w, ok := ctx.(Waiter); ok {
		return w.Await(closed)
	}
	select {
	case <-closed:
		return true
	case <-ctx.Done():
		return false
	}
}

// patience is how much longer than its own time a call may lead a batch.
const patience = 100 * time.Millisecond

// lead sends a batch that c leads. It reports whether c is answered: a batch that
// may go on for long after the time of c is run by a goroutine of its own, so that
// c, which has waited before, is not held up twice.
func (b *Batcher[Req, Resp]) lead(c *Call[Req, Resp]) bool {
	b.gather()
	batch := b.take()
	if b.limits.Sent != nil {
		b.limits.Sent(len(batch))
	}
	if !outlasts(batch[len(batch)-1].ctx, c.ctx) {
		b.finish(batch)
		return true
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		b.finish(batch)
	}()
	return awaits(c.ctx, over)
}

// outlasts reports whether ctx goes on for long after another has ended.
func outlasts(ctx, other context.Context) bool {
	end, bounded := other.Deadline()
	if last, ok := ctx.Deadline(); ok && bounded {
		return last.Sub(end) > patience
	}
	return false
}

// finish answers a batch, has the next one sent, and wakes those who wait for the
// answers.
func (b *Batcher[Req, Resp]) finish(batch []*Call[Req, Resp]) {
	b.answer(batch)
	b.mu.Lock()
	i := slices.Index(b.flying, len(batch))
	b.flying = slices.Delete(b.flying, i, i+1)
	b.appoint()
	b.idle.Broadcast()
	b.mu.Unlock()
	for _, c := range batch[1:] {
		close(c.woken)
	}
}

// gather lets requests that are on their way join the batch: where the last one
// was shared, those that can run do so first. It costs no time that the processor
// would not have spent on them, and none where there are none.
func (b *Batcher[Req, Resp]) gather() {
	b.mu.Lock()
	alone := b.last <= 1 && len(b.flying) == 0
	b.mu.Unlock()
	if !alone {
		runtime.Gosched()
	}
}

// answer runs a batch. A panic of run is an error of its calls, since it is the
// fault of one of them at most.
func (b *Batcher[Req, Resp]) answer(batch []*Call[Req, Resp]) {
	ctx, cancel := b.context(batch[len(batch)-1].ctx, len(batch))
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
// the client of one, but with the time of its youngest, whose context ctx is.
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
