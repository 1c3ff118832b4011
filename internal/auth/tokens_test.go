package auth_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/auth"
)

func TestEveryAlgorithm(t *testing.T) {
	public := publicPEM(t, rsaKey.Public(), ecKeys["ES256"].Public(), ecKeys["ES384"].Public(), ecKeys["ES512"].Public(), edKey.Public())
	shared, keyed := tokens(t, func(o *auth.TokenOptions) { o.Secret = secret }), tokens(t, func(o *auth.TokenOptions) { o.PublicKeys = public })
	for _, alg := range []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		var key any = rsaKey
		a := keyed
		switch {
		case alg[0] == 'H':
			key, a = secret, shared
		case alg == "EdDSA":
			key = edKey
		case alg[0] == 'E':
			key = ecKeys[alg]
		}
		p := accepted(t, a, sign(t, jwt.GetSigningMethod(alg), key, claims(nil), nil))
		if p.ID != "ada" || p.Kind != auth.Token || p.Collections != nil {
			t.Errorf("%s: %+v", alg, p)
		}
		if diff := cmp.Diff([]string{"admin", "writer"}, p.Roles); diff != "" {
			t.Errorf("%s: %s", alg, diff)
		}
	}
}

// Each of these is an attack that some library fell to.
func TestAttacksByTheHeader(t *testing.T) {
	public := publicPEM(t, rsaKey.Public())
	keyed, shared := tokens(t, func(o *auth.TokenOptions) { o.PublicKeys = public }), tokens(t, func(o *auth.TokenOptions) { o.Secret = secret })
	const signature = "is not one that this service takes"
	for _, none := range []string{"none", "None", "NONE", "nOnE", "", "none "} {
		for _, with := range []string{"", "c2lnbmVk"} {
			header := map[string]any{"typ": "JWT", "alg": none}
			refused(t, keyed, forge(t, header, claims(nil), with), "")
			refused(t, shared, forge(t, header, claims(nil), with), "")
		}
	}
	t.Run("no algorithm", func(t *testing.T) {
		refused(t, keyed, forge(t, map[string]any{"typ": "JWT"}, claims(nil), ""), "")
		refused(t, keyed, forge(t, map[string]any{"alg": 7}, claims(nil), ""), "")
	})
	t.Run("the public key as the secret", func(t *testing.T) {
		der, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, known := range [][]byte{public, []byte(strings.TrimSpace(string(public))), der, x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)} {
			refused(t, keyed, sign(t, jwt.SigningMethodHS256, known, claims(nil), nil), signature)
		}
	})
	t.Run("another key", func(t *testing.T) {
		refused(t, keyed, sign(t, jwt.SigningMethodRS256, otherRSAKey, claims(nil), nil), signature)
		refused(t, shared, sign(t, jwt.SigningMethodHS256, append([]byte("x"), secret...), claims(nil), nil), signature)
		refused(t, keyed, sign(t, jwt.SigningMethodES256, ecKeys["ES256"], claims(nil), nil), signature)
		refused(t, shared, sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), nil), signature)
	})
	t.Run("a key that the token brings with it", func(t *testing.T) {
		for _, header := range []map[string]any{
			{"jwk": jwkOf(otherRSAKey.Public().(*rsa.PublicKey), "", "")},
			{"x5c": []string{"MII="}}, {"x5t": "x"},
		} {
			refused(t, keyed, sign(t, jwt.SigningMethodRS256, otherRSAKey, claims(nil), header), signature)
			accepted(t, keyed, sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), header))
		}
	})
	t.Run("a key id that leads elsewhere", func(t *testing.T) {
		for _, kid := range []any{"../../dev/null", "' UNION SELECT 'x", "|id", strings.Repeat("x", 4000), "", "\x00"} {
			refused(t, keyed, sign(t, jwt.SigningMethodRS256, otherRSAKey, claims(nil), map[string]any{"kid": kid}), signature)
			refused(t, shared, sign(t, jwt.SigningMethodHS256, []byte{0}, claims(nil), map[string]any{"kid": kid}), signature)
		}
		for _, kid := range []any{7, []string{"x"}, map[string]any{"$ne": 1}} {
			refused(t, keyed, sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), map[string]any{"kid": kid}), "")
		}
	})
	t.Run("critical extensions", func(t *testing.T) {
		for _, crit := range []any{[]string{"b64"}, []string{}, "exp", nil} {
			header := map[string]any{"alg": "RS256", "typ": "JWT", "crit": crit, "b64": false}
			refused(t, keyed, forge(t, header, claims(nil), "c2lnbmVk"), "critical extensions")
		}
	})
	t.Run("tokens of another type", func(t *testing.T) {
		for _, typ := range []any{"logout+jwt", "dpop+jwt", "secevent+jwt", "", 7} {
			refused(t, keyed, sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), map[string]any{"typ": typ}), "another type")
		}
		for _, typ := range []any{"jwt", "at+JWT", "application/at+jwt", nil} {
			accepted(t, keyed, sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), map[string]any{"typ": typ}))
		}
	})
}

