package bsonjson

import (
	"fmt"

	"github.com/sheafdb/sheaf/internal/fault"
)

// SplitArray returns the elements of a JSON array, each the part of src that it
// is, without the space around it. The whole text is held to the grammar of RFC
// 8259; what Decode asks beyond that, such as names that are not repeated, it
// asks of each element. Text that is no array is a ValidationFailed fault, text
// that is no JSON a MalformedJSON one.
func SplitArray(src []byte) ([][]byte, error) {
	s := splitter{scanner: scanner{src: src}}
	if s.peek() != '[' {
		return nil, s.notAnArray()
	}
	elements, err := s.elements()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, err
	}
	return elements, nil
}

// splitter steps over values and keeps nothing of them.
type splitter struct {
	scanner
	depth int
}

// elements consumes the outermost array. Its level is not counted: an element
// may be as deep as it may be alone.
func (s *splitter) elements() ([][]byte, error) {
	var elements [][]byte
	s.pos++
	for more := s.peek() != ']'; more; {
		s.space()
		start := s.pos
		if err := s.skip(); err != nil {
			return nil, err
		}
		elements = append(elements, s.src[start:s.pos:s.pos])
		var err error
		if more, err = s.more(']'); err != nil {
			return nil, err
		}
	}
	s.pos++
	return elements, nil
}

// skip consumes one value.
func (s *splitter) skip() error {
	switch c := s.peek(); {
	case c == '"':
		_, err := s.string()
		return err
	case c == '{' || c == '[':
		return s.members(c)
	case c == '-' || c-'0' <= 9:
		_, _, err := s.number()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.unexpected("value")
}

// members consumes an object or an array, by its first byte.
func (s *splitter) members(first byte) error {
	if s.depth++; s.depth > MaxDepth {
		return s.malformed(fmt.Sprintf("more than %d levels of objects and arrays", MaxDepth))
	}
	s.pos++
	end := first + 2 // "{" and "}", and "[" and "]", lie two apart
	for more := s.peek() != end; more; {
		if first == '{' {
			if err := s.name(); err != nil {
				return err
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
		var err error
		if more, err = s.more(end); err != nil {
			return err
		}
	}
	s.pos++
	s.depth--
	return nil
}

func (s *splitter) name() error {
	if s.peek() != '"' {
		return s.unexpected("member name")
	}
	if _, err := s.string(); err != nil {
		return err
	}
	return s.expect(':', `":"`)
}

func (s *splitter) notAnArray() error {
	if err := s.skip(); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	return fault.New(fault.ValidationFailed, "the body must be a JSON array").WithItems(
		fault.Item{Pointer: "", Code: "type", Detail: "must be an array"})
}
