package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
)

// jwkOf is a public key as key sets have it.
func jwkOf(key any, kid, alg string) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"use": "sig", "kid": kid}
	if alg != "" {
		jwk["alg"] = alg
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", k.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(k)
	case []byte:
		jwk["kty"], jwk["k"] = "oct", b64(k)
	}
	return jwk
}

// issuerServer publishes a key set, and counts how often it is asked.
type issuerServer struct {
	*httptest.Server
	asked atomic.Int64
	mu    sync.Mutex
	// answer is what is published; nil while the issuer is down.
	answer func(http.ResponseWriter)
}

func newIssuer(t *testing.T, keys ...map[string]any) *issuerServer {
	t.Helper()
	s := &issuerServer{}
	s.publish(keys...)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		answer(w)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *issuerServer) say(answer func(http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *issuerServer) publish(keys ...map[string]any) {
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	s.say(func(w http.ResponseWriter) { _, _ = w.Write(text) })
}

func ofIssuer(t *testing.T, s *issuerServer, refresh, retry time.Duration) *auth.Authenticator {
	t.Helper()
	return tokens(t, func(o *auth.TokenOptions) { o.KeySetURL, o.Refresh, o.Retry = s.URL, refresh, retry })
}

func rsaToken(t *testing.T, key *rsa.PrivateKey, kid string) string {
	t.Helper()
	return sign(t, jwt.SigningMethodRS256, key, claims(nil), map[string]any{"kid": kid})
}

func TestKeySetIsFetchedOnce(t *testing.T) {
	s := newIssuer(t, jwkOf(rsaKey.Public(), "a", "RS256"), jwkOf(ecKeys["ES256"].Public(), "b", ""), jwkOf(edKey.Public(), "c", "EdDSA"))
	a := ofIssuer(t, s, time.Hour, time.Hour)
	if err := a.Tokens.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	accepted(t, a, rsaToken(t, rsaKey, "a"))
	accepted(t, a, sign(t, jwt.SigningMethodES256, ecKeys["ES256"], claims(nil), map[string]any{"kid": "b"}))
	accepted(t, a, sign(t, jwt.SigningMethodEdDSA, edKey, claims(nil), map[string]any{"kid": "c"}))
	accepted(t, a, sign(t, jwt.SigningMethodEdDSA, edKey, claims(nil), nil)) // names no key
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeysOfASetFitWhatTheyAreFor(t *testing.T) {
	// A set with keys of no use, which do not spoil the others.
	s := newIssuer(t, jwkOf(rsaKey.Public(), "a", "PS256"), jwkOf(secret, "shared", "HS256"), map[string]any{"kty": "XYZ", "kid": "new"},
		map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "k"}, jwkOf(weakRSAKey.Public(), "weak", ""),
		map[string]any{"kty": "RSA", "use": "enc", "kid": "enc", "n": jwkOf(otherRSAKey.Public(), "", "")["n"], "e": "AQAB"})
	a := ofIssuer(t, s, time.Hour, time.Hour)
	accepted(t, a, sign(t, jwt.SigningMethodPS256, rsaKey, claims(nil), map[string]any{"kid": "a"}))
	for name, text := range map[string]string{
		"another algorithm of the same key": rsaToken(t, rsaKey, "a"),
		"a secret that is published":        sign(t, jwt.SigningMethodHS256, secret, claims(nil), map[string]any{"kid": "shared"}),
		"a key to encrypt with":             rsaToken(t, otherRSAKey, "enc"),
		"a weak key":                        rsaToken(t, weakRSAKey, "weak"),
		"the key of another id":             sign(t, jwt.SigningMethodPS256, rsaKey, claims(nil), map[string]any{"kid": "k"}),
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, text, "") })
	}
}