func TestAttacksByTheForm(t *testing.T) {
	a := tokens(t, func(o *auth.TokenOptions) { o.Secret = secret })
	good := sign(t, jwt.SigningMethodHS256, secret, claims(nil), nil)
	parts := strings.Split(good, ".")
	for name, text := range map[string]string{
		"nothing": "", "a word": "x", "two parts": parts[0] + "." + parts[1], "four parts": good + ".x", "five parts": "a.b.c.d.e",
		"no signature": parts[0] + "." + parts[1] + ".", "another alphabet": strings.ReplaceAll(good, ".", "_"),
		"padded": good + "=", "a header that is none": "e30." + parts[1] + "." + parts[2], "many dots": strings.Repeat(".", 8000),
		"cut off": good[:len(good)-1], "blanks": " " + good,
	} {
		t.Run(name, func(t *testing.T) { refused(t, a, text, "") })
	}
	refused(t, a, sign(t, jwt.SigningMethodHS256, secret, claims(jwt.MapClaims{"fill": strings.Repeat("x", 9000)}), nil), "longer than 8192 bytes")
	refused(t, a, strings.Repeat("x", 1<<20), "longer than")
	for i := range len(good) {
		other := byte('A')
		if good[i] == other {
			other = 'B'
		}
		refused(t, a, good[:i]+string(other)+good[i+1:], "")
	}
	// A signature has one text alone: its last character has bits to spare.
	last := good[len(good)-1]
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if byte(c) != last {
			refused(t, a, good[:len(good)-1]+string(c), "")
		}
	}
}

