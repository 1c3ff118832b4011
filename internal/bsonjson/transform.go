package bsonjson

import (
	"bytes"
	"unicode/utf8"
)

// apply returns text transformed; text itself where nothing changes.
func (t Transform) apply(text []byte) []byte {
	if t == 0 {
		return text
	}
	if t&Trim != 0 {
		text = bytes.TrimSpace(text)
	}
	switch {
	case t&Lowercase != 0 && !isASCIIWithout(text, 'A', 'Z'):
		text = bytes.ToLower(text)
	case t&Uppercase != 0 && !isASCIIWithout(text, 'a', 'z'):
		text = bytes.ToUpper(text)
	}
	return text
}

// isASCIIWithout reports whether text is ASCII and has no byte from low to high.
func isASCIIWithout(text []byte, low, high byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf || c >= low && c <= high {
			return false
		}
	}
	return true
}
