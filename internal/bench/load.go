package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// load is one measurement under way.
type load struct {
	contestant
	connections int
	duration    time.Duration
	rate        float64

	answered, failed atomic.Int64
	// due counts the requests of an open loop.
	due atomic.Int64

	mu         sync.Mutex
	latencies  histogram
	firstWrong string
	broken     error
}

// Sample is one measurement of one service.
type Sample struct {
	// Rate counts the expected answers a second.
	Rate                 float64
	P50, P90, P99, P999  time.Duration
	Errors               int64
	FirstError           string
	ServiceCPU, MongoCPU time.Duration
	// Took is how long the measurement was.
	Took time.Duration
	// Answers are all that came, expected or not.
	Answers int64
}

// run keeps the connections busy for the duration. Answers with another status
// are errors of the sample; it fails where no answer comes at all.
func (l *load) run(ctx context.Context) (Sample, error) {
	before := l.service.usage()
	began := time.Now()
	var group sync.WaitGroup
	for worker := range l.connections {
		group.Go(func() { l.work(ctx, began, int64(worker)) })
	}
	group.Wait()
	took := time.Since(began)
	if err := errors.Join(l.broken, ctx.Err()); err != nil {
		return Sample{}, err
	}
	after := l.service.usage()
	return Sample{
		Rate: float64(l.answered.Load()) / took.Seconds(),
		P50:  l.latencies.quantile(0.5), P90: l.latencies.quantile(0.9), P99: l.latencies.quantile(0.99), P999: l.latencies.quantile(0.999),
		Errors: l.failed.Load(), FirstError: l.firstWrong,
		ServiceCPU: after.service - before.service, MongoCPU: after.mongo - before.mongo,
		Took: took, Answers: l.answered.Load() + l.failed.Load(),
	}, nil
}

// work sends requests over one connection until the time is up.
func (l *load) work(ctx context.Context, began time.Time, worker int64) {
	c, err := dial(ctx, l.service)
	if err != nil {
		l.breakOff(err)
		return
	}
	defer c.close()
	var own histogram
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.latencies.merge(&own)
	}()
	const apart = 7919 // so that the workers ask for different documents
	var buffer []byte
	for first, n := true, worker*apart; ; first, n = false, n+1 {
		start, ok := l.next(ctx, began, first)
		if !ok {
			return
		}
		buffer = l.request(buffer[:0], l.service, n)
		status, body, err := c.do(buffer)
		if err != nil {
			l.breakOff(err)
			return
		}
		own.add(time.Since(start))
		l.note(status, body)
	}
}

// next returns when the next request begins: at once, or in an open loop when
// it is due, be that past already. A connection of a closed loop sends one in any
// case, however long it took to make.
func (l *load) next(ctx context.Context, began time.Time, first bool) (time.Time, bool) {
	now := time.Now()
	if l.rate == 0 {
		return now, (first || now.Sub(began) < l.duration) && ctx.Err() == nil
	}
	due := began.Add(time.Duration(float64(l.due.Add(1)-1) / l.rate * float64(time.Second)))
	if due.Sub(began) >= l.duration {
		return due, false
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return due, false
	case <-timer.C:
		return due, true
	}
}

func (l *load) note(status int, body []byte) {
	if status == l.status {
		l.answered.Add(1)
		return
	}
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.firstWrong == "" {
		l.firstWrong = fmt.Sprintf("status %d, want %d: %.300s", status, l.status, body)
	}
}

func (l *load) breakOff(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = errors.Join(l.broken, err)
}