func TestClaimsThatAreRefused(t *testing.T) {
	a := tokens(t, func(o *auth.TokenOptions) { o.Secret, o.Leeway = secret, time.Minute })
	now := time.Now()
	tests := []struct {
		name   string
		change jwt.MapClaims
		detail string
	}{
		{"expired", jwt.MapClaims{"exp": now.Add(-2 * time.Minute).Unix()}, "expired"},
		{"never expires", jwt.MapClaims{"exp": nil}, "lacks exp"},
		{"expires at a text", jwt.MapClaims{"exp": "tomorrow"}, ""},
		{"expires at no time", jwt.MapClaims{"exp": map[string]any{}}, ""},
		{"not yet valid", jwt.MapClaims{"nbf": now.Add(2 * time.Minute).Unix()}, "not valid yet"},
		{"another audience", jwt.MapClaims{"aud": "shop"}, "another audience"},
		{"other audiences", jwt.MapClaims{"aud": []string{"shop", "sheaf "}}, "another audience"},
		{"no audience", jwt.MapClaims{"aud": nil}, ""},
		{"an audience of another type", jwt.MapClaims{"aud": 7}, ""},
		{"another issuer", jwt.MapClaims{"iss": issuer + "/"}, "another issuer"},
		{"no issuer", jwt.MapClaims{"iss": nil}, ""},
		{"nobody", jwt.MapClaims{"sub": nil}, "claim sub"},
		{"an empty name", jwt.MapClaims{"sub": ""}, "claim sub"},
		{"a name that is a number", jwt.MapClaims{"sub": 7}, "claim sub"},
		{"a name of two lines", jwt.MapClaims{"sub": "a\nb"}, "claim sub"},
		{"a long name", jwt.MapClaims{"sub": strings.Repeat("x", 257)}, "claim sub"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, a, sign(t, jwt.SigningMethodHS256, secret, claims(test.change), nil), test.detail)
		})
	}
	for name, change := range map[string]jwt.MapClaims{
		"expired within the leeway": {"exp": now.Add(-30 * time.Second).Unix()}, "valid within the leeway": {"nbf": now.Add(30 * time.Second).Unix()},
		"one audience of several": {"aud": []string{"shop", audience}}, "a fraction of a second": {"exp": float64(now.Unix()) + 100.5},
	} {
		t.Run(name, func(t *testing.T) { accepted(t, a, sign(t, jwt.SigningMethodHS256, secret, claims(change), nil)) })
	}
}

func TestClaimsByPaths(t *testing.T) {
	a := tokens(t, func(o *auth.TokenOptions) {
		o.Secret, o.IDClaim, o.RolesClaim = secret, "user.id", "realm_access.roles"
	})
	p := accepted(t, a, sign(t, jwt.SigningMethodHS256, secret, claims(jwt.MapClaims{
		"user": map[string]any{"id": "u1"}, "realm_access": map[string]any{"roles": []any{"b", "a", 7, "", "a"}}, "org": map[string]any{"size": int64(9007199254740993)},
	}), nil))
	if diff := cmp.Diff([]string{"a", "b"}, p.Roles); diff != "" || p.ID != "u1" {
		t.Errorf("%s: %s", p.ID, diff)
	}
	if sub, _ := p.Claim("sub"); sub != "u1" {
		t.Errorf("sub is %v", sub)
	}
	if size, _ := p.Claim("org.size"); size == nil || size.(interface{ String() string }).String() != "9007199254740993" {
		t.Errorf("a number lost digits: %v", size)
	}
	text := tokens(t, func(o *auth.TokenOptions) { o.Secret, o.RolesClaim = secret, "scope" })
	if p := accepted(t, text, sign(t, jwt.SigningMethodHS256, secret, claims(jwt.MapClaims{"scope": " write  read"}), nil)); cmp.Diff([]string{"read", "write"}, p.Roles) != "" {
		t.Errorf("%q", p.Roles)
	}
	if p := accepted(t, text, sign(t, jwt.SigningMethodHS256, secret, claims(jwt.MapClaims{"scope": map[string]any{"admin": true}}), nil)); len(p.Roles) > 0 {
		t.Errorf("%q", p.Roles)
	}
}

func TestCollectionsOfTokens(t *testing.T) {
	of := func(claim string, more jwt.MapClaims) *auth.Principal {
		a := tokens(t, func(o *auth.TokenOptions) { o.Secret, o.CollectionsClaim = secret, claim })
		return accepted(t, a, sign(t, jwt.SigningMethodHS256, secret, claims(more), nil))
	}
	named := jwt.MapClaims{"sheaf": map[string]any{"collections": []any{"orders", 7, "users"}}}
	tests := []struct {
		name          string
		p             *auth.Principal
		orders, notes bool
	}{
		{"named", of("sheaf.collections", named), true, false},
		{"as text", of("may", jwt.MapClaims{"may": "notes orders"}), true, true},
		{"none", of("may", jwt.MapClaims{"may": []any{}}), false, false},
		{"no claim", of("may", nil), false, false},
		{"no list", of("may", jwt.MapClaims{"may": map[string]any{"orders": true}}), false, false},
		{"not asked for", of("", named), true, true},
	}
	for _, test := range tests {
		if orders, notes := test.p.Reaches("orders"), test.p.Reaches("notes"); orders != test.orders || notes != test.notes {
			t.Errorf("%s: orders %v, notes %v", test.name, orders, notes)
		}
	}
}

