package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash/crc32"
	"strings"
	"time"
)

// The text of an API key is
//
//	sheaf_ id _ secret check
//
// The prefix lets scanners find one that leaked, and people see what it is. The
// id is that of the stored key, and no secret. The check is the CRC-32 of all
// before it: it tells a key that is mistyped or cut off from one that is not
// known, without the database.
const (
	keyPrefix    = "sheaf_"
	idLength     = 12
	secretLength = 43 // of 62 characters: 256 bits
	checkLength  = 6
	keyLength    = len(keyPrefix) + idLength + 1 + secretLength + checkLength
)

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Hash is what is stored of a secret: the SHA-256 of the key's text. The slow
// hashes that passwords need would buy nothing: a secret has 256 random bits, so
// that nobody can try them all however quick the hash is, and every request would
// pay for it.
type Hash [sha256.Size]byte

// Secret is one secret of a key. A key that is rotated has two for a while.
type Secret struct {
	Hash Hash
	// Until is when it ends before its key does, zero for not.
	Until time.Time
}

func (s Secret) matches(sum Hash, now time.Time) bool {
	same := subtle.ConstantTimeCompare(s.Hash[:], sum[:]) == 1
	return same && (s.Until.IsZero() || now.Before(s.Until))
}

// NewKeyID returns an id that no other key has.
func NewKeyID() string { return randomText(idLength) }

// NewSecret returns the text of a new secret of a key, which is to be shown once,
// and its hash, which is to be stored.
func NewSecret(id string) (text string, hash Hash) {
	text = keyPrefix + id + "_" + randomText(secretLength)
	check := checkOf(text)
	text += string(check[:])
	return text, hashOf(text)
}

func hashOf(text string) Hash {
	var room [keyLength]byte // keys, which are looked at with every request, need no memory
	return sha256.Sum256(append(room[:0], text...))
}

// randomText returns n of the digits, each as likely as any other.
func randomText(n int) string {
	const fair = 256 / len(digits) * len(digits)
	text, bytes := make([]byte, 0, n), make([]byte, 2*n)
	for len(text) < n {
		_, _ = rand.Read(bytes) // never fails
		for _, b := range bytes {
			if int(b) < fair && len(text) < n {
				text = append(text, digits[int(b)%len(digits)])
			}
		}
	}
	return string(text)
}

// checkOf returns the check of what stands before it.
func checkOf(text string) [checkLength]byte {
	sum := ^uint32(0) // as crc32.ChecksumIEEE, which would need the text as bytes: keys come with every request
	for i := range len(text) {
		sum = crc32.IEEETable[byte(sum)^text[i]] ^ sum>>8
	}
	sum = ^sum
	var check [checkLength]byte
	for i := len(check) - 1; i >= 0; i-- {
		check[i] = digits[sum%uint32(len(digits))]
		sum /= uint32(len(digits))
	}
	return check
}

// IsKey reports whether a text is meant to be an API key.
func IsKey(text string) bool { return strings.HasPrefix(text, keyPrefix) }

// The reasons why a text is no API key.
var (
	errKeyForm  = errors.New("is not an API key: those begin with " + keyPrefix)
	errKeyWhole = errors.New("is mistyped or cut off: its checksum does not fit")
)

// KeyID returns the id within the text of an API key. It does not tell whether
// there is such a key.
func KeyID(text string) (string, error) {
	if !IsKey(text) {
		return "", errKeyForm
	}
	const end = len(keyPrefix) + idLength
	if len(text) != keyLength || text[end] != '_' {
		return "", errKeyWhole
	}
	if check := checkOf(text[:keyLength-checkLength]); text[keyLength-checkLength:] != string(check[:]) {
		return "", errKeyWhole
	}
	return text[len(keyPrefix):end], nil
}
