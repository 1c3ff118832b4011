package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sheafdb/sheaf/internal/fault"
)

// TokenOptions say which JSON Web Tokens are taken. One of Secret, PublicKeys and
// KeySetURL says what they are signed with.
type TokenOptions struct {
	// Secret is that of HS256, HS384 and HS512, at least 32 bytes.
	Secret []byte
	// PublicKeys are PEM blocks: public keys and certificates.
	PublicKeys []byte
	// KeySetURL is where the issuer publishes its JSON Web Key Set.
	KeySetURL string
	// Refresh is how long a key set is kept before it is fetched anew, 10 minutes by
	// default; Retry how long after a fetch the next one may be, 10 s by default.
	Refresh, Retry time.Duration

	// Issuer is what iss must be, "" for anything. Audiences are of which aud must
	// name one, none for anything.
	Issuer    string
	Audiences []string
	// Algorithms narrow down those that fit the keys; none for all of them.
	Algorithms []string
	// Leeway is how far the clocks of the issuer and the service may be apart.
	Leeway time.Duration
	// IDClaim and RolesClaim are the paths of the claims that name the caller and
	// its roles: sub and roles by default.
	IDClaim, RolesClaim string
	// CollectionsClaim is the path of the claim that lists the collections that the
	// caller may use; a token without it may use none. "" lets every token use all.
	CollectionsClaim string
	// Log is told of key sets that cannot be fetched; nil for nobody.
	Log *slog.Logger
}

const (
	// maxToken bounds the text of a token, in bytes, before anything of it is read.
	maxToken = 8 << 10
	// maxRemembered is how many tokens that were verified are remembered at least;
	// twice as many are at most.
	maxRemembered = 10_000
	// remembered is how long: then a token is verified again, with the keys that
	// hold by then.
	remembered = time.Minute
	// maxClaimText bounds the id of a caller and the name of a role, in bytes.
	maxClaimText = 256
)

// Tokens verifies JSON Web Tokens. It is safe for concurrent use.
type Tokens struct {
	keys   verificationKeys
	parser *jwt.Parser
	leeway time.Duration
	// id, roles and collections are paths of claims, the last "" for none.
	id, roles, collections string
	remembered             *memory
}

// verificationKeys has the keys of the issuer.
type verificationKeys interface {
	// find returns the keys that may have signed a token with an algorithm and a
	// key id, "" for one that names none.
	find(ctx context.Context, alg, id string) ([]jwt.VerificationKey, error)
	// algorithms are those that the keys fit.
	algorithms() []string
}

// NewTokens returns what verifies the tokens that the options admit. It fetches
// nothing.
func NewTokens(o TokenOptions) (*Tokens, error) {
	keys, err := keysOf(o)
	if err != nil {
		return nil, err
	}
	algorithms := keys.algorithms()
	for _, wanted := range o.Algorithms {
		if !slices.Contains(algorithms, wanted) {
			return nil, fmt.Errorf("the algorithm %q does not fit the keys; these fit: %s", wanted, strings.Join(algorithms, ", "))
		}
	}
	if len(o.Algorithms) > 0 {
		algorithms = o.Algorithms
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms), jwt.WithLeeway(o.Leeway), jwt.WithExpirationRequired(), jwt.WithJSONNumber(), jwt.WithStrictDecoding(),
	}
	if o.Issuer != "" {
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	if len(o.Audiences) > 0 {
		options = append(options, jwt.WithAudience(o.Audiences...))
	}
	return &Tokens{
		keys: keys, parser: jwt.NewParser(options...), leeway: o.Leeway,
		id: cmp.Or(o.IDClaim, "sub"), roles: cmp.Or(o.RolesClaim, "roles"), collections: o.CollectionsClaim, remembered: newMemory(maxRemembered),
	}, nil
}

// Warm fetches what is to be fetched, so that the first token need not wait. What
// fails is tried again when a token comes.
func (t *Tokens) Warm(ctx context.Context) error {
	if remote, ok := t.keys.(*remoteKeys); ok {
		return remote.warm(ctx)
	}
	return nil
}

