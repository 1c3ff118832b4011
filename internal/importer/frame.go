package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sheafdb/sheaf/internal/fault"
)

const (
	// maxText bounds the text of one value, in bytes. MongoDB's 16 MiB of BSON
	// can be more as JSON; InsertMany refuses what is too large stored.
	maxText = 48 << 20
	// maxLevels bounds how deep values nest. It is well over what a document may
	// have, so that one too deep is refused and does not end the reading.
	maxLevels = 256
	// chunk is how much is read at once, at least.
	chunk = 64 << 10
)

// value is one JSON value of the input, or text that is none.
type value struct {
	text []byte
	// line is that of the first byte, from 1; offset is its place, from 0.
	line, offset int64
	// fault is set where the text is no JSON.
	fault *fault.Error
}

// framer cuts a stream of JSON into its values: one JSON array, or values that
// follow one another with or without space between. It looks at no more of the
// grammar than it takes to find where a value ends; the rest is for the decoder.
type framer struct {
	src io.Reader
	// buf is a window of the input: buf[start:pos] of it is read, and belongs to
	// the value that begins at start.
	buf        []byte
	start, pos int
	// ended is why src gives no more.
	ended error

	// offset and line are those of buf[start]; at are those of the value.
	offset, line int64
	at           value
	// cut is set where the value was too large to keep.
	cut   bool
	depth int
	// limit is how many bytes of a value are kept.
	limit int

	begun, array, first bool
}

func newFramer(src io.Reader) *framer {
	return &framer{src: src, line: 1, first: true, limit: maxText}
}

// next returns the next value, whose text is the caller's. The error is io.EOF
// at the end, and else why reading stops.
func (f *framer) next() (value, error) {
	if !f.begun {
		if err := f.begin(); err != nil {
			return value{}, err
		}
	}
	if f.array {
		return f.element()
	}
	if _, ok := f.peek(); !ok {
		return value{}, f.ended
	}
	f.mark()
	if err := f.value(); err != nil {
		return f.broken(err)
	}
	return f.take(nil), nil
}

// begin steps over a byte order mark and tells the forms of input apart.
func (f *framer) begin() error {
	f.begun = true
	for len(f.buf) < 4 && f.fill() {
	}
	if bytes.HasPrefix(f.buf, []byte("\x1f\x8b")) {
		return &InputError{Detail: "the input is compressed", Filter: "gunzip -c"}
	}
	if name := otherEncoding(f.buf); name != "" {
		return &InputError{Detail: "the input is " + name + ", and JSON is UTF-8", Filter: "iconv -f " + name + " -t UTF-8"}
	}
	if bytes.HasPrefix(f.buf, []byte("\xef\xbb\xbf")) {
		f.pos = 3
	}
	if c, ok := f.peek(); ok && c == '[' {
		f.array = true
		f.pos++
	}
	return nil
}

// InputError is a fault of the input that ends the reading of it.
type InputError struct {
	Detail string
	// Filter is a command that makes good input of a file that is named after it,
	// empty where there is none.
	Filter string
}

// Error is the detail.
func (e *InputError) Error() string { return e.Detail }

// otherEncoding names the encoding of text that begins so, where it is not
// UTF-8: by its byte order mark, or by how it has the first character, which in
// JSON is of ASCII.
func otherEncoding(head []byte) string {
	if len(head) < 2 {
		return ""
	}
	wide := len(head) >= 4
	switch a, b := head[0], head[1]; {
	case wide && (string(head[:4]) == "\xff\xfe\x00\x00" || a != 0 && b == 0 && head[2] == 0 && head[3] == 0):
		return "UTF-32LE"
	case wide && (string(head[:4]) == "\x00\x00\xfe\xff" || a == 0 && b == 0 && head[2] == 0 && head[3] != 0):
		return "UTF-32BE"
	case a == 0xff && b == 0xfe, a == 0xfe && b == 0xff:
		return "UTF-16" // iconv reads the mark
	case a != 0 && b == 0:
		return "UTF-16LE"
	case a == 0 && b != 0:
		return "UTF-16BE"
	}
	return ""
}

// element returns the next element of the array that the input is. There is no
// telling where the next one begins after text that is no JSON, so that is the
// end of it.
func (f *framer) element() (value, error) {
	c, _ := f.peek()
	if c == ']' {
		return value{}, f.afterArray()
	}
	if !f.first {
		if c != ',' {
			return value{}, f.stopped(f.unexpected(`"," or "]"`))
		}
		f.pos++
		f.peek()
	}
	f.first = false
	f.mark()
	if err := f.value(); err != nil {
		return value{}, f.stopped(err)
	}
	return f.take(nil), nil
}

func (f *framer) afterArray() error {
	f.pos++
	f.mark()
	if _, ok := f.peek(); ok {
		return f.stopped(errors.New("bytes follow the array" + f.place()))
	}
	return f.ended
}

// stopped returns why an array cannot be read to its end.
func (f *framer) stopped(reason error) error {
	if f.ended != nil && f.ended != io.EOF {
		return f.ended
	}
	return &InputError{Detail: "the array is not valid JSON, and cannot be read further: " + reason.Error()}
}

// consumed is how much of the input is read, in bytes.
func (f *framer) consumed() int64 { return f.offset + int64(f.pos-f.start) }

// mark begins a value at pos.
func (f *framer) mark() {
	f.advance(f.pos)
	f.at, f.cut = value{line: f.line, offset: f.offset}, false
}

