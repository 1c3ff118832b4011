package auth

import (
	"context"

	"github.com/sheafdb/sheaf/internal/fault"
)

// Authenticator finds out who asks. It is safe for concurrent use.
type Authenticator struct {
	Keys *Keys
	// Tokens is nil where none are taken.
	Tokens *Tokens
}

// Identify returns whose credential a text is: an API key, or a token. The error
// has the code Unauthenticated where it is nobody's, and says why as far as the
// one who sent it may know.
func (a *Authenticator) Identify(ctx context.Context, credential string) (*Principal, error) {
	switch {
	case IsKey(credential):
		return a.Keys.identify(ctx, credential)
	case a.Tokens == nil:
		return nil, fault.New(fault.Unauthenticated, "the credential %v, and this service takes no tokens", errKeyForm)
	}
	return a.Tokens.identify(ctx, credential)
}
