package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// variables are the captured values: string, json.Number, bool, nil, or an
// array or object of JSON.
type variables map[string]any

var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}`)

// fill puts captured values in the place of their names.
func (v variables) fill(at place, text string) (string, error) {
	var missing string
	filled := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := placeholder.FindStringSubmatch(match)[1]
		value, ok := v[name]
		if !ok {
			missing = name
		}
		return plainText(value)
	})
	if missing != "" {
		return "", at.errorf("nothing was captured as %q", missing)
	}
	return filled, nil
}

// plainText writes a value as it stands inside other text.
func plainText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil { // values come out of JSON
		return fmt.Sprint(value)
	}
	return string(text)
}

// question asks for one value of an answer.
type question struct {
	// header is the name of a header; empty for a path.
	header string
	path   []any // names and indexes
	text   string
}

// String returns the question as the file has it.
func (q question) String() string { return q.text }

// parseQuestion takes jsonpath "…" or header "…" off the front of a line.
func parseQuestion(at place, line string) (q question, rest string, err error) {
	kind, after, _ := strings.Cut(line, " ")
	quoted, err := strconv.QuotedPrefix(after)
	if err != nil || quoted[0] != '"' {
		return question{}, "", at.errorf("%q does not begin with jsonpath \"…\" or header \"…\"", line)
	}
	argument, _ := strconv.Unquote(quoted) // QuotedPrefix has checked it
	rest = strings.TrimSpace(after[len(quoted):])
	q.text = kind + " " + quoted
	switch kind {
	case "header":
		q.header = argument
	case "jsonpath":
		q.path, err = parsePath(at, argument)
	default:
		err = at.errorf("%q is not a query; known are jsonpath and header", kind)
	}
	return q, rest, err
}

var pathStep = regexp.MustCompile(`^(?:\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]|\['([^']*)'\])`)

// parsePath parses a path such as $.a['b c'][0] into names and indexes.
func parsePath(at place, text string) ([]any, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, at.errorf("the path %q does not begin with $", text)
	}
	var path []any
	for rest != "" {
		match := pathStep.FindStringSubmatchIndex(rest)
		if match == nil {
			return nil, at.errorf("the path %q is not understood from %q on", text, rest)
		}
		switch {
		case match[2] >= 0:
			path = append(path, rest[match[2]:match[3]])
		case match[4] >= 0:
			index, err := strconv.Atoi(rest[match[4]:match[5]])
			if err != nil {
				return nil, at.wrap(err)
			}
			path = append(path, index)
		default:
			path = append(path, rest[match[6]:match[7]])
		}
		rest = rest[match[1]:]
	}
	return path, nil
}

// value returns what an answer has, and whether it has it.
func (q question) value(a answer) (any, bool) {
	if q.header != "" {
		values := a.header[http.CanonicalHeaderKey(q.header)]
		return strings.Join(values, ", "), len(values) > 0
	}
	value, err := decodeJSON(a.body)
	if err != nil {
		return nil, false
	}
	for _, step := range q.path {
		var ok bool
		if value, ok = member(value, step); !ok {
			return nil, false
		}
	}
	return value, true
}

func member(value, step any) (any, bool) {
	switch step := step.(type) {
	case string:
		object, _ := value.(map[string]any)
		inner, ok := object[step]
		return inner, ok
	case int:
		array, _ := value.([]any)
		if step < len(array) {
			return array[step], true
		}
	}
	return nil, false
}