// identify returns whose token a text is.
func (t *Tokens) identify(ctx context.Context, text string) (*Principal, error) {
	if len(text) > maxToken {
		return nil, fault.New(fault.Unauthenticated, "the token is longer than %d bytes", maxToken)
	}
	now, sum := time.Now(), sha256.Sum256([]byte(text))
	if p := t.remembered.get(sum, now); p != nil {
		return p, nil
	}
	claims := jwt.MapClaims{}
	if _, err := t.parser.ParseWithClaims(text, claims, t.keyfunc(ctx)); err != nil {
		return nil, refusedToken(err)
	}
	p, err := t.principal(claims)
	if err != nil {
		return nil, err
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil { // the parser has seen to it
		return nil, fault.New(fault.Unauthenticated, "the token does not say when it expires")
	}
	until := now.Add(remembered)
	if end := expires.Add(t.leeway); end.Before(until) {
		until = end
	}
	t.remembered.add(sum, p, until)
	return p, nil
}

// keyfunc finds the keys of a token. Of the header it heeds alg, which the parser
// has held against the list, and kid, which names one of the keys that are known:
// keys that a token brings with it, or says where to fetch, are nobody's.
func (t *Tokens) keyfunc(ctx context.Context) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		if _, ok := token.Header["crit"]; ok {
			return nil, fault.New(fault.Unauthenticated, "the token has critical extensions (crit), and this service knows none")
		}
		if typ, ok := token.Header["typ"]; ok && !isAccessToken(typ) {
			return nil, fault.New(fault.Unauthenticated, "the token is of another type than JWT or at+jwt")
		}
		id, isText := token.Header["kid"].(string)
		if _, ok := token.Header["kid"]; ok && !isText {
			return nil, errNoKey
		}
		keys, err := t.keys.find(ctx, token.Method.Alg(), id)
		if err == nil && len(keys) == 0 {
			err = errNoKey
		}
		return jwt.VerificationKeySet{Keys: keys}, err
	}
}

var errNoKey = fault.New(fault.Unauthenticated, "the token is not signed with a key that this service knows")

// isAccessToken reports whether a typ is of a token that may come with a request,
// and not one of its relatives such as logout+jwt (RFC 8725, section 3.11).
func isAccessToken(typ any) bool {
	name, _ := typ.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return name == "jwt" || name == "at+jwt"
}

// refusals say why a token is refused. The parser looks at the claims once the
// signature is verified, so only the issuer's own tokens are told more of.
var refusals = []struct {
	err    error
	detail string
}{
	{jwt.ErrTokenMalformed, "the credential is neither an API key nor a JSON Web Token"},
	{jwt.ErrTokenSignatureInvalid, "the signature of the token, or its algorithm, is not one that this service takes"},
	{jwt.ErrTokenExpired, "the token has expired"},
	{jwt.ErrTokenNotValidYet, "the token is not valid yet"},
	{jwt.ErrTokenInvalidAudience, "the token is for another audience"},
	{jwt.ErrTokenInvalidIssuer, "the token is of another issuer"},
	{jwt.ErrTokenRequiredClaimMissing, "the token lacks exp, or another claim that is required"},
}

func refusedToken(err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return fault.Wrap(err, fault.Unauthenticated, "%s", r.detail)
		}
	}
	return fault.Wrap(err, fault.Unauthenticated, "the token is not valid")
}

// principal reads who the claims are about.
func (t *Tokens) principal(claims jwt.MapClaims) (*Principal, error) {
	p := &Principal{Kind: Token, Claims: claims}
	id, _ := p.Claim(t.id)
	if p.ID, _ = id.(string); !isClaimText(p.ID) {
		return nil, fault.New(fault.Unauthenticated, "the claim %s of the token is no text of 1 to %d bytes, and names the caller", t.id, maxClaimText)
	}
	roles, _ := p.Claim(t.roles)
	p.Roles = namesOf(roles)
	if t.collections != "" {
		names, _ := p.Claim(t.collections)
		p.Collections = append([]string{}, namesOf(names)...) // not nil, which is for all
	}
	list := make([]any, len(p.Roles))
	for i, role := range p.Roles {
		list[i] = role
	}
	claims["sub"], claims["roles"] = p.ID, list
	return p, nil
}

// namesOf reads a list of texts, or texts with blanks between them as scope has
// them. What is none of these names nothing.
func namesOf(value any) []string {
	var names []string
	switch v := value.(type) {
	case string:
		names = strings.Fields(v)
	case []any:
		for _, each := range v {
			if name, ok := each.(string); ok {
				names = append(names, name)
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !isClaimText(name) })
	slices.Sort(names)
	return slices.Compact(names)
}

func isClaimText(text string) bool {
	return text != "" && len(text) <= maxClaimText && !strings.ContainsFunc(text, unicode.IsControl)
}
