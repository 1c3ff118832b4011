package migrate

import (
	"context"
	"errors"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// leaseName is what changes of the database's structure and data share.
const leaseName = "migrate"

const (
	// defaultLease is how long a lease lasts that is not renewed.
	defaultLease = 10 * time.Second
	// beatsALease is how often it is renewed meanwhile.
	beatsALease = 4
	// lookAgain is how often one that waits for the lease looks for it.
	lookAgain = 200 * time.Millisecond
	// releaseTime bounds the giving back; a lease that is not given back expires.
	releaseTime = 5 * time.Second
)

// hold is a lease that is kept alive.
type hold struct {
	*store.Lease
	lasts time.Duration
	// ctx ends when the lease is lost.
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
}

// take gets the lease. One that is not renewed is waited for; where another run
// lives, that is an error, unless o.Wait is set.
func take(ctx context.Context, o Options) (*hold, error) {
	lasts := o.LeaseTime
	if lasts == 0 {
		lasts = defaultLease
	}
	var seen *store.Holder
	for {
		lease, holder, err := acquire(ctx, o, lasts)
		if err != nil {
			return nil, err
		}
		if lease != nil {
			return keep(ctx, lease, lasts), nil
		}
		if seen == nil {
			seen = &holder
			o.waiting(holder)
		}
		if lives := holder.Fence != seen.Fence || holder.Beats != seen.Beats; lives && !o.Wait {
			return nil, fault.New(fault.RequirementFailed, "another run is under way: %s has had the lease since %s", holder.Who, clock(holder.Since))
		}
		if !pause(ctx, lookAgain) {
			return nil, ErrInterrupted
		}
	}
}

func acquire(ctx context.Context, o Options, lasts time.Duration) (lease *store.Lease, holder store.Holder, err error) {
	err = store.Persist(ctx, func(int) error {
		lease, holder, err = o.Store.Acquire(ctx, leaseName, o.Who, lasts)
		return err
	})
	if errors.Is(err, context.Canceled) {
		err = ErrInterrupted
	}
	return lease, holder, err
}

func (o Options) waiting(holder store.Holder) {
	if o.Waiting != nil {
		o.Waiting(holder)
	}
}

// keep renews a lease until it is released or lost. What is done under it goes on
// when ctx is cancelled: it ends at the next safe point.
func keep(ctx context.Context, lease *store.Lease, lasts time.Duration) *hold {
	h := &hold{Lease: lease, lasts: lasts, done: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go h.beat()
	return h
}

func (h *hold) beat() {
	defer close(h.done)
	ticker := time.NewTicker(h.lasts / beatsALease)
	defer ticker.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-ticker.C:
		}
		ctx, done := context.WithTimeout(h.ctx, h.lasts/beatsALease)
		err := h.Renew(ctx)
		done()
		// Where the database is not there, the lease may have expired when it comes
		// back; its fence tells whether somebody else came first.
		if errors.Is(err, store.ErrLeaseLost) {
			h.cancel()
			return
		}
	}
}

// confirm returns a context for what cannot be in a transaction: the lease was this
// run's a moment ago, and where bounded is set the context ends before it can be
// another's.
func (h *hold) confirm(bounded bool) (context.Context, context.CancelFunc, error) {
	began := time.Now()
	err := h.Renew(h.ctx)
	if err != nil {
		return nil, nil, err
	}
	if bounded {
		ctx, cancel := context.WithDeadline(h.ctx, began.Add(h.lasts))
		return ctx, cancel, nil
	}
	return h.ctx, func() {}, nil
}

// release ends the keeping, and gives the lease back.
func (h *hold) release() {
	h.cancel()
	<-h.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), releaseTime)
	defer cancel()
	_ = h.Release(ctx) // one that is not given back expires
}

// pause waits, and reports whether ctx lasted.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
