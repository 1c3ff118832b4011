package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// Notes are comments for a file that is to be written, by JSON pointers to what
// they are about: "" is the file, which gets them at its top. One line stands
// behind what it is about, more lines before it.
type Notes map[string][]string

// Add notes a line.
func (n Notes) Add(pointer, format string, args ...any) {
	n[pointer] = append(n[pointer], fmt.Sprintf(format, args...))
}

// within reports whether there is a note on something within a value.
func (n Notes) within(pointer string) bool {
	for at := range n {
		if strings.HasPrefix(at, pointer+"/") {
			return true
		}
	}
	return false
}

// AppendYAML writes the declaration of a collection as a schema file, which Load
// reads. A value stands in one line where it fits there and no note is within.
func AppendYAML(dst []byte, declaration JSON, notes Notes) []byte {
	w := yamlWriter{dst: dst, notes: notes}
	for _, line := range notes[""] {
		w.comment(0, line)
	}
	w.mapping(declaration, "", 0)
	return w.dst
}

type yamlWriter struct {
	dst   []byte
	notes Notes
}

const (
	yamlIndent = 2
	// yamlWidth is how long a line with several values may be, without its note.
	yamlWidth = 120
	// blockLevels is how many levels always have a line for each of their members.
	blockLevels = 1
)

func (w *yamlWriter) print(text string) { w.dst = append(w.dst, text...) }

func (w *yamlWriter) indent(level int) { w.print(strings.Repeat(" ", level*yamlIndent)) }

// comment writes a line, whatever is in its text.
func (w *yamlWriter) comment(level int, text string) {
	w.indent(level)
	w.print("# " + commentText(text) + "\n")
}

func commentText(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
}

// mapping writes the members of an object, a line or a block each.
func (w *yamlWriter) mapping(object JSON, pointer string, level int) {
	for _, member := range object {
		at := bsonjson.AppendToken(pointer, member.Name)
		if level == 0 && len(w.dst) > 0 && isBlock(inOrder(member.Value)) {
			w.print("\n")
		}
		w.before(at, level)
		w.indent(level)
		w.print(yamlText(member.Name) + ":")
		w.value(inOrder(member.Value), at, level)
	}
}

// before writes the notes on a value that do not fit behind it.
func (w *yamlWriter) before(at string, level int) {
	if lines := w.notes[at]; len(lines) > 1 {
		for _, line := range lines {
			w.comment(level, line)
		}
	}
}

// behind ends a line, with the note on its value where that is one line.
func (w *yamlWriter) behind(at string) {
	if lines := w.notes[at]; len(lines) == 1 {
		w.print("  # " + commentText(lines[0]))
	}
	w.print("\n")
}

func isBlock(value any) bool {
	switch value := value.(type) {
	case JSON:
		return len(value) > 0
	case []any:
		return len(value) > 0
	}
	return false
}

// value writes what stands after a key or the dash of an item.
func (w *yamlWriter) value(value any, at string, level int) {
	flow := string(appendFlow(nil, value))
	if !isBlock(value) || !w.notes.within(at) && len(flow) <= yamlWidth && (level >= blockLevels || isListOfWords(value)) {
		w.print(" " + flow)
		w.behind(at)
		return
	}
	w.behind(at)
	if object, ok := value.(JSON); ok {
		w.mapping(object, at, level+1)
		return
	}
	for i, item := range value.([]any) {
		w.item(inOrder(item), at+"/"+strconv.Itoa(i), level+1)
	}
}

// item writes an element of a list: in one line, but for an object that is too
// long for one.
func (w *yamlWriter) item(item any, at string, level int) {
	w.before(at, level)
	object, isObject := item.(JSON)
	if flow := string(appendFlow(nil, item)); !isObject || len(object) == 0 || len(flow) <= yamlWidth && !w.notes.within(at) {
		w.indent(level)
		w.print("- " + flow)
		w.behind(at)
		return
	}
	start := len(w.dst) + level*yamlIndent
	w.mapping(object, at, level+1)
	w.dst[start] = '-' // in place of the first line's indent
}

// isListOfWords reports whether a value is a list that has no objects.
func isListOfWords(value any) bool {
	list, ok := value.([]any)
	for _, item := range list {
		ok = ok && !isBlock(inOrder(item))
	}
	return ok
}

// appendFlow writes a value in one line.
func appendFlow(dst []byte, value any) []byte {
	switch value := inOrder(value).(type) {
	case JSON:
		dst = append(dst, '{')
		for i, member := range value {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(append(dst, yamlText(member.Name)...), ": "...)
			dst = appendFlow(dst, member.Value)
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, item := range value {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendFlow(dst, item)
		}
		return append(dst, ']')
	case string:
		return append(dst, yamlText(value)...)
	case nil:
		return append(dst, "null"...)
	default: // numbers and bools
		return fmt.Append(dst, value)
	}
}

// inOrder turns raw JSON into values whose objects keep their order; what is
// none is as it is.
func inOrder(value any) any {
	raw, ok := value.(json.RawMessage)
	if !ok {
		return value
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return decodeInOrder(d)
}

func decodeInOrder(d *json.Decoder) any {
	token, err := d.Token()
	if err != nil { // what is declared is JSON
		return nil
	}
	switch token {
	case json.Delim('{'):
		object := JSON{}
		for d.More() {
			name, _ := d.Token()
			object.set(fmt.Sprint(name), decodeInOrder(d))
		}
		_, _ = d.Token()
		return object
	case json.Delim('['):
		list := []any{}
		for d.More() {
			list = append(list, decodeInOrder(d))
		}
		_, _ = d.Token()
		return list
	}
	return token
}

var (
	// yamlWord is text that needs no quotes, whichever type the schema has for it.
	yamlWord = regexp.MustCompile(`^([-$]?[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*|[0-9]+(h|m|s|ms)|2dsphere)$`)
	// yamlReserved are words that some reader of YAML takes for something else.
	yamlReserved = regexp.MustCompile(`(?i)^-?(true|false|null|yes|no|on|off|y|n|nan|inf|\.nan|\.inf)$`)
)

// yamlText writes text so that it is read back as that text.
func yamlText(text string) string {
	if yamlWord.MatchString(text) && !yamlReserved.MatchString(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r != ' ' && !unicode.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r) && r != ' ':
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
