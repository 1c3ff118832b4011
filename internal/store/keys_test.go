package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
)

func TestKeysAreStoredAsTheyAre(t *testing.T) {
	s := open(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	want := []auth.Key{
		{ID: "a", Name: "all", CreatedAt: now, Secrets: []auth.Secret{{Hash: auth.Hash{1}}}, Roles: []string{}},
		{ID: "b", Name: "some", CreatedAt: now.Add(time.Second), Secrets: []auth.Secret{{Hash: auth.Hash{2}}, {Hash: auth.Hash{3}, Until: now.Add(time.Hour)}},
			Roles: []string{"writer"}, Collections: []string{"posts"}, ExpiresAt: now.Add(time.Minute), RevokedAt: now, LastUsedAt: now},
		{ID: "c", Name: "none", CreatedAt: now.Add(2 * time.Second), Secrets: []auth.Secret{{}}, Roles: []string{}, Collections: []string{}},
	}
	for _, key := range want {
		if err := s.CreateKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		got, err := s.Key(t.Context(), key.ID)
		if diff := cmp.Diff(key, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	all, err := s.AllKeys(t.Context())
	if diff := cmp.Diff(want, all); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := s.CreateKey(t.Context(), want[0]); !fault.Is(err, fault.DuplicateKey) {
		t.Errorf("the same id twice: %v", err)
	}
	if _, err := s.Key(t.Context(), "d"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no key: %v", err)
	}
}

func TestRevokingIsForGood(t *testing.T) {
	s, at := open(t), time.Now().UTC().Truncate(time.Millisecond)
	if err := s.CreateKey(t.Context(), auth.Key{ID: "a", CreatedAt: at}); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, time.Hour} {
		if key, err := s.RevokeKey(t.Context(), "a", at.Add(later)); err != nil || !key.RevokedAt.Equal(at) {
			t.Errorf("revoked at %s: %v", key.RevokedAt, err)
		}
	}
	if _, err := s.RevokeKey(t.Context(), "b", at); !fault.Is(err, fault.NotFound) {
		t.Errorf("no key: %v", err)
	}
	_, err := s.ChangeSecrets(t.Context(), "a", func(k *auth.Key) error { return k.Rotate(auth.Hash{1}, at, 0) })
	if err == nil {
		t.Error("a key that is revoked was rotated")
	}
}

// Those that rotate a key at once each see what the others made of it.
func TestRotationsAtOnce(t *testing.T) {
	s, now := open(t), time.Now()
	if err := s.CreateKey(t.Context(), auth.Key{ID: "a", CreatedAt: now, ExpiresAt: now.Add(time.Hour), Secrets: []auth.Secret{{Hash: auth.Hash{0xff}}}}); err != nil {
		t.Fatal(err)
	}
	const rotations = 8
	var group sync.WaitGroup
	for i := range rotations {
		group.Go(func() {
			_, err := s.ChangeSecrets(t.Context(), "a", func(k *auth.Key) error {
				k.ExpiresAt = time.Time{}
				return k.Rotate(auth.Hash{byte(i)}, now, time.Hour)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	key, err := s.Key(t.Context(), "a")
	if err != nil || len(key.Secrets) != rotations+1 || !key.Secrets[0].Until.IsZero() || !key.ExpiresAt.IsZero() {
		t.Errorf("%v %+v", err, key)
	}
	for _, secret := range key.Secrets[1:] {
		if secret.Until.IsZero() {
			t.Errorf("%x goes on for ever", secret.Hash)
		}
	}
}

func TestLastUseRises(t *testing.T) {
	s, at := open(t), time.Now().UTC().Truncate(time.Millisecond)
	if err := s.CreateKey(t.Context(), auth.Key{ID: "a", CreatedAt: at}); err != nil {
		t.Fatal(err)
	}
	for _, used := range []time.Time{at, at.Add(-time.Hour)} {
		if err := s.Keys().Touch(t.Context(), "a", used); err != nil {
			t.Fatal(err)
		}
	}
	if key, err := s.Key(t.Context(), "a"); err != nil || !key.LastUsedAt.Equal(at) {
		t.Errorf("%s %v", key.LastUsedAt, err)
	}
}
