package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Secret is a value that no print shows. A MongoDB connection string shows what
// is not secret in it, anything else shows as ***.
type Secret struct{ text string }

// Reveal returns the value itself, for the one who uses it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.text == "" }

// String returns what may be shown, empty for no value.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return redactURI(s.text)
}

// GoString is String: %#v shows no more than %v.
func (s Secret) GoString() string { return s.String() }

// Format prints String under every verb, those for numbers included, which
// would look into the struct.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(s.String())) }

// MarshalText is String, for JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for the log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText takes any text.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}

const redacted = "***"

// connectionString matches from a scheme to the end of the last part that could
// be a password, blanks in it included.
var connectionString = regexp.MustCompile(`(?is)mongodb(\+srv)?://(.*@)?\S*`)

// Redact returns text with the passwords taken out of the connection strings in
// it. It would rather take out too much than too little.
func Redact(text string) string {
	return connectionString.ReplaceAllStringFunc(text, redactURI)
}

// redactURI returns a connection string, which may be malformed, without its
// passwords: all of it is hidden where it cannot be told what is one.
func redactURI(uri string) string {
	loc := schemePattern.FindStringIndex(uri)
	if loc == nil || strings.ContainsFunc(uri, unicode.IsControl) {
		return redacted
	}
	scheme, rest := uri[:loc[1]], uri[loc[1]:]
	at, query := strings.LastIndexByte(rest, '@'), strings.IndexByte(rest, '?')
	switch {
	case at < 0 && !plainHosts(rest):
		return scheme + redacted
	case query >= 0 && query < at:
		return scheme + redacted
	}
	return scheme + redactUser(rest[:at+1]) + redactQuery(rest[at+1:])
}

var schemePattern = regexp.MustCompile(`^(?i)mongodb(\+srv)?://`)

// redactUser hides the password of `user:password@`.
func redactUser(user string) string {
	if name, _, ok := strings.Cut(user, ":"); ok {
		return name + ":" + redacted + "@"
	}
	return user
}

// hostPattern is a host with a port or without; a name and a password that lost
// their @host look alike but for the digits of a port.
var hostPattern = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(:[0-9]*)?$`)

func plainHosts(rest string) bool {
	hosts := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		hosts = rest[:end]
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if !hostPattern.MatchString(host) {
			return false
		}
	}
	return true
}

// redactQuery hides the values of options that hold secrets.
func redactQuery(rest string) string {
	before, query, ok := strings.Cut(rest, "?")
	if !ok {
		return rest
	}
	options := strings.Split(query, "&")
	for i, option := range options {
		if name, _, ok := strings.Cut(option, "="); ok && secretOption(name) {
			options[i] = name + "=" + redacted
		}
	}
	return before + "?" + strings.Join(options, "&")
}

// secretOption knows tlsCertificateKeyFilePassword, proxyPassword,
// authMechanismProperties (AWS_SESSION_TOKEN) and their kind.
func secretOption(name string) bool {
	name, err := url.QueryUnescape(name)
	if err != nil {
		return true
	}
	name = strings.ToLower(name)
	return strings.Contains(name, "password") || strings.Contains(name, "properties") ||
		strings.Contains(name, "token") || strings.Contains(name, "secret")
}
