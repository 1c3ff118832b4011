package bsonjson

import (
	"bytes"
)

// Referral is an object {"$ref": name} within a JSON text: it stands for a value
// that is known by a name. No document has such an object, as no field has such a
// name.
type Referral struct {
	// Pointer leads to it.
	Pointer string
	Name    string
	// start and end are the bytes that it takes.
	start, end int
}

// Referrals returns those of a text that is well formed, in their order. Their
// pointers begin with pointer.
func Referrals(src []byte, pointer string) []Referral {
	if !bytes.Contains(src, []byte(`"$ref"`)) {
		return nil
	}
	r := referrer{splitter: splitter{scanner: scanner{src: src}}, pointer: pointer}
	_ = r.value() // what is wrong with the text is told by who reads it
	return r.found
}

// Fill puts JSON texts in the place of referrals, which are in their order.
func Fill(src []byte, referrals []Referral, values [][]byte) []byte {
	size := len(src)
	for _, value := range values {
		size += len(value)
	}
	dst, at := make([]byte, 0, size), 0
	for i, r := range referrals {
		dst = append(append(dst, src[at:r.start]...), values[i]...)
		at = r.end
	}
	return append(dst, src[at:]...)
}

// referrer steps over a text and notes the referrals.
type referrer struct {
	splitter
	pointer string
	path    []Step
	found   []Referral
}

func (r *referrer) value() error {
	switch r.peek() {
	case '{':
		if r.referral() {
			return nil
		}
		return r.members('}')
	case '[':
		return r.members(']')
	}
	return r.skip()
}

// referral consumes an object that is one, and reports whether it is.
func (r *referrer) referral() bool {
	start := r.pos
	r.pos++
	if r.peek() == '"' {
		if name, err := r.name(); err == nil && name == "$ref" && r.peek() == '"' {
			if text, err := r.string(); err == nil && r.peek() == '}' {
				r.pos++
				r.found = append(r.found, Referral{Pointer: r.at(), Name: string(text), start: start, end: r.pos})
				return true
			}
		}
	}
	r.pos = start
	return false
}

// members steps through an object or an array.
func (r *referrer) members(end byte) error {
	if r.depth++; r.depth > MaxDepth {
		return r.malformed("too deep")
	}
	r.pos++
	r.path = append(r.path, Step{})
	for more := r.peek() != end; more; r.path[len(r.path)-1].Index++ {
		if end == '}' {
			name, err := r.name()
			if err != nil {
				return err
			}
			r.path[len(r.path)-1].Name = append([]byte{}, name...)
		}
		if err := r.value(); err != nil {
			return err
		}
		var err error
		if more, err = r.more(end); err != nil {
			return err
		}
	}
	r.path = r.path[:len(r.path)-1]
	r.pos++
	r.depth--
	return nil
}

// at returns the pointer of where the referrer stands.
func (r *referrer) at() string { return Pointer(r.pointer, r.path) }
