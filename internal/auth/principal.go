// Package auth says who asks. It turns the credentials of a request, an API key
// or a signed token, into a Principal, and knows of neither HTTP nor MongoDB.
package auth

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Kind is what a caller proved itself by.
type Kind uint8

// The kinds.
const (
	// APIKey is an API key of `sheaf keys`.
	APIKey Kind = iota
	// Token is a JSON Web Token.
	Token
)

// String returns the name of the kind, as callers and logs have it.
func (k Kind) String() string {
	if k == Token {
		return "jwt"
	}
	return "key"
}

// Principal is a caller that proved who it is. It is shared by requests and never
// changed but for what it remembers. A nil *Principal stands for anybody, where the service runs open: it
// may do everything.
type Principal struct {
	Kind Kind
	// ID is the id of the key, or what the token names its subject: $auth.sub.
	ID string
	// Roles are those of the key or the token, in order, each once.
	Roles []string
	// Collections are those that the caller may read and write, nil for all.
	Collections []string
	// Claims are what else is known: the claims of a token, or name of a key; sub
	// is the ID always, and roles are the Roles. Values are those of JSON: string,
	// bool, json.Number, []any, map[string]any or nil.
	Claims map[string]any

	worked sync.Map
}

// Work returns what work returns for a key, which it is asked for once or a few
// times: what follows from who asks alone need not be worked out for each request.
// It is kept as long as the Principal.
func (p *Principal) Work(key any, work func() any) any {
	if p == nil {
		return work()
	}
	if done, ok := p.worked.Load(key); ok {
		return done
	}
	done, _ := p.worked.LoadOrStore(key, work())
	return done
}

// Caller names the caller among all that there are: a subject of a token and an
// API key never share a name. It is "" for a nil Principal.
func (p *Principal) Caller() string {
	if p == nil {
		return ""
	}
	return p.Kind.String() + ":" + p.ID
}

// HasRole reports whether the caller has a role.
func (p *Principal) HasRole(role string) bool { return p == nil || slices.Contains(p.Roles, role) }

// Reaches reports whether the caller may use a collection at all.
func (p *Principal) Reaches(collection string) bool {
	return p == nil || p.Collections == nil || slices.Contains(p.Collections, collection)
}

// Claim returns the claim that a path leads to, such as sub or org.id; false
// where there is none.
func (p *Principal) Claim(path string) (any, bool) {
	if p == nil {
		return nil, false
	}
	if value, ok := p.Claims[path]; ok { // names of claims can hold dots
		return value, true
	}
	var value any = p.Claims
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// PrincipalKey is the key under which a context has who asks, a *Principal.
type PrincipalKey struct{}

// With returns a context that carries who asks.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, PrincipalKey{}, p)
}

// From returns who asks, nil for anybody: the service runs open, or asks itself.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(PrincipalKey{}).(*Principal)
	return p
}
