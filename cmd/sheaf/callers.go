package main

import (
	"context"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/store"
)

// authenticator is what finds out who calls; nil where the service runs open.
func (a *app) authenticator(ctx context.Context, s *store.Store) (*auth.Authenticator, error) {
	settings := a.config.Auth
	if !settings.Required() {
		return nil, nil //nolint:nilnil // nobody is asked
	}
	who := &auth.Authenticator{Keys: auth.NewKeys(s.Keys(), settings.KeyLifetime)}
	if !settings.TakesTokens() {
		return who, a.warnOfNoKeys(ctx, s)
	}
	var err error
	who.Tokens, err = auth.NewTokens(auth.TokenOptions{
		Secret: []byte(settings.JWTSecret.Reveal()), PublicKeys: []byte(settings.JWTPublicKeys.Reveal()), KeySetURL: settings.JWKSURL,
		Issuer: settings.JWTIssuer, Audiences: settings.Audiences(), Algorithms: settings.Algorithms(), Leeway: settings.JWTLeeway,
		IDClaim: settings.JWTIDClaim, RolesClaim: settings.JWTRolesClaim, CollectionsClaim: settings.JWTCollectionsClaim, Log: a.log,
	})
	if err != nil {
		return nil, usageError("SHEAF_AUTH_JWT: " + err.Error())
	}
	// Where the issuer does not answer, the log says so, and requests try again.
	_ = who.Tokens.Warm(ctx)
	return who, nil
}

// warnOfNoKeys tells of a service that nobody can use.
func (a *app) warnOfNoKeys(ctx context.Context, s *store.Store) error {
	keys, err := s.AllKeys(ctx)
	if err == nil && len(keys) == 0 {
		a.log.WarnContext(ctx, "no API key exists and no tokens are taken, so every request is refused; sheaf keys create makes a key")
	}
	return err
}
