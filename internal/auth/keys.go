package auth

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Key is an API key as it is stored. Times that are zero are none.
type Key struct {
	ID, Name string
	Secrets  []Secret
	Roles    []string
	// Collections are those that it may be used for, nil for all.
	Collections []string

	CreatedAt, ExpiresAt, RevokedAt time.Time
	// LastUsedAt is right to about a minute.
	LastUsedAt time.Time
}

// Rotate adds a secret, and lets those that the key has end within the overlap.
// Those that have ended go. A key that is revoked or expired has no further
// secrets.
func (k *Key) Rotate(hash Hash, now time.Time, overlap time.Duration) error {
	if state := k.State(now); state != active {
		return fmt.Errorf("the key is %s; create another", state)
	}
	end := now.Add(overlap)
	secrets := []Secret{{Hash: hash}}
	for _, s := range k.Secrets {
		if s.Until.IsZero() || s.Until.After(end) {
			s.Until = end
		}
		if s.Until.After(now) {
			secrets = append(secrets, s)
		}
	}
	k.Secrets = secrets
	return nil
}

// active is the state of a key that works.
const active = "active"

// State says whether a key works: active, expired or revoked.
func (k *Key) State(now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return active
}

func (k *Key) principal() *Principal {
	roles := make([]any, len(k.Roles))
	for i, role := range k.Roles {
		roles[i] = role
	}
	return &Principal{
		Kind: APIKey, ID: k.ID, Roles: k.Roles, Collections: k.Collections,
		Claims: map[string]any{"sub": k.ID, "name": k.Name, "roles": roles},
	}
}

// KeySource is where keys are stored.
type KeySource struct {
	// Key returns the key with an id; the error has the code NotFound where there
	// is none.
	Key func(ctx context.Context, id string) (Key, error)
	// Touch notes that a key was used.
	Touch func(ctx context.Context, id string, at time.Time) error
}

const (
	defaultKeyLifetime = 5 * time.Second
	// touchEvery is how often the use of a key is noted.
	touchEvery = time.Minute
	// touchTimeout bounds the request that notes it.
	touchTimeout = time.Second
)

// Keys knows API keys. What it read of one holds for a while, so that requests
// cost no command of the database each, and what changes is noticed when that
// time is over. It is safe for concurrent use.
type Keys struct {
	source   KeySource
	lifetime time.Duration
	// known has the *knownKey of an id; only keys that there are.
	known sync.Map
}

// knownKey is a key as it was read.
type knownKey struct {
	key       Key
	principal *Principal
	readAt    time.Time
	// renewing is set once a request has set out to read the key anew, touched once
	// the use of this reading is noted.
	renewing, touched atomic.Bool
}

// NewKeys returns the keys of a source. A change of one, such as its being
// revoked, is noticed within the lifetime; 0 is for 5 s.
func NewKeys(source KeySource, lifetime time.Duration) *Keys {
	return &Keys{source: source, lifetime: cmp.Or(lifetime, defaultKeyLifetime)}
}

// identify returns whose key a text is.
func (k *Keys) identify(ctx context.Context, text string) (*Principal, error) {
	id, err := KeyID(text)
	if err != nil {
		return nil, fault.New(fault.Unauthenticated, "the API key %v", err)
	}
	now := time.Now()
	known, err := k.get(ctx, id, now)
	if fault.Is(err, fault.NotFound) {
		return nil, errUnknownKey()
	}
	if err != nil {
		return nil, err
	}
	// Only who has the secret is told what has become of the key.
	sum := hashOf(text)
	if !slices.ContainsFunc(known.key.Secrets, func(s Secret) bool { return s.matches(sum, now) }) {
		return nil, errUnknownKey()
	}
	if state := known.key.State(now); state != active {
		return nil, fault.New(fault.Unauthenticated, "the API key is %s", state)
	}
	k.touch(ctx, known, now)
	return known.principal, nil
}

func errUnknownKey() error {
	return fault.New(fault.Unauthenticated, "the API key is not known here, or its secret was replaced")
}

// get returns a key as it is, or was no longer than the lifetime ago. When half
// of that is over one request reads it anew, and the others go on with what is
// there.
func (k *Keys) get(ctx context.Context, id string, now time.Time) (*knownKey, error) {
	value, ok := k.known.Load(id)
	if !ok {
		return k.read(ctx, id)
	}
	known := value.(*knownKey)
	age := now.Sub(known.readAt)
	if age < k.lifetime/2 || age < k.lifetime && !known.renewing.CompareAndSwap(false, true) {
		return known, nil
	}
	renewed, err := k.read(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) && age < k.lifetime {
		known.renewing.Store(false)
		return known, nil
	}
	return renewed, err
}

func (k *Keys) read(ctx context.Context, id string) (*knownKey, error) {
	readAt := time.Now() // what changes while it is read is no later than this
	key, err := k.source.Key(ctx, id)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			k.known.Delete(id)
		}
		return nil, err
	}
	known := &knownKey{key: key, principal: key.principal(), readAt: readAt}
	k.known.Store(id, known)
	return known, nil
}

// touch notes the use of a key, if that was not done for a while. That it cannot
// be noted is no reason to refuse the request.
func (k *Keys) touch(ctx context.Context, known *knownKey, now time.Time) {
	if now.Sub(known.key.LastUsedAt) < touchEvery || !known.touched.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, touchTimeout)
	defer cancel()
	_ = k.source.Touch(ctx, known.key.ID, now)
}
