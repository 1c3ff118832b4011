package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// memory remembers whose tokens were verified, by their hash: a token in memory
// would be a secret in it. It has two generations. When the younger one is full
// it becomes the older one, and what was old and not asked for is forgotten.
type memory struct {
	most int

	mu         sync.RWMutex
	young, old map[tokenHash]verified
}

type tokenHash = [sha256.Size]byte

type verified struct {
	principal *Principal
	until     time.Time
}

// newMemory returns a memory of most tokens, or up to twice as many.
func newMemory(most int) *memory {
	return &memory{most: most, young: make(map[tokenHash]verified)}
}

// get returns nil for a token that is not known, or was for too long.
func (m *memory) get(sum tokenHash, now time.Time) *Principal {
	m.mu.RLock()
	v, young := m.young[sum]
	if !young {
		v = m.old[sum]
	}
	m.mu.RUnlock()
	if v.principal == nil || !now.Before(v.until) {
		return nil
	}
	if !young {
		m.add(sum, v.principal, v.until)
	}
	return v.principal
}

func (m *memory) add(sum tokenHash, p *Principal, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= m.most {
		m.young, m.old = make(map[tokenHash]verified), m.young
	}
	m.young[sum] = verified{p, until}
}
