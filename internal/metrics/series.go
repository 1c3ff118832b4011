package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// series finds the one series of a metric for what tells them apart, with no lock
// and no memory once it is known: that is several times faster than by the texts of
// the labels.
type series[K comparable, S any] struct {
	// resolve makes the series of a key.
	resolve func(K) S

	known atomic.Pointer[map[K]S]
	mu    sync.Mutex // of those that add to known
}

func (s *series[K, S]) of(key K) S {
	if known := s.known.Load(); known != nil {
		if one, ok := (*known)[key]; ok {
			return one
		}
	}
	return s.add(key)
}

// add makes known anew with one more: there are few, and soon no more.
func (s *series[K, S]) add(key K) S {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[K]S{}
	if known := s.known.Load(); known != nil {
		next = maps.Clone(*known)
	}
	if _, ok := next[key]; !ok {
		next[key] = s.resolve(key)
	}
	s.known.Store(&next)
	return next[key]
}
