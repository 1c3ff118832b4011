package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
)

const (
	issuer   = "https://id.example.com"
	audience = "sheaf"
)

// secret is long enough for every HS algorithm.
var secret = []byte(strings.Repeat("0123456789abcdef", 4))

// The keys of the tests: making RSA keys takes its time.
var (
	rsaKey, otherRSAKey = newRSA(2048), newRSA(2048)
	weakRSAKey          = newRSA(1024)
	ecKeys              = map[string]*ecdsa.PrivateKey{"ES256": newEC(elliptic.P256()), "ES384": newEC(elliptic.P384()), "ES512": newEC(elliptic.P521())}
	_, edKey, _         = ed25519.GenerateKey(rand.Reader)
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// publicPEM is the PEM text of public keys.
func publicPEM(t *testing.T, keys ...any) []byte {
	t.Helper()
	var text []byte
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return text
}

// tokens takes those of the issuer for the audience, but for what change changes.
func tokens(t *testing.T, change func(*auth.TokenOptions)) *auth.Authenticator {
	t.Helper()
	o := auth.TokenOptions{Issuer: issuer, Audiences: []string{"other", audience}}
	change(&o)
	made, err := auth.NewTokens(o)
	if err != nil {
		t.Fatal(err)
	}
	return &auth.Authenticator{Tokens: made}
}

// claims are those of a token that is fine, but for what change has: nil takes one
// out.
func claims(change jwt.MapClaims) jwt.MapClaims {
	all := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"writer", "admin", "writer"}}
	for name, value := range change {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

// sign makes a token; header is put over what the method has there.
func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for name, value := range header {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// forge makes a token of any header, with a signature of nobody.
func forge(t *testing.T, header map[string]any, claims jwt.MapClaims, signature string) string {
	t.Helper()
	part := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(header) + "." + part(claims) + "." + signature
}

func accepted(t *testing.T, a *auth.Authenticator, text string) *auth.Principal {
	t.Helper()
	p, err := a.Identify(context.Background(), text)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return p
}

func refused(t *testing.T, a *auth.Authenticator, text, detail string) {
	t.Helper()
	p, err := a.Identify(context.Background(), text)
	if err == nil || !fault.Is(err, fault.Unauthenticated) {
		t.Fatalf("not refused: %+v, %v", p, err)
	}
	if got := fault.From(err).Detail; !strings.Contains(got, detail) {
		t.Errorf("refused as %q, want %q", got, detail)
	}
	if len(text) > 20 && strings.Contains(err.Error(), text) {
		t.Error("the error quotes the credential")
	}
}
