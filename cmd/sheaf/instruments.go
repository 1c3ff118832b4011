package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/live"
	"github.com/sheafdb/sheaf/internal/metrics"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/trace"
)

// instruments are what shows how a service does.
type instruments struct {
	observer *observe.Observer
	// metrics are nil where nothing is counted.
	metrics *metrics.Metrics
	// public answers with the metrics where everybody else is answered; nil where
	// there are none, or they have an address of their own.
	public http.Handler
	// open are to be closed at the end, in their order.
	open []io.Closer
}

// openInstruments returns those of a service that subscribers want to know of too:
// metrics, the listener of operators, and traces where somebody gathers them.
func (a *app) openInstruments(ctx context.Context, subscribers []observe.Subscriber) (*instruments, error) {
	i, settings := &instruments{}, a.config.Monitoring
	var counted http.Handler
	if settings.Metrics {
		i.metrics = metrics.New(versionName())
		subscribers, counted = append(subscribers, i.metrics.Subscriber()), i.metrics.Handler()
	}
	if settings.AdminListen == "" {
		i.public = counted
	} else {
		admin, err := startAdmin(ctx, settings.AdminAddress(), counted, a.log)
		if err != nil {
			return nil, err
		}
		i.open = append(i.open, admin)
	}
	if trace.Wanted(settings.OTLPEndpoint) {
		tracer, err := trace.New(ctx, trace.Options{Endpoint: settings.OTLPEndpoint, Version: versionName(), Failed: func(err error) {
			a.log.WarnContext(ctx, "traces are not sent", "error", observe.Scrub(err.Error()))
		}})
		if err != nil {
			return nil, errors.Join(err, i.Close())
		}
		// Before the others, so that what they write can be found in the trace.
		subscribers = append([]observe.Subscriber{tracer.Subscriber()}, subscribers...)
		i.open = append(i.open, tracer)
	}
	i.observer = observe.New(subscribers...)
	return i, nil
}

// Close sends what is left of the traces, and ends the listener of operators.
func (i *instruments) Close() error {
	var errs []error
	for _, c := range i.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// watch shows the pool and the model too.
func (i *instruments) watch(s *store.Store, e *engine.Engine, keeper *live.Keeper) {
	if i.metrics == nil {
		return
	}
	i.metrics.Watch(metrics.Sources{
		Pool: func() (open, inUse, waiting int64) {
			p := s.Pool()
			return p.Open, p.InUse, p.Waiting
		},
		Model: func() (hash string, stale bool) { return e.Model().Hash, keeper.Stale() != "" },
	})
}