// A token that says where its keys are makes the service fetch nothing there.
func TestATokenNamesNoKeySet(t *testing.T) {
	s, evil := newIssuer(t, jwkOf(rsaKey.Public(), "a", "")), newIssuer(t, jwkOf(otherRSAKey.Public(), "a", ""))
	a := ofIssuer(t, s, time.Hour, time.Millisecond)
	for _, header := range []map[string]any{{"jku": evil.URL}, {"x5u": evil.URL}, {"kid": evil.URL}, {"jku": evil.URL, "kid": "a"}} {
		refused(t, a, sign(t, jwt.SigningMethodRS256, otherRSAKey, claims(nil), header), "")
	}
	if n := evil.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheIssuerChangesKeys(t *testing.T) {
	s := newIssuer(t, jwkOf(rsaKey.Public(), "old", ""))
	a := ofIssuer(t, s, 10*time.Millisecond, time.Millisecond)
	old := rsaToken(t, rsaKey, "old")
	accepted(t, a, old)
	s.publish(jwkOf(otherRSAKey.Public(), "new", ""))
	time.Sleep(5 * time.Millisecond) // past the least time between two fetches
	accepted(t, a, rsaToken(t, otherRSAKey, "new"))
	// Another token of the withdrawn key, which nobody remembers.
	refused(t, a, sign(t, jwt.SigningMethodRS256, rsaKey, claims(jwt.MapClaims{"jti": "2"}), map[string]any{"kid": "old"}), "not signed with a key")
}

func TestUnknownKeysDoNotFloodTheIssuer(t *testing.T) {
	s := newIssuer(t, jwkOf(rsaKey.Public(), "a", ""))
	a := ofIssuer(t, s, time.Hour, time.Hour)
	accepted(t, a, rsaToken(t, rsaKey, "a"))
	var group sync.WaitGroup
	for i := range 50 {
		text := rsaToken(t, otherRSAKey, "unknown"+string(rune('a'+i%26)))
		group.Go(func() { refused(t, a, text, "not signed with a key") })
	}
	group.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheIssuerIsDown(t *testing.T) {
	s := newIssuer(t)
	s.say(nil)
	a := ofIssuer(t, s, time.Millisecond, time.Millisecond)
	if err := a.Tokens.Warm(t.Context()); err == nil {
		t.Fatal("an issuer that is down gave keys")
	}
	text := rsaToken(t, rsaKey, "a")
	if _, err := a.Identify(t.Context(), text); !fault.Is(err, fault.IssuerUnavailable) {
		t.Fatalf("at the start: %v", err)
	}
	s.publish(jwkOf(rsaKey.Public(), "a", ""))
	time.Sleep(5 * time.Millisecond)
	accepted(t, a, text)
	s.say(nil)
	time.Sleep(5 * time.Millisecond)
	// The keys that are there go on, and those that are not cannot be had.
	accepted(t, a, sign(t, jwt.SigningMethodRS256, rsaKey, claims(jwt.MapClaims{"jti": "2"}), map[string]any{"kid": "a"}))
	if _, err := a.Identify(t.Context(), rsaToken(t, otherRSAKey, "new")); !fault.Is(err, fault.IssuerUnavailable) {
		t.Fatalf("an unknown key while the issuer is down: %v", err)
	}
}

func TestAnswersOfIssuersThatAreNoKeySets(t *testing.T) {
	elsewhere := newIssuer(t, jwkOf(rsaKey.Public(), "a", ""))
	for name, answer := range map[string]func(http.ResponseWriter){
		"no JSON":      func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) },
		"no keys":      func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"another form": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":{"a":1}}`)) },
		"endless":      func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":[` + strings.Repeat(" ", 2<<20) + `]}`)) },
		"elsewhere": func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusFound)
		},
		"nothing": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newIssuer(t)
			s.say(answer)
			a := ofIssuer(t, s, time.Hour, time.Hour)
			if _, err := a.Identify(t.Context(), rsaToken(t, rsaKey, "a")); !fault.Is(err, fault.IssuerUnavailable) {
				t.Errorf("%v", err)
			}
		})
	}
	if n := elsewhere.asked.Load(); n != 0 {
		t.Error("a redirection was followed")
	}
}

// The one whose request makes the service fetch keys may hang up: the keys are for
// all.
func TestAClientThatHangsUpDoesNotKeepKeysAway(t *testing.T) {
	s := newIssuer(t, jwkOf(rsaKey.Public(), "a", ""))
	a := ofIssuer(t, s, time.Hour, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Identify(ctx, rsaToken(t, rsaKey, "a")); err != nil {
		t.Error(err)
	}
}
