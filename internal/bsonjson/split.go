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
		return nil, s.notAn("array")
	}
	var elements [][]byte
	err := s.outermost(']', func() error {
		element, err := s.part()
		elements = append(elements, element)
		return err
	})
	if err != nil {
		return nil, err
	}
	return elements, nil
}

// SplitObject returns the members of a JSON object in their order, as SplitArray
// does the elements of an array. The names are different ones.
func SplitObject(src []byte) ([]Member, error) {
	s := splitter{scanner: scanner{src: src}}
	if s.peek() != '{' {
		return nil, s.notAn("object")
	}
	var members []Member
	names := make(map[string]struct{})
	err := s.outermost('}', func() error {
		name, err := s.name()
		if err != nil {
			return err
		}
		if _, twice := names[name]; twice {
			return s.malformed("the name " + quote([]byte(name)) + " stands twice in one object")
		}
		names[name] = struct{}{}
		value, err := s.part()
		members = append(members, Member{name, value})
		return err
	})
	if err != nil {
		return nil, err
	}
	return members, nil
}

// splitter steps over values and keeps nothing of them.
type splitter struct {
	scanner
	depth int
}

// outermost consumes the object or array that is the whole text, each entry by
// take. Its level is not counted: an entry may be as deep as it may be alone.
func (s *splitter) outermost(end byte, take func() error) error {
	s.pos++
	for more := s.peek() != end; more; {
		if err := take(); err != nil {
			return err
		}
		var err error
		if more, err = s.more(end); err != nil {
			return err
		}
	}
	s.pos++
	return s.end()
}

// part consumes one value and returns its text.
func (s *splitter) part() ([]byte, error) {
	s.space()
	start := s.pos
	err := s.skip()
	return s.src[start:s.pos:s.pos], err
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
			if _, err := s.name(); err != nil {
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

func (s *splitter) name() (string, error) {
	if s.peek() != '"' {
		return "", s.unexpected("member name")
	}
	text, err := s.string()
	if err != nil {
		return "", err
	}
	return string(text), s.expect(':', `":"`)
}

// notAn consumes a text that is no array, or no object, as what says.
func (s *splitter) notAn(what string) error {
	if err := s.skip(); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	return fault.New(fault.ValidationFailed, "the body must be a JSON %s", what).WithItems(
		fault.Item{Pointer: "", Code: "type", Detail: "must be an " + what})
}
