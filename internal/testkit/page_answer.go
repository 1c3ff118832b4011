package testkit

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ellipsis stands for what varies from run to run.
const ellipsis = "…"

// pageAnswer is an answer as a page shows it.
type pageAnswer struct {
	block block
	// status is 0 for any success.
	status  int
	headers []field
	// body is nil where there is none, or the page has not got it yet.
	body    any
	hasBody bool
}

var answerStatus = regexp.MustCompile(`^HTTP(?:/[0-9.]+)? ([1-5][0-9]{2})(?: .*)?$`)

// parseAnswer reads a block of json or http.
func parseAnswer(b block) (*pageAnswer, error) {
	a, text := &pageAnswer{block: b}, b.text
	if b.language == "http" {
		head, body, _ := strings.Cut(b.text, "\n\n")
		if err := a.parseHead(strings.Split(strings.TrimSuffix(head, "\n"), "\n")); err != nil {
			return nil, err
		}
		text = body
	}
	if strings.TrimSpace(text) == "" {
		return a, nil
	}
	body, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, b.at.errorf("the answer is not JSON: %v", err)
	}
	a.body, a.hasBody = body, true
	if a.status == 0 {
		a.status = problemStatus(body)
	}
	return a, nil
}

func (a *pageAnswer) parseHead(lines []string) error {
	match := answerStatus.FindStringSubmatch(lines[0])
	if match == nil {
		return a.block.at.errorf("%q is no status line such as HTTP/1.1 201 Created", lines[0])
	}
	a.status, _ = strconv.Atoi(match[1]) // digits alone
	for i, line := range lines[1:] {
		match := headerLine.FindStringSubmatch(line)
		if match == nil {
			return a.block.at.errorf("%q is no header", line)
		}
		a.headers = append(a.headers, field{place{a.block.at.file, a.block.at.line + 2 + i}, match[1], match[2]})
	}
	return nil
}

// problemStatus returns the status that a problem document says, 0 for others.
func problemStatus(body any) int {
	object, _ := body.(map[string]any)
	if _, ok := object["code"]; !ok {
		return 0
	}
	status, _ := strconv.Atoi(plainText(object["status"]))
	return status
}

// expect holds an answer against the page's.
func (a *pageAnswer) expect(got answer) error {
	at := a.block.at
	if a.status != got.status && (a.status != 0 || got.status >= http.StatusBadRequest) {
		return at.errorf("the status is %d, want %d", got.status, a.status)
	}
	for _, f := range a.headers {
		if value := strings.Join(got.header.Values(f.name), ", "); !matchText(f.text, value) {
			return f.at.errorf("%s is %q", f.name, value)
		}
	}
	if !a.hasBody {
		if len(got.body) > 0 {
			return at.errorf("the page shows no body")
		}
		return nil
	}
	body, err := decodeJSON(got.body)
	if err != nil {
		return at.errorf("the body is not JSON: %v", err)
	}
	return at.wrap(match("$", a.body, body))
}

// match holds a value against one with ellipses.
func match(path string, want, got any) error {
	switch want := want.(type) {
	case string:
		if text, ok := got.(string); want == ellipsis || ok && matchText(want, text) {
			return nil
		}
	case map[string]any:
		if object, ok := got.(map[string]any); ok {
			return matchObject(path, want, object)
		}
	case []any:
		if array, ok := got.([]any); ok {
			return matchArray(path, want, array)
		}
	default:
		if sameScalar(got, want) {
			return nil
		}
	}
	return fmt.Errorf("%s is %s, want %s", path, plainText(got), plainText(want))
}

func matchObject(path string, want, got map[string]any) error {
	_, open := want[ellipsis]
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, ok := got[name]
		switch {
		case name == ellipsis:
		case !ok:
			return fmt.Errorf("%s has no %s", path, name)
		default:
			if err := match(path+"."+name, want[name], value); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok && !open {
			return fmt.Errorf("%s has %s, which is not on the page", path, name)
		}
	}
	return nil
}

func matchArray(path string, want, got []any) error {
	open := len(want) > 0 && want[len(want)-1] == ellipsis
	if open {
		want = want[:len(want)-1]
	}
	if len(got) < len(want) || len(got) > len(want) && !open {
		return fmt.Errorf("%s has %d items, want %d", path, len(got), len(want))
	}
	for i, value := range want {
		if err := match(fmt.Sprintf("%s[%d]", path, i), value, got[i]); err != nil {
			return err
		}
	}
	return nil
}

// matchText matches a text against one with ellipses.
func matchText(want, got string) bool {
	parts := strings.Split(want, ellipsis)
	if len(parts) == 1 {
		return want == got
	}
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, `.*`) + `$`).MatchString(got)
}

// renew writes an answer as the page should show it, with no newline at its end.
func (a *pageAnswer) renew(got answer) string {
	var text strings.Builder
	if a.block.language == "http" {
		fmt.Fprintf(&text, "HTTP/1.1 %d %s\n", got.status, http.StatusText(got.status))
		for _, f := range a.headers {
			value := strings.Join(got.header.Values(f.name), ", ")
			if matchText(f.text, value) {
				value = f.text
			}
			fmt.Fprintf(&text, "%s: %s\n", f.name, value)
		}
		if len(got.body) > 0 {
			text.WriteString("\n")
		}
	}
	if len(got.body) > 0 {
		text.WriteString(layout(jsontext.Value(got.body), "", 0))
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// varying are the members whose values differ from run to run.
var varying = []string{"at", "createdAt", "updatedAt", "deletedAt", "request_id", "next", "prev", "milliseconds"}

// pageWidth is how many characters of JSON a line of a page has at most.
const pageWidth = 150

// layout writes JSON on one line where it fits behind what stands there, and else
// with a line a member.
func layout(value jsontext.Value, indent string, used int) string {
	line := value.Clone()
	if err := line.Format(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true), jsontext.Multiline(false)); err != nil {
		return string(value)
	}
	kind := value.Kind()
	names, values := children(value)
	parts := make([]string, len(values))
	broken := false
	for i, v := range values {
		name := ""
		if kind == '{' {
			name = strconv.Quote(names[i]) + ": "
		}
		if kind == '{' && slices.Contains(varying, names[i]) {
			v = jsontext.Value(`"` + ellipsis + `"`)
		}
		parts[i] = name + layout(v, indent+"  ", len(indent)+2+len(name))
		broken = broken || strings.Contains(parts[i], "\n")
	}
	if kind != '{' && kind != '[' {
		return string(line)
	}
	open, end := string(kind), map[jsontext.Kind]string{'{': "}", '[': "]"}[kind]
	if short := open + strings.Join(parts, ", ") + end; !broken && used+utf8.RuneCountInString(short) < pageWidth {
		return short
	}
	inner := indent + "  "
	return open + "\n" + inner + strings.Join(parts, ",\n"+inner) + "\n" + indent + end
}

// children returns the members of an object, or the items of an array.
func children(value jsontext.Value) (names []string, values []jsontext.Value) {
	d := jsontext.NewDecoder(strings.NewReader(string(value)))
	kind := value.Kind()
	if _, err := d.ReadToken(); err != nil || kind != '{' && kind != '[' {
		return nil, nil
	}
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		if kind == '{' {
			name, err := d.ReadToken()
			if err != nil {
				return names, values
			}
			names = append(names, name.String())
		}
		v, err := d.ReadValue()
		if err != nil {
			return names, values
		}
		values = append(values, v.Clone())
	}
	return names, values
}
