package bsonjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sheafdb/sheaf/internal/fault"
)

// MaxDepth is how many levels of objects and arrays a document may have; it is
// MongoDB's own limit.
const MaxDepth = 100

// scanner reads the tokens of one JSON text (RFC 8259) in place.
type scanner struct {
	src []byte
	pos int
	// scratch holds the text of the last string that had escapes.
	scratch []byte
}

// space skips insignificant white space.
func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

// expect consumes the one-byte token c.
func (s *scanner) expect(c byte, where string) error {
	if s.peek() != c {
		return s.unexpected(where)
	}
	s.pos++
	return nil
}

// more consumes the comma between members and reports whether one follows.
func (s *scanner) more(end byte) (bool, error) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case end:
		return false, nil
	}
	return false, s.unexpected(`"," or "` + string(end) + `"`)
}

// literal consumes true, false or null.
func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.src[s.pos:], []byte(word)) {
		return s.unexpected("a value")
	}
	s.pos += len(word)
	return nil
}

// end checks that nothing follows the value.
func (s *scanner) end() error {
	if s.space(); s.pos < len(s.src) {
		return s.malformed("bytes follow the value")
	}
	return nil
}

// string consumes a string and returns its text, which is valid UTF-8 and holds
// until the next call: a part of src, or of scratch where there were escapes.
func (s *scanner) string() ([]byte, error) {
	s.pos++
	start, ascii := s.pos, true
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			text := s.src[start:s.pos]
			if !ascii && !utf8.Valid(text) {
				return nil, s.badUTF8(start)
			}
			s.pos++
			return text, nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.malformed("a control character in a string must be escaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		s.pos++
	}
	return nil, s.malformed("the text ends within a string")
}

// escaped goes on with a string that holds an escape at pos.
func (s *scanner) escaped(start int) ([]byte, error) {
	s.scratch = append(s.scratch[:0], s.src[start:s.pos]...)
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			if !utf8.Valid(s.scratch) {
				return nil, s.badUTF8(start)
			}
			s.pos++
			return s.scratch, nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, s.malformed("a control character in a string must be escaped")
		default:
			s.scratch = append(s.scratch, c)
			s.pos++
		}
	}
	return nil, s.malformed("the text ends within a string")
}

// escape consumes one escape sequence into scratch.
func (s *scanner) escape() error {
	if s.pos+1 >= len(s.src) {
		return s.malformed("the text ends within a string")
	}
	c := s.src[s.pos+1]
	if c == 'u' {
		return s.unicodeEscape()
	}
	at := bytes.IndexByte([]byte(`"\/bfnrt`), c)
	if at < 0 {
		return s.malformed("an unknown escape sequence")
	}
	s.scratch = append(s.scratch, "\"\\/\b\f\n\r\t"[at])
	s.pos += 2
	return nil
}

// unicodeEscape consumes \uXXXX, or two of them that make a surrogate pair.
func (s *scanner) unicodeEscape() error {
	r, ok := s.hex4(s.pos + 2)
	if !ok {
		return s.malformed(`\u takes four hexadecimal digits`)
	}
	size := 6
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), s.pos+7 < len(s.src) && s.src[s.pos+6] == '\\' && s.src[s.pos+7] == 'u'
		if ok {
			low, ok = s.hex4(s.pos + 8)
		}
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return s.malformed("a lone surrogate is no character")
		}
		size = 12
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	s.pos += size
	return nil
}

func (s *scanner) hex4(at int) (rune, bool) {
	if at+4 > len(s.src) {
		return 0, false
	}
	var r rune
	for _, c := range s.src[at : at+4] {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

// number consumes a number and returns its text, and whether it is written
// without a fraction and an exponent.
func (s *scanner) number() (text []byte, integral bool, err error) {
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	switch {
	case s.at('0'):
		s.pos++
	case !s.digits():
		return nil, false, s.unexpected("a value")
	}
	integral = true
	if s.at('.') {
		s.pos++
		if integral = false; !s.digits() {
			return nil, false, s.malformed("digits must follow the point of a number")
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if integral = false; !s.digits() {
			return nil, false, s.malformed("digits must follow the exponent sign of a number")
		}
	}
	return s.src[start:s.pos], integral, nil
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.src) && s.src[s.pos] == c }

// digits consumes decimal digits and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.src) && s.src[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) badUTF8(start int) error {
	for s.pos = start; s.pos < len(s.src); {
		r, size := utf8.DecodeRune(s.src[s.pos:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		s.pos += size
	}
	return s.malformed("the text is not valid UTF-8")
}

func (s *scanner) unexpected(wanted string) error {
	switch {
	case len(s.src) == 0:
		return s.malformed("the text is empty")
	case s.pos >= len(s.src):
		return s.malformed("the text ends where " + wanted + " is due")
	case bytes.HasPrefix(s.src, []byte("\xef\xbb\xbf")) && s.pos == 0:
		return s.malformed("the text begins with a byte order mark")
	}
	return s.malformed("there is no " + wanted + " here")
}

// malformed returns a fault that tells where the scanner stands.
func (s *scanner) malformed(reason string) error {
	read := s.src[:min(s.pos, len(s.src))]
	line := 1 + bytes.Count(read, []byte{'\n'})
	column := len(read) - bytes.LastIndexByte(read, '\n')
	return fault.New(fault.MalformedJSON, "%s (offset %d, line %d, column %d)", reason, len(read), line, column)
}
