package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

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
// the audit log, metrics, the listener of operators, and traces where somebody
// gathers them.
func (a *app) openInstruments(ctx context.Context, subscribers []observe.Subscriber) (*instruments, error) {
	i, settings := &instruments{}, a.config.Monitoring
	audit, err := i.openAudit(a.config.Log.Audit, a.stderr)
	if err != nil {
		return nil, err
	}
	subscribers = append(subscribers, audit)
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
			return nil, errors.Join(err, i.Close())
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

// openAudit returns who keeps the audit log, in a file or on stderr; nobody where it
// is off. It is JSON in any case: programs read it.
func (i *instruments) openAudit(where string, stderr io.Writer) (observe.Subscriber, error) {
	out := stderr
	switch where {
	case "off":
		return observe.Subscriber{}, nil
	case "stderr":
	default:
		file, err := os.OpenFile(where, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return observe.Subscriber{}, fmt.Errorf("the audit log: %w", err)
		}
		out, i.open = file, append(i.open, file)
	}
	log, err := observe.NewLogger(out, "json", "info")
	if err != nil {
		return observe.Subscriber{}, errors.Join(err, i.Close())
	}
	return observe.Audit(log.With("audit", true)), nil
}

// Close sends what is left of the traces, and ends the listener of operators and the
// audit log.
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
