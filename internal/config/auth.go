package config

import (
	"net"
	"net/url"
	"strings"
)

// CheckAuth adds the problems that concern callers, for the commands that serve
// them: an open service or profiles that others can reach, and tokens that nothing verifies.
func (r *Report) CheckAuth() {
	r.checkOpen()
	r.checkTokens()
	r.warnOfProfiles()
}

func (r *Report) checkOpen() {
	c := r.config
	if c.Auth.Required() {
		return
	}
	if c.Profile == Production {
		r.refuse("auth", "is open, and production does not serve anybody who asks; take the setting out, and make keys with sheaf keys create")
		return
	}
	if host, _, err := net.SplitHostPort(c.HTTP.Listen); err == nil && !loopback(host) {
		r.refuse("listen", "is %s, beyond loopback, and the service runs open: everyone who reaches the address could change every document; set SHEAF_AUTH=required, and make keys with sheaf keys create", c.HTTP.Listen)
		return
	}
	r.warn("SHEAF_AUTH is open: every program on this machine can read and change every document; SHEAF_AUTH=required asks callers for a key or token, and production does by itself")
}

// Required reports whether callers must prove who they are.
func (a Auth) Required() bool { return a.Mode == "required" }

// TakesTokens reports whether something verifies tokens.
func (a Auth) TakesTokens() bool {
	return !a.JWTSecret.IsZero() || !a.JWTPublicKeys.IsZero() || a.JWKSURL != ""
}

// Audiences are those of JWTAudience.
func (a Auth) Audiences() []string { return words(a.JWTAudience) }

// Algorithms are those of JWTAlgorithms.
func (a Auth) Algorithms() []string { return words(a.JWTAlgorithms) }

// words returns what stands between commas.
func words(text string) (list []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

func (r *Report) checkTokens() {
	a, given := r.config.Auth, ""
	for _, s := range []flagText{{"auth-jwt-secret", a.JWTSecret.Reveal()}, {"auth-jwt-public-keys", a.JWTPublicKeys.Reveal()}, {"auth-jwks-url", a.JWKSURL}} {
		switch {
		case s.text == "":
			continue
		case given != "":
			r.refuse(s.flag, "is set, and so is %s; tokens are verified by one of them, so that none is taken for the other", r.value(given).given())
		case !a.Required():
			r.refuse(s.flag, "is set, and SHEAF_AUTH is open, which asks for no tokens; set SHEAF_AUTH=required")
		}
		given = s.flag
	}
	switch {
	case given == "":
		r.checkNoTokens()
	case a.JWKSURL != "":
		r.checkKeySet()
	case a.JWTIssuer == "" || a.JWTAudience == "":
		r.warn("SHEAF_AUTH_JWT_ISSUER or SHEAF_AUTH_JWT_AUDIENCE is not set: every token that is signed with the key is taken, also one that was made for another service")
	}
}

// flagText is a setting and its text.
type flagText struct{ flag, text string }

// checkNoTokens refuses settings of tokens where nothing verifies any.
func (r *Report) checkNoTokens() {
	a := r.config.Auth
	for _, s := range []flagText{{"auth-jwt-issuer", a.JWTIssuer}, {"auth-jwt-audience", a.JWTAudience}, {"auth-jwt-algorithms", a.JWTAlgorithms}} {
		if s.text != "" {
			r.refuse(s.flag, "is set, and nothing verifies tokens; set SHEAF_AUTH_JWKS_URL, SHEAF_AUTH_JWT_PUBLIC_KEYS or SHEAF_AUTH_JWT_SECRET")
		}
	}
}

// checkKeySet holds the URL of a key set. Who can change what comes from there
// can be every caller.
func (r *Report) checkKeySet() {
	a := r.config.Auth
	u, err := url.Parse(a.JWKSURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
		r.refuse("auth-jwks-url", "must be a URL such as https://id.example.com/.well-known/jwks.json, without a password")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		r.refuse("auth-jwks-url", "must be https: who changes the keys on their way can be every caller")
	}
	for _, s := range []flagText{{"auth-jwt-issuer", a.JWTIssuer}, {"auth-jwt-audience", a.JWTAudience}} {
		if s.text == "" {
			r.refuse(s.flag, "is not set, and SHEAF_AUTH_JWKS_URL needs it: an issuer makes tokens for other services too")
		}
	}
}
