package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms of each kind of key. none is among none of them.
var (
	secretAlgorithms = []string{"HS256", "HS384", "HS512"}
	rsaAlgorithms    = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	curveAlgorithms  = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
	publicAlgorithms = slices.Concat(rsaAlgorithms, []string{"ES256", "ES384", "ES512", "EdDSA"})
)

const (
	// minSecret is the shortest secret, in bytes (RFC 7518, section 3.2).
	minSecret = 32
	// minModulus is the shortest RSA key, in bits (RFC 7518, section 3.3).
	minModulus = 2048
)

// keysOf returns the keys that the options name.
func keysOf(o TokenOptions) (verificationKeys, error) {
	switch {
	case len(o.Secret) > 0:
		return newSecretKey(o.Secret)
	case len(o.PublicKeys) > 0:
		return newPublicKeys(o.PublicKeys)
	case o.KeySetURL != "":
		return newRemoteKeys(o), nil
	}
	return nil, errors.New("nothing says what tokens are signed with")
}

// secretKey is shared with the issuer. It never is a key of another algorithm: a
// public key as the secret of HS256 is what would let everybody sign.
type secretKey struct {
	secret []byte
	fits   []string
}

func newSecretKey(secret []byte) (*secretKey, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the secret of tokens has %d bytes, and needs at least %d: it can be guessed otherwise", len(secret), minSecret)
	}
	if block, _ := pem.Decode(secret); block != nil {
		return nil, errors.New("the secret of tokens is a PEM file; a public key is set as one, and a private key stays with the issuer")
	}
	k := &secretKey{secret: secret}
	for i, alg := range secretAlgorithms {
		if len(secret) >= minSecret+16*i { // as long as the hash
			k.fits = append(k.fits, alg)
		}
	}
	return k, nil
}

func (k *secretKey) algorithms() []string { return k.fits }

func (k *secretKey) find(context.Context, string, string) ([]jwt.VerificationKey, error) {
	return []jwt.VerificationKey{k.secret}, nil
}

// publicKeys are those of a file.
type publicKeys []crypto.PublicKey

func newPublicKeys(text []byte) (publicKeys, error) {
	var keys publicKeys
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(keys) == 0 || len(bytes.TrimSpace(rest)) > 0 {
				return nil, errors.New("the public keys of tokens are no PEM blocks such as -----BEGIN PUBLIC KEY-----")
			}
			return keys, nil
		}
		key, err := publicKey(block)
		if err == nil && len(algorithmsOf(key)) == 0 {
			err = fmt.Errorf("must be RSA of at least %d bits, ECDSA on P-256, P-384 or P-521, or Ed25519", minModulus)
		}
		if err != nil {
			return nil, fmt.Errorf("the %s among the public keys of tokens: %w", block.Type, err)
		}
		keys = append(keys, key)
	}
}

func publicKey(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, errors.New("is neither a public key nor a certificate; a private key stays with the issuer")
}

func (k publicKeys) algorithms() (list []string) {
	for _, alg := range publicAlgorithms {
		if slices.ContainsFunc(k, func(key crypto.PublicKey) bool { return fits(key, alg) }) {
			list = append(list, alg)
		}
	}
	return list
}

func (k publicKeys) find(_ context.Context, alg, _ string) (list []jwt.VerificationKey, err error) {
	for _, key := range k {
		if fits(key, alg) {
			list = append(list, key)
		}
	}
	return list, nil
}

func fits(key crypto.PublicKey, alg string) bool { return slices.Contains(algorithmsOf(key), alg) }

// algorithmsOf returns what a public key can verify, nothing for one that is too
// weak.
func algorithmsOf(key crypto.PublicKey) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minModulus {
			return rsaAlgorithms
		}
	case *ecdsa.PublicKey:
		if alg, ok := curveAlgorithms[k.Curve.Params().Name]; ok {
			return []string{alg}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}
