package testkit

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// pageURL is where the pages have the service.
const pageURL = "http://127.0.0.1:8080"

// parseCommands returns the requests of a block of sh.
func parseCommands(b block) ([]pageRequest, error) {
	l := &lexer{at: place{b.at.file, b.at.line + 1}, rest: b.text}
	var requests []pageRequest
	for {
		c, err := l.command()
		if err != nil {
			return nil, err
		}
		if c == nil {
			return requests, nil
		}
		e, ok, err := c.entry()
		if err != nil {
			return nil, err
		}
		if ok {
			requests = append(requests, pageRequest{entry: e})
		}
	}
}

// command is a line of a shell, taken into words.
type command struct {
	at    place
	words []string
	// capture and path are those of capture=$(… | jq -r path).
	capture, path string
	comment       string
}

var (
	captureStart = regexp.MustCompile(`^([A-Z][A-Z0-9_]*)=\$\(`)
	captureEnd   = regexp.MustCompile(`^ \| jq -r '?(\.[^ ')]*)'?\)`)
	shellName    = regexp.MustCompile(`^\$\{?([A-Z][A-Z0-9_]*)\}?`)
	commentCode  = regexp.MustCompile(`^# ?([1-5][0-9]{2})\b`)

	escapedPlaceholder = regexp.MustCompile(`%7B%7B([A-Z][A-Z0-9_]*)%7D%7D`)
)

// lexer reads the part of the shell's language that the pages need.
type lexer struct {
	at   place
	rest string
}

// take removes n bytes, and counts lines.
func (l *lexer) take(n int) string {
	text := l.rest[:n]
	l.at.line += strings.Count(text, "\n")
	l.rest = l.rest[n:]
	return text
}

// command returns the next command, nil at the end.
func (l *lexer) command() (*command, error) {
	l.take(len(l.rest) - len(strings.TrimLeft(l.rest, " \n")))
	if l.rest == "" {
		return nil, nil
	}
	c := &command{at: l.at}
	if match := captureStart.FindStringSubmatch(l.rest); match != nil {
		c.capture = match[1]
		l.take(len(match[0]))
	}
	for l.rest != "" && l.rest[0] != '\n' {
		if done, err := l.part(c); done || err != nil {
			return c, err
		}
	}
	if c.capture != "" && c.path == "" {
		return nil, c.at.errorf("what is kept must end in | jq -r PATH)")
	}
	return c, nil
}

// part reads a word, or what stands between words.
func (l *lexer) part(c *command) (done bool, err error) {
	match := captureEnd.FindStringSubmatch(l.rest)
	switch {
	case c.capture != "" && match != nil:
		c.path = "$" + match[1]
		l.take(len(match[0]))
		return true, nil
	case l.rest[0] == '#':
		end := strings.IndexByte(l.rest+"\n", '\n')
		c.comment = l.take(end)
	case l.rest[0] == ' ':
		l.take(1)
	case strings.HasPrefix(l.rest, "\\\n"):
		l.take(2)
	default:
		word, err := l.word()
		c.words = append(c.words, word)
		return false, err
	}
	return false, nil
}

// word reads up to a space; parts of it may be quoted.
func (l *lexer) word() (string, error) {
	var word strings.Builder
	for l.rest != "" && !strings.HasPrefix(l.rest, "\\\n") {
		switch ch := l.rest[0]; {
		case ch == ' ' || ch == '\n':
			return word.String(), nil
		case ch == '\'':
			end := strings.IndexByte(l.rest[1:], '\'')
			if end < 0 {
				return "", l.at.errorf("a ' has no end")
			}
			word.WriteString(strings.Trim(l.take(end+2), "'"))
		case strings.HasPrefix(l.rest, `\'`):
			word.WriteString(l.take(2)[1:])
		case ch == '"':
			if err := l.doubleQuoted(&word); err != nil {
				return "", err
			}
		case ch == '$':
			if err := l.variable(&word); err != nil {
				return "", err
			}
		case strings.IndexByte("\\&|<>();*?[]{}`!~", ch) >= 0:
			return "", l.at.errorf("%q must stand between quotes", string(ch))
		default:
			word.WriteString(l.take(1))
		}
	}
	return word.String(), nil
}

// doubleQuoted reads a part in which variables are filled in.
func (l *lexer) doubleQuoted(word *strings.Builder) error {
	at := l.at
	l.take(1)
	for l.rest != "" {
		switch {
		case l.rest[0] == '"':
			l.take(1)
			return nil
		case l.rest[0] == '$' && shellName.MatchString(l.rest):
			if err := l.variable(word); err != nil {
				return err
			}
		case len(l.rest) > 1 && l.rest[0] == '\\' && strings.IndexByte("\\\"$`", l.rest[1]) >= 0:
			word.WriteString(l.take(2)[1:])
		default:
			word.WriteString(l.take(1))
		}
	}
	return at.errorf("a \" has no end")
}