func TestATokenThatWasVerifiedStillExpires(t *testing.T) {
	a := tokens(t, func(o *auth.TokenOptions) { o.Secret = secret })
	text := sign(t, jwt.SigningMethodHS256, secret, claims(jwt.MapClaims{"exp": time.Now().Add(3 * time.Second).Unix()}), nil)
	first := accepted(t, a, text)
	if again := accepted(t, a, text); again != first {
		t.Error("the token was verified twice")
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := a.Identify(t.Context(), text); err != nil {
			refused(t, a, text, "expired")
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the token does not expire")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	privatePEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})
	for name, test := range map[string]struct {
		options auth.TokenOptions
		want    string
	}{
		"nothing":                      {auth.TokenOptions{}, "nothing says"},
		"a secret that can be guessed": {auth.TokenOptions{Secret: secret[:31]}, "at least 32"},
		"a public key as the secret":   {auth.TokenOptions{Secret: publicPEM(t, rsaKey.Public())}, "PEM file"},
		"no PEM":                       {auth.TokenOptions{PublicKeys: []byte("x")}, "no PEM blocks"},
		"more than PEM":                {auth.TokenOptions{PublicKeys: append(publicPEM(t, rsaKey.Public()), 'x')}, "no PEM blocks"},
		"a private key":                {auth.TokenOptions{PublicKeys: privatePEM}, "stays with the issuer"},
		"a weak key":                   {auth.TokenOptions{PublicKeys: publicPEM(t, weakRSAKey.Public())}, "at least 2048 bits"},
		"an algorithm of other keys":   {auth.TokenOptions{PublicKeys: publicPEM(t, edKey.Public()), Algorithms: []string{"HS256"}}, "these fit: EdDSA"},
		"none":                         {auth.TokenOptions{Secret: secret, Algorithms: []string{"none"}}, `"none" does not fit`},
		"a hash beyond the secret":     {auth.TokenOptions{Secret: secret[:32], Algorithms: []string{"HS512"}}, "these fit: HS256"},
	} {
		if _, err := auth.NewTokens(test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestAlgorithmsAreNarrowedDown(t *testing.T) {
	a := tokens(t, func(o *auth.TokenOptions) {
		o.PublicKeys, o.Algorithms = publicPEM(t, rsaKey.Public()), []string{"PS256"}
	})
	accepted(t, a, sign(t, jwt.SigningMethodPS256, rsaKey, claims(nil), nil))
	refused(t, a, sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), nil), "")
	short := tokens(t, func(o *auth.TokenOptions) { o.Secret = secret[:32] })
	accepted(t, short, sign(t, jwt.SigningMethodHS256, secret[:32], claims(nil), nil))
	refused(t, short, sign(t, jwt.SigningMethodHS512, secret[:32], claims(nil), nil), "")
}

func TestNoTokensAreTaken(t *testing.T) {
	refused(t, &auth.Authenticator{Keys: auth.NewKeys(auth.KeySource{}, 0)}, sign(t, jwt.SigningMethodHS256, secret, claims(nil), nil), "takes no tokens")
}

// What is verified once costs a hash and a look at a map.
func BenchmarkIdentify(b *testing.B) {
	made, err := auth.NewTokens(auth.TokenOptions{Secret: secret})
	if err != nil {
		b.Fatal(err)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(nil)).SignedString(secret)
	if err != nil {
		b.Fatal(err)
	}
	keys, key := storedKeys(auth.Key{})
	a := &auth.Authenticator{Keys: keys, Tokens: made}
	for name, credential := range map[string]string{"token": text, "key": key} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Identify(b.Context(), credential); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
