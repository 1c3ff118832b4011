package testkit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// entry is a request and what its answer must be.
type entry struct {
	at          place
	method, url string
	headers     []field
	body        string
	// isJSON is set where the form of the body says so.
	isJSON bool

	statusAt place
	// status is 0 for any.
	status   int
	expected []field
	captures []capture
	asserts  []assertion
}

// field is a header.
type field struct {
	at         place
	name, text string
}

type capture struct {
	at    place
	name  string
	query question
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.line, fmt.Sprintf(format, args...))
}

// wrap puts the place before an error; nil stays nil.
func (p place) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s:%d: %w", p.file, p.line, err)
}

var (
	requestLine = regexp.MustCompile(`^([A-Z]+) (\S+)$`)
	headerLine  = regexp.MustCompile(`^([A-Za-z0-9-]+):[ \t]*(.*)$`)
	statusLine  = regexp.MustCompile(`^HTTP(?:/[0-9.]+)? (\*|[1-5][0-9]{2})$`)
	sectionLine = regexp.MustCompile(`^\[[A-Za-z]+\]$`)
	captureLine = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_-]*): (.+)$`)
)

// scenarioParser reads a file by lines.
type scenarioParser struct {
	file  string
	lines []string
	// next is the index of the line that is read next.
	next int
}

// parseScenario returns the entries of a file, or an error at the first line
// that is not understood.
func parseScenario(file, text string) ([]entry, error) {
	p := &scenarioParser{file: file, lines: strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")}
	var entries []entry
	for p.more() {
		e, err := p.entry()
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// more skips blank lines and comments, and reports whether a line is left.
func (p *scenarioParser) more() bool {
	for ; p.next < len(p.lines); p.next++ {
		if line := p.line(); line != "" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}

func (p *scenarioParser) line() string { return strings.TrimSpace(p.lines[p.next]) }

func (p *scenarioParser) at() place { return place{p.file, min(p.next, len(p.lines)-1) + 1} }

func (p *scenarioParser) entry() (entry, error) {
	match := requestLine.FindStringSubmatch(p.line())
	if match == nil || strings.HasPrefix(p.line(), "HTTP") {
		return entry{}, p.at().errorf("%q is no request line such as GET {{url}}/livez", p.line())
	}
	e := entry{at: p.at(), method: match[1], url: match[2]}
	p.next++
	e.headers = p.fields()
	if err := p.body(&e); err != nil {
		return entry{}, err
	}
	if err := p.status(&e); err != nil {
		return entry{}, err
	}
	e.expected = p.fields()
	return e, p.sections(&e)
}

// fields reads headers up to a line that is none.
func (p *scenarioParser) fields() []field {
	var fields []field
	for ; p.more(); p.next++ {
		match := headerLine.FindStringSubmatch(p.line())
		if match == nil {
			break
		}
		fields = append(fields, field{p.at(), match[1], match[2]})
	}
	return fields
}

const fence = "```"

// body reads what stands between the headers and the line HTTP.
func (p *scenarioParser) body(e *entry) error {
	if !p.more() || strings.HasPrefix(p.line(), "HTTP") {
		return nil
	}
	if strings.HasPrefix(p.line(), fence) {
		return p.fenced(e)
	}
	if first := p.line(); first[0] != '{' && first[0] != '[' || sectionLine.MatchString(first) {
		return p.at().errorf("%q is neither a header, nor a JSON body, nor the line HTTP", first)
	}
	from := p.next
	for p.next < len(p.lines) && !strings.HasPrefix(p.line(), "HTTP") {
		p.next++
	}
	e.body, e.isJSON = strings.TrimSpace(strings.Join(p.lines[from:p.next], "\n")), true
	return nil
}

// fenced reads a body that is sent as it stands.
func (p *scenarioParser) fenced(e *entry) error {
	opening, language := p.at(), strings.TrimPrefix(p.line(), fence)
	if language != "" && language != "json" {
		return opening.errorf("a body of %q is not known", language)
	}
	e.isJSON = language == "json"
	from := p.next + 1
	for p.next++; p.next < len(p.lines); p.next++ {
		if p.line() == fence {
			e.body = strings.Join(p.lines[from:p.next], "\n")
			p.next++
			return nil
		}
	}
	return opening.errorf("the body has no end")
}

func (p *scenarioParser) status(e *entry) error {
	if !p.more() {
		return e.at.errorf("the request has no line HTTP")
	}
	match := statusLine.FindStringSubmatch(p.line())
	if match == nil {
		return p.at().errorf("%q is no line such as HTTP 200", p.line())
	}
	e.statusAt = p.at()
	if match[1] != "*" {
		e.status, _ = strconv.Atoi(match[1]) // the pattern has digits alone
	}
	p.next++
	return nil
}

// sections reads up to the next request.
func (p *scenarioParser) sections(e *entry) error {
	section := ""
	for ; p.more(); p.next++ {
		line := p.line()
		if requestLine.MatchString(line) {
			return nil
		}
		if sectionLine.MatchString(line) {
			section = line
			continue
		}
		if err := p.sectionLine(e, section, line); err != nil {
			return err
		}
	}
	return nil
}

func (p *scenarioParser) sectionLine(e *entry, section, line string) error {
	switch section {
	case "[Captures]":
		match := captureLine.FindStringSubmatch(line)
		if match == nil {
			return p.at().errorf("%q is no capture such as id: jsonpath \"$.id\"", line)
		}
		query, rest, err := parseQuestion(p.at(), match[2])
		if err != nil || rest != "" {
			return p.at().errorf("%q is not jsonpath \"…\" or header \"…\"", match[2])
		}
		e.captures = append(e.captures, capture{p.at(), match[1], query})
		return nil
	case "[Asserts]":
		assert, err := parseAssertion(p.at(), line)
		e.asserts = append(e.asserts, assert)
		return err
	}
	return p.at().errorf("%q is not known here", line)
}
