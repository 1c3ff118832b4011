package api

import (
	"net/http"
	"strings"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
)

const apiKeyHeader = "X-Api-Key" // as net/http writes it

// challenge says how to prove who asks (RFC 6750, section 3).
const challenge = `Bearer realm="sheaf"`

// authenticate finds out who asks, on the routes that are not for anybody, and
// puts that into the context of the request: for the rules, the log, and what
// belongs to callers. It is the only place that does. A service without an
// Authenticator runs open: nobody is asked.
func (x *exchange) authenticate(r route) error {
	a := x.service.options.Auth
	if a == nil || r.Audience == openapi.Anybody || r.Audience == openapi.Readers && x.service.options.PublicDocs {
		return nil
	}
	ctx, says := x.request.Context(), challenge
	credential, err := credentialOf(x.request.Header)
	var principal *auth.Principal
	if err == nil {
		says += `, error="invalid_token"`
		principal, err = a.Identify(ctx, credential)
	}
	if fault.Is(err, fault.Unauthenticated) {
		x.Header()["Www-Authenticate"] = []string{says}
	}
	if err != nil {
		return err
	}
	x.limit.identify(principal)
	return nil
}

// credentialOf returns the credential of a request. Of two nobody could say which
// one counts.
func credentialOf(header http.Header) (string, error) {
	authorization, key := header["Authorization"], header[apiKeyHeader]
	switch {
	case len(authorization)+len(key) == 0:
		return "", fault.New(fault.Unauthenticated, "the request has no credentials: send Authorization: Bearer with an API key or a token, or X-API-Key")
	case len(authorization)+len(key) > 1:
		return "", fault.New(fault.InvalidParameter, "the request has more than one credential").WithItems(
			fault.Item{Pointer: "Authorization", Code: "format", Detail: "stands beside another credential; send one Authorization or one X-API-Key"})
	case len(key) == 1 && auth.IsKey(key[0]):
		return key[0], nil
	case len(key) == 1:
		return "", fault.New(fault.Unauthenticated, "X-API-Key holds no API key of this service; a token goes into Authorization: Bearer")
	}
	scheme, credential, _ := strings.Cut(authorization[0], " ")
	credential = strings.Trim(credential, " ")
	if !strings.EqualFold(scheme, "Bearer") || credential == "" {
		return "", fault.New(fault.Unauthenticated, "Authorization must be Bearer and an API key or a token")
	}
	return credential, nil
}
