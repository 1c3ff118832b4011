package auth

import (
	"cmp"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/sheafdb/sheaf/internal/fault"
)

const (
	defaultRefresh = 10 * time.Minute
	defaultRetry   = 10 * time.Second
	// staleAfter is how long keys hold that cannot be fetched anew: an issuer that
	// is down for an hour does not take the service with it, and one that withdrew a
	// key is heard in the end.
	staleAfter = 24 * time.Hour
	// fetchTimeout bounds one fetch, maxKeySet its size in bytes, maxKeys its keys.
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20
	maxKeys      = 100
)

// remoteKeys are the key set that an issuer publishes. It is fetched when a token
// needs it: anew when it is old, or a token names a key that it lacks, as after
// the issuer changed keys, but only so often. Tokens whose keys are there wait for
// no fetch but their own.
type remoteKeys struct {
	url            string
	client         *http.Client
	refresh, retry time.Duration
	log            *slog.Logger
	set            atomic.Pointer[keySet]

	// mu is held by the one who fetches.
	mu sync.Mutex
	// triedAt is when the last fetch began, and failed why it failed.
	triedAt time.Time
	failed  error
}

// keySet are the keys of one fetch, by their id.
type keySet struct {
	byID      map[string][]setKey
	fetchedAt time.Time
}

// setKey is a key and the algorithm that it is for, "" for each that fits.
type setKey struct {
	key crypto.PublicKey
	alg string
}

func newRemoteKeys(o TokenOptions) *remoteKeys {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &remoteKeys{
		url: o.KeySetURL, refresh: cmp.Or(o.Refresh, defaultRefresh), retry: cmp.Or(o.Retry, defaultRetry), log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
		client: &http.Client{Transport: transport, Timeout: fetchTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the URL was chosen with care; another was not
		}},
	}
}

// algorithms are never those of a secret: what is published is none.
func (r *remoteKeys) algorithms() []string { return publicAlgorithms }

func (r *remoteKeys) find(ctx context.Context, alg, id string) ([]jwt.VerificationKey, error) {
	now, set := time.Now(), r.set.Load()
	age := set.age(now)
	keys := set.fitting(alg, id)
	switch {
	case len(keys) > 0 && age < r.refresh:
		return keys, nil
	case len(keys) > 0 && age < staleAfter:
		if r.mu.TryLock() { // else another request is at it
			r.fetch(ctx, now)
			r.mu.Unlock()
		}
		return r.set.Load().fitting(alg, id), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set.Load() == set {
		r.fetch(ctx, now)
	}
	set = r.set.Load()
	if keys = set.fitting(alg, id); len(keys) > 0 && set.age(now) < staleAfter {
		return keys, nil
	}
	if r.failed != nil {
		return nil, fault.Wrap(r.failed, fault.IssuerUnavailable, "the keys of the issuer of tokens cannot be fetched, and this token cannot be verified without")
	}
	return nil, nil
}

// age is that of keys which hold; without any it is greater than every limit.
func (s *keySet) age(now time.Time) time.Duration {
	if s == nil {
		return staleAfter
	}
	return now.Sub(s.fetchedAt)
}

// fitting returns the keys of an id that fit an algorithm; of all ids for "".
func (s *keySet) fitting(alg, id string) (list []jwt.VerificationKey) {
	if s == nil {
		return nil
	}
	add := func(keys []setKey) {
		for _, k := range keys {
			if fits(k.key, alg) && (k.alg == "" || k.alg == alg) {
				list = append(list, k.key)
			}
		}
	}
	if id != "" {
		add(s.byID[id])
		return list
	}
	for _, keys := range s.byID {
		add(keys)
	}
	return list
}

func (r *remoteKeys) warm(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetch(ctx, time.Now())
	return r.failed
}

// fetch fetches the key set, unless that was tried a moment ago. Who calls it
// holds mu. The request that it is for may end before: others need the keys too.
func (r *remoteKeys) fetch(ctx context.Context, now time.Time) {
	if !r.triedAt.IsZero() && now.Sub(r.triedAt) < r.retry {
		return
	}
	r.triedAt = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	var byID map[string][]setKey
	if byID, r.failed = r.load(ctx); r.failed != nil {
		r.log.WarnContext(ctx, "the keys of the issuer of tokens cannot be fetched", "url", r.url, "error", r.failed.Error())
		return
	}
	r.set.Store(&keySet{byID, time.Now()})
}

func (r *remoteKeys) load(ctx context.Context) (map[string][]setKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has the status %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxKeySet:
		return nil, fmt.Errorf("the key set is larger than %d bytes", maxKeySet)
	}
	return parseKeySet(body)
}

// parseKeySet reads a JSON Web Key Set. Keys that are of no use here, such as those
// to encrypt with or of a kind that is not known, are left out (RFC 7517, section
// 5).
func parseKeySet(body []byte) (map[string][]setKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the answer is no key set: %w", err)
	}
	byID := make(map[string][]setKey)
	for _, text := range set.Keys[:min(len(set.Keys), maxKeys)] {
		if id, key, ok := parseSetKey(text); ok {
			byID[id] = append(byID[id], key)
		}
	}
	if len(byID) == 0 {
		return nil, errors.New("the key set has no key that can verify a signature")
	}
	return byID, nil
}

func parseSetKey(text json.RawMessage) (id string, key setKey, ok bool) {
	var marshaled jwkset.JWKMarshal
	if err := json.Unmarshal(text, &marshaled); err != nil || marshaled.USE != "" && marshaled.USE != jwkset.UseSig {
		return "", key, false
	}
	marshaled.X5U = "" // nothing else is fetched
	parsed, err := jwkset.NewJWKFromMarshal(marshaled, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil || len(algorithmsOf(parsed.Key())) == 0 {
		return "", key, false
	}
	return marshaled.KID, setKey{parsed.Key(), marshaled.ALG.String()}, true
}
