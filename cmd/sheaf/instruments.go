package main

import (
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/live"
	"github.com/sheafdb/sheaf/internal/metrics"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
)

// instruments are what shows how a service does.
type instruments struct {
	observer *observe.Observer
	metrics  *metrics.Metrics
}

// newInstruments returns those of a service that subscribers want to know of too.
func newInstruments(subscribers []observe.Subscriber) *instruments {
	m := metrics.New(versionName())
	return &instruments{observe.New(append(subscribers, m.Subscriber())...), m}
}

// watch shows the pool and the model too.
func (i *instruments) watch(s *store.Store, e *engine.Engine, keeper *live.Keeper) {
	i.metrics.Watch(metrics.Sources{
		Pool: func() (open, inUse, waiting int64) {
			p := s.Pool()
			return p.Open, p.InUse, p.Waiting
		},
		Model: func() (hash string, stale bool) { return e.Model().Hash, keeper.Stale() != "" },
	})
}
