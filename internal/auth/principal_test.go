package auth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/auth"
)

func TestAnybodyMayDoEverything(t *testing.T) {
	p := auth.From(t.Context())
	if p != nil || p.Caller() != "" || !p.HasRole("admin") || !p.Reaches("users") {
		t.Errorf("%+v", p)
	}
	if _, ok := p.Claim("sub"); ok {
		t.Error("anybody has a claim")
	}
}

func TestPrincipalOfAContext(t *testing.T) {
	p := &auth.Principal{ID: "a1", Roles: []string{"writer"}, Collections: []string{"users"}}
	got := auth.From(auth.With(t.Context(), p))
	if got != p || !got.HasRole("writer") || got.HasRole("admin") || !got.Reaches("users") || got.Reaches("posts") {
		t.Errorf("%+v", got)
	}
}

func TestNoCollectionIsNotEvery(t *testing.T) {
	if p := (&auth.Principal{Collections: []string{}}); p.Reaches("users") {
		t.Error("a caller without collections reaches one")
	}
}

func TestKeysAndTokensShareNoName(t *testing.T) {
	key, token := &auth.Principal{ID: "x"}, &auth.Principal{Kind: auth.Token, ID: "x"}
	if diff := cmp.Diff([]string{"key:x", "jwt:x"}, []string{key.Caller(), token.Caller()}); diff != "" {
		t.Error(diff)
	}
}

func TestWhatFollowsFromACallerIsWorkedOutOnce(t *testing.T) {
	p, made := &auth.Principal{ID: "ada"}, 0
	work := func(p *auth.Principal, key any) any {
		return p.Work(key, func() any { made++; return made })
	}
	if a, b, c := work(p, "x"), work(p, "x"), work(p, "y"); a != 1 || b != 1 || c != 2 {
		t.Errorf("worked out %v, %v, %v", a, b, c)
	}
	if a, b := work(nil, "x"), work(nil, "x"); a != 3 || b != 4 {
		t.Errorf("nobody remembers, and got %v, %v", a, b)
	}
}

func TestClaims(t *testing.T) {
	p := &auth.Principal{Claims: map[string]any{
		"sub": "ada", "org": map[string]any{"id": "o1"}, "https://example.com/tenant": "t1", "a.b": "dotted",
	}}
	for path, want := range map[string]any{"sub": "ada", "org.id": "o1", "https://example.com/tenant": "t1", "a.b": "dotted"} {
		if got, ok := p.Claim(path); !ok || got != want {
			t.Errorf("%s is %v", path, got)
		}
	}
	for _, path := range []string{"", "org.name", "sub.id", "org.id.x"} {
		if got, ok := p.Claim(path); ok {
			t.Errorf("%q is %v", path, got)
		}
	}
}