// advance lets go of what lies before to.
func (f *framer) advance(to int) {
	f.line += int64(bytes.Count(f.buf[f.start:to], []byte{'\n'}))
	f.offset += int64(to - f.start)
	f.start = to
}

// take returns the value that ends at pos.
func (f *framer) take(reason *fault.Error) value {
	v := f.at
	v.fault = reason
	if f.cut {
		v.fault = fault.New(fault.PayloadTooLarge, "the document is larger than %d bytes of JSON", f.limit)
	} else {
		v.text = bytes.Clone(f.buf[f.start:f.pos])
	}
	f.advance(f.pos)
	return v
}

// broken returns the text that is no JSON, and goes on after it: at the next
// line. Where the line is a lone brace the document was to take several, and it
// goes on at the next line that begins with one.
func (f *framer) broken(reason error) (value, error) {
	if f.ended != nil && f.ended != io.EOF {
		return value{}, f.ended
	}
	f.depth = 0
	lone := false
	if !f.cut {
		first, _, _ := bytes.Cut(f.buf[f.start:f.pos], []byte{'\n'})
		lone = string(bytes.TrimSpace(first)) == "{"
		f.pos = f.start
	}
	f.skipLine()
	for lone && f.within('{') {
		f.skipLine()
	}
	v := f.take(fault.New(fault.MalformedJSON, "%s", reason.Error()))
	v.text = bytes.Trim(v.text, " \t\r\n")
	return v, nil
}

// within reports whether there is a next byte, and it is another than c.
func (f *framer) within(c byte) bool {
	return (f.pos < len(f.buf) || f.fill()) && f.buf[f.pos] != c
}

// skipLine steps over the rest of the line.
func (f *framer) skipLine() {
	for {
		if i := bytes.IndexByte(f.buf[f.pos:], '\n'); i >= 0 {
			f.pos += i + 1
			return
		}
		f.pos = len(f.buf)
		if !f.fill() {
			return
		}
	}
}

// value steps over one value.
func (f *framer) value() error {
	switch c, ok := f.peek(); {
	case !ok || bytes.IndexByte([]byte(",:]}"), c) >= 0:
		return f.unexpected("value")
	case c == '{' || c == '[':
		return f.members(c)
	case c == '"':
		return f.string()
	}
	f.scalar()
	return nil
}

// members steps over an object or an array, by its first byte.
func (f *framer) members(first byte) error {
	if f.depth++; f.depth > maxLevels {
		return errors.New("the levels of objects and arrays are too many" + f.place())
	}
	f.pos++
	end := first + 2 // "{" and "}", and "[" and "]", lie two apart
	for c, _ := f.peek(); c != end; {
		if first == '{' {
			if err := f.name(); err != nil {
				return err
			}
		}
		if err := f.value(); err != nil {
			return err
		}
		if c, _ = f.peek(); c == ',' {
			f.pos++
		} else if c != end {
			return f.unexpected(`"," or "` + string(rune(end)) + `"`)
		}
	}
	f.pos++
	f.depth--
	return nil
}

func (f *framer) name() error {
	if c, _ := f.peek(); c != '"' {
		return f.unexpected("member name")
	}
	if err := f.string(); err != nil {
		return err
	}
	if c, _ := f.peek(); c != ':' {
		return f.unexpected(`":"`)
	}
	f.pos++
	return nil
}

// string steps over a string. A line does not end in one, so that a quotation
// mark too few costs one line and not the rest of the input.
func (f *framer) string() error {
	f.pos++
	for escaped := false; f.pos < len(f.buf) || f.fill(); f.pos++ {
		switch c := f.buf[f.pos]; {
		case c == '\n':
			return errors.New("the line ends within a string" + f.place())
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			f.pos++
			return nil
		}
	}
	return errors.New("the text ends within a string" + f.place())
}

// scalar steps over what may be a number or a word.
func (f *framer) scalar() {
	for f.pos < len(f.buf) || f.fill() {
		if bytes.IndexByte([]byte(" \t\r\n,:[]{}\""), f.buf[f.pos]) >= 0 {
			return
		}
		f.pos++
	}
}

// peek steps over space and returns the byte after it; false at the end.
func (f *framer) peek() (byte, bool) {
	for f.pos < len(f.buf) || f.fill() {
		switch c := f.buf[f.pos]; c {
		case ' ', '\t', '\r', '\n':
			f.pos++
		default:
			return c, true
		}
	}
	return 0, false
}

// fill reads more of the input, and reports whether there was more.
func (f *framer) fill() bool {
	if f.pos-f.start > f.limit {
		f.cut = true
		f.advance(f.pos)
	}
	if f.start > 0 {
		f.buf = f.buf[:copy(f.buf, f.buf[f.start:])]
		f.pos, f.start = f.pos-f.start, 0
	}
	for had := len(f.buf); f.ended == nil; {
		f.buf = slices.Grow(f.buf, chunk)
		n, err := f.src.Read(f.buf[had:cap(f.buf)])
		f.buf, f.ended = f.buf[:had+n], err
		if n > 0 {
			return true
		}
	}
	return false
}

func (f *framer) unexpected(wanted string) error {
	if f.pos >= len(f.buf) {
		return errors.New("the text ends where " + wanted + " is due" + f.place())
	}
	return errors.New("there is no " + wanted + " here" + f.place())
}

// place tells where in the input the framer stands.
func (f *framer) place() string {
	read := f.buf[f.start:f.pos]
	return fmt.Sprintf(" (line %d, offset %d)", f.line+int64(bytes.Count(read, []byte{'\n'})), f.offset+int64(len(read)))
}