func decodeJSON(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// assertion is a line of [Asserts].
type assertion struct {
	at        place
	query     question
	not       bool
	predicate string
	// argument is the literal as the file has it.
	argument string
	line     string
}

// arguments says of each predicate whether it takes one.
var arguments = map[string]bool{
	"==": true, "!=": true, "exists": false, "count ==": true, "contains": true, "startsWith": true, "matches": true,
}

func parseAssertion(at place, line string) (assertion, error) {
	query, rest, err := parseQuestion(at, line)
	if err != nil {
		return assertion{}, err
	}
	a := assertion{at: at, query: query, line: line}
	rest, a.not = strings.CutPrefix(rest, "not ")
	if after, ok := strings.CutPrefix(rest, "count "); ok {
		rest = "count" + strings.TrimSpace(after)
		rest = strings.Replace(rest, "count==", "count == ", 1)
	}
	a.predicate, a.argument, _ = strings.Cut(rest, " ")
	if a.predicate == "count" {
		_, a.argument, _ = strings.Cut(a.argument, "== ")
		a.predicate = "count =="
	}
	a.argument = strings.TrimSpace(a.argument)
	takes, known := arguments[a.predicate]
	if !known {
		return assertion{}, at.errorf("the predicate %q is not known", rest)
	}
	if takes != (a.argument != "") {
		return assertion{}, at.errorf("%q has an argument too many or too few", rest)
	}
	return a, a.checkArgument()
}

// checkArgument finds literals that are wrong before anything is run.
func (a assertion) checkArgument() error {
	if placeholder.MatchString(a.argument) || a.argument == "" {
		return nil
	}
	_, err := a.literal(nil)
	return err
}

// literal returns the argument as a value.
func (a assertion) literal(values variables) (any, error) {
	if match := placeholder.FindString(a.argument); match == a.argument && match != "" {
		name := placeholder.FindStringSubmatch(match)[1]
		value, ok := values[name]
		if !ok {
			return nil, a.at.errorf("nothing was captured as %q", name)
		}
		return value, nil
	}
	if inner, ok := strings.CutPrefix(a.argument, "/"); ok && a.predicate == "matches" && strings.HasSuffix(inner, "/") {
		return strings.TrimSuffix(inner, "/"), nil
	}
	if strings.HasPrefix(a.argument, `"`) {
		text, err := strconv.Unquote(a.argument)
		if err != nil {
			return nil, a.at.errorf("%s is no string", a.argument)
		}
		return values.fill(a.at, text)
	}
	return a.scalar()
}

// scalar returns a number, true, false or null, the literals that hurl has.
func (a assertion) scalar() (any, error) {
	if !json.Valid([]byte(a.argument)) || strings.ContainsAny(a.argument, "[{") {
		return nil, a.at.errorf("%s is no string, number, true, false or null", a.argument)
	}
	return decodeJSON([]byte(a.argument))
}

func (a assertion) check(answer answer, values variables) error {
	got, found := a.query.value(answer)
	if a.predicate == "exists" {
		if found == a.not {
			return a.at.errorf("%s: it is %s", a.line, describe(got, found))
		}
		return nil
	}
	want, err := a.literal(values)
	if err != nil {
		return err
	}
	holds, err := a.holds(got, want)
	if err != nil {
		return err
	}
	if !found || holds == a.not {
		return a.at.errorf("%s: it is %s", a.line, describe(got, found))
	}
	return nil
}

func describe(value any, found bool) string {
	if !found {
		return "not there"
	}
	if text, ok := value.(string); ok {
		return strconv.Quote(text)
	}
	return plainText(value)
}

func (a assertion) holds(got, want any) (bool, error) {
	switch a.predicate {
	case "==":
		return sameScalar(got, want), nil
	case "!=":
		return !sameScalar(got, want), nil
	case "count ==":
		array, ok := got.([]any)
		return ok && sameScalar(json.Number(strconv.Itoa(len(array))), want), nil
	}
	text, isText := got.(string)
	part, ok := want.(string)
	if !ok {
		return false, a.at.errorf("%s takes a string", a.predicate)
	}
	switch a.predicate {
	case "contains":
		return isText && strings.Contains(text, part), nil
	case "startsWith":
		return isText && strings.HasPrefix(text, part), nil
	}
	pattern, err := regexp.Compile(part)
	if err != nil {
		return false, a.at.wrap(err)
	}
	return isText && pattern.MatchString(text), nil
}

// sameScalar compares strings, numbers by value, booleans and null. Arrays and
// objects are the same as nothing.
func sameScalar(a, b any) bool {
	x, isNumber := a.(json.Number)
	if y, ok := b.(json.Number); ok && isNumber {
		p, okP := new(big.Rat).SetString(x.String())
		q, okQ := new(big.Rat).SetString(y.String())
		return okP && okQ && p.Cmp(q) == 0
	}
	switch a.(type) {
	case string, bool, nil:
		return a == b
	}
	return false
}
