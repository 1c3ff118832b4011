package auth_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
)

// storedKeys are the keys of a source with one key, and that key's text.
func storedKeys(key auth.Key) (*auth.Keys, string) {
	key.ID = auth.NewKeyID()
	text, hash := auth.NewSecret(key.ID)
	key.Secrets = append(key.Secrets, auth.Secret{Hash: hash})
	return auth.NewKeys(auth.KeySource{
		Key: func(_ context.Context, id string) (auth.Key, error) {
			if id != key.ID {
				return auth.Key{}, fault.New(fault.NotFound, "none")
			}
			return key, nil
		},
		Touch: func(context.Context, string, time.Time) error { return nil },
	}, 0), text
}

func TestFormOfKeys(t *testing.T) {
	form, seen := regexp.MustCompile(`^sheaf_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$`), map[string]bool{}
	for range 1000 {
		id := auth.NewKeyID()
		text, _ := auth.NewSecret(id)
		if !form.MatchString(text) || seen[text] {
			t.Fatalf("%s", text)
		}
		seen[text] = true
		if got, err := auth.KeyID(text); err != nil || got != id {
			t.Fatalf("%s: %q, %v", text, got, err)
		}
	}
}

// The check tells every key that is mistyped in one place, or cut off.
func TestKeysThatAreMistyped(t *testing.T) {
	text, _ := auth.NewSecret(auth.NewKeyID())
	for i := len("sheaf_"); i < len(text); i++ {
		for _, c := range "0aZ_-" {
			wrong := text[:i] + string(c) + text[i+1:]
			if _, err := auth.KeyID(wrong); wrong != text && err == nil {
				t.Errorf("%q in place %d is not noticed", c, i)
			}
		}
		if _, err := auth.KeyID(text[:i]); err == nil {
			t.Errorf("cut off after %d bytes", i)
		}
	}
	for _, wrong := range []string{"", "x", text + "x", strings.ToUpper(text), " " + text} {
		if _, err := auth.KeyID(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestWhatBecomesOfAKey(t *testing.T) {
	past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	keys, text := storedKeys(auth.Key{Name: "shop", Roles: []string{"writer"}, Collections: []string{"posts"}, ExpiresAt: future})
	p := accepted(t, &auth.Authenticator{Keys: keys}, text)
	if p.Kind != auth.APIKey || p.Caller() != "key:"+p.ID || !p.HasRole("writer") || !p.Reaches("posts") || p.Reaches("users") {
		t.Errorf("%+v", p)
	}
	for path, want := range map[string]any{"sub": p.ID, "name": "shop"} {
		if got, _ := p.Claim(path); got != want {
			t.Errorf("%s is %v", path, got)
		}
	}
	for detail, key := range map[string]auth.Key{"is expired": {ExpiresAt: past}, "is revoked": {RevokedAt: past}} {
		keys, text := storedKeys(key)
		refused(t, &auth.Authenticator{Keys: keys}, text, detail)
		// Who has not the secret is told nothing of the key.
		id, _ := auth.KeyID(text)
		other, _ := auth.NewSecret(id)
		refused(t, &auth.Authenticator{Keys: keys}, other, "not known here")
	}
	unknown, _ := auth.NewSecret(auth.NewKeyID())
	refused(t, &auth.Authenticator{Keys: keys}, unknown, "not known here")
	refused(t, &auth.Authenticator{Keys: keys}, text[:len(text)-1], "mistyped or cut off")
}

func TestRotation(t *testing.T) {
	now := time.Now()
	_, first := auth.NewSecret("x")
	_, second := auth.NewSecret("x")
	_, third := auth.NewSecret("x")
	k := auth.Key{Secrets: []auth.Secret{{Hash: first}}}
	rotate := func(hash auth.Hash, at time.Time, overlap time.Duration) {
		t.Helper()
		if err := k.Rotate(hash, at, overlap); err != nil {
			t.Fatal(err)
		}
	}
	rotate(second, now, time.Hour)
	if diff := cmp.Diff([]auth.Secret{{Hash: second}, {Hash: first, Until: now.Add(time.Hour)}}, k.Secrets); diff != "" {
		t.Error(diff)
	}
	// An overlap that is under way is made no longer, and what has ended goes.
	rotate(third, now.Add(time.Minute), 2*time.Hour)
	if diff := cmp.Diff([]auth.Secret{{Hash: third}, {Hash: second, Until: now.Add(121 * time.Minute)}, {Hash: first, Until: now.Add(time.Hour)}}, k.Secrets); diff != "" {
		t.Error(diff)
	}
	rotate(first, now.Add(time.Hour), 0)
	if diff := cmp.Diff([]auth.Secret{{Hash: first}}, k.Secrets); diff != "" {
		t.Error(diff)
	}
	k.RevokedAt = now
	if err := k.Rotate(first, now, 0); err == nil {
		t.Error("a key that is revoked is rotated")
	}
}

// countedSource counts how often it is asked, and can fail.
type countedSource struct {
	mu            sync.Mutex
	key           auth.Key
	err           error
	read, touched atomic.Int64
}

func (s *countedSource) change(fn func(*countedSource)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(s)
}

func (s *countedSource) source() auth.KeySource {
	return auth.KeySource{
		Key: func(context.Context, string) (auth.Key, error) {
			s.read.Add(1)
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.key, s.err
		},
		Touch: func(_ context.Context, _ string, at time.Time) error {
			s.touched.Add(1)
			s.change(func(s *countedSource) { s.key.LastUsedAt = at })
			return nil
		},
	}
}

func counted() (*countedSource, string) {
	id := auth.NewKeyID()
	text, hash := auth.NewSecret(id)
	return &countedSource{key: auth.Key{ID: id, Secrets: []auth.Secret{{Hash: hash}}}}, text
}

func TestManyRequestsReadAKeyOnce(t *testing.T) {
	s, text := counted()
	a := &auth.Authenticator{Keys: auth.NewKeys(s.source(), time.Hour)}
	for range 100 {
		accepted(t, a, text)
	}
	if s.read.Load() != 1 || s.touched.Load() != 1 {
		t.Errorf("read %d times, touched %d times", s.read.Load(), s.touched.Load())
	}
}

func TestRevocationIsNoticed(t *testing.T) {
	s, text := counted()
	const lifetime = 40 * time.Millisecond
	a := &auth.Authenticator{Keys: auth.NewKeys(s.source(), lifetime)}
	accepted(t, a, text)
	s.change(func(s *countedSource) { s.key.RevokedAt = time.Now() })
	revoked := time.Now()
	for {
		asked := time.Now() // before the request: what comes later is refused
		_, err := a.Identify(t.Context(), text)
		if err != nil {
			refused(t, a, text, "revoked")
			return
		}
		if asked.Sub(revoked) > lifetime {
			t.Fatal("the key works for longer than what was read of it holds")
		}
	}
}

// While the database cannot be reached a key holds as long as what was read of it,
// and no longer.
func TestKeysWithoutADatabase(t *testing.T) {
	s, text := counted()
	down := fault.New(fault.DatabaseUnavailable, "down")
	a := &auth.Authenticator{Keys: auth.NewKeys(s.source(), time.Hour)}
	accepted(t, a, text)
	s.change(func(s *countedSource) { s.err = down })
	accepted(t, a, text)
	short := &auth.Authenticator{Keys: auth.NewKeys(s.source(), time.Nanosecond)}
	if _, err := short.Identify(t.Context(), text); !fault.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("%v", err)
	}
}