// variable writes $NAME as the scenarios have it.
func (l *lexer) variable(word *strings.Builder) error {
	match := shellName.FindStringSubmatch(l.rest)
	if match == nil {
		return l.at.errorf("a $ is neither quoted nor before a NAME")
	}
	l.take(len(match[0]))
	word.WriteString("{{" + match[1] + "}}")
	return nil
}

// entry returns the request of a curl command; ok is false for other programs.
func (c *command) entry() (e entry, ok bool, err error) {
	if len(c.words) == 0 || c.words[0] != "curl" {
		return entry{}, false, nil
	}
	q := &curl{at: c.at, entry: entry{at: c.at, statusAt: c.at}}
	if err := q.read(c.words[1:]); err != nil {
		return entry{}, false, err
	}
	if match := commentCode.FindStringSubmatch(c.comment); match != nil {
		q.entry.status, _ = strconv.Atoi(match[1]) // digits alone
	}
	if c.capture != "" {
		path, err := parsePath(c.at, c.path)
		if err != nil {
			return entry{}, false, err
		}
		q.entry.captures = []capture{{c.at, c.capture, question{path: path, text: c.path}}}
	}
	return q.entry, true, q.finish()
}

// curl is a command line of curl that is being read.
type curl struct {
	at    place
	entry entry
	// get is set by -G, globs are off by -g.
	get, noGlobs bool
	data         []string
}

// curlOptions take a value.
var curlOptions = map[string]func(*curl, string) error{
	"-X": func(q *curl, value string) error { q.entry.method = value; return nil },
	"-H": (*curl).header,
	"--json": func(q *curl, value string) error {
		q.entry.isJSON = true
		q.data = append(q.data, value)
		return nil
	},
	"-d":               func(q *curl, value string) error { q.data = append(q.data, value); return nil },
	"--data-urlencode": (*curl).urlencode,
}

// curlSwitches take none.
var curlSwitches = map[string]func(*curl){
	"-i": func(*curl) {}, "-s": func(*curl) {}, "-G": func(q *curl) { q.get = true }, "-g": func(q *curl) { q.noGlobs = true },
}

func (q *curl) read(words []string) error {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if set, ok := curlSwitches[word]; ok {
			set(q)
			continue
		}
		if set, ok := curlOptions[word]; ok && i+1 < len(words) {
			i++
			if err := set(q, words[i]); err != nil {
				return err
			}
			continue
		}
		if strings.HasPrefix(word, "-") || q.entry.url != "" {
			return q.at.errorf("%q of curl is not known here, or has no value", word)
		}
		q.entry.url = word
	}
	return nil
}

func (q *curl) header(line string) error {
	match := headerLine.FindStringSubmatch(line)
	if match == nil {
		return q.at.errorf("%q is no header", line)
	}
	q.entry.headers = append(q.entry.headers, field{q.at, match[1], match[2]})
	return nil
}

func (q *curl) urlencode(value string) error {
	name, content, ok := strings.Cut(value, "=")
	if !ok {
		return q.at.errorf("%q is no name=value", value)
	}
	escaped := escapedPlaceholder.ReplaceAllString(url.QueryEscape(content), "{{$1}}")
	q.data = append(q.data, name+"="+escaped)
	return nil
}

// finish puts the parts together as curl does.
func (q *curl) finish() error {
	rest, ok := strings.CutPrefix(q.entry.url, pageURL)
	if !ok {
		return q.at.errorf("the URL %q does not begin with %s", q.entry.url, pageURL)
	}
	if plain := placeholder.ReplaceAllString(rest, ""); strings.ContainsAny(plain, "[]{}") && !q.noGlobs || strings.ContainsAny(plain, ` "<>`) {
		return q.at.errorf("curl does not take the URL %q as it stands: it needs -g or escapes", q.entry.url)
	}
	content := strings.Join(q.data, "&")
	switch {
	case q.get && strings.Contains(rest, "?"):
		rest += "&" + content
	case q.get:
		rest += "?" + content
	case len(q.data) > 0:
		q.entry.body = content
		if !q.entry.isJSON {
			form := field{q.at, "Content-Type", "application/x-www-form-urlencoded"}
			q.entry.headers = append([]field{form}, q.entry.headers...)
		}
	}
	q.entry.url = "{{url}}" + rest
	if q.entry.method == "" {
		q.entry.method = "GET"
		if len(q.data) > 0 && !q.get {
			q.entry.method = "POST"
		}
	}
	return nil
}
