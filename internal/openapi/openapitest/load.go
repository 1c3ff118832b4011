package openapitest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// path is one path of the document.
type path struct {
	// parts are literal and unescaped, "" for a parameter.
	parts      []string
	operations map[string]map[int]response
}

func splitPath(template string) []string {
	parts := strings.Split(template, "/")
	for i, part := range parts {
		parts[i] = unescape(part)
		if strings.HasPrefix(part, "{") {
			parts[i] = ""
		}
	}
	return parts[1:]
}

func (p *path) parameters() int {
	n := 0
	for _, part := range p.parts {
		if part == "" {
			n++
		}
	}
	return n
}

func (p *path) fits(escaped string) bool {
	given := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	return slices.EqualFunc(p.parts, given, func(want, got string) bool {
		return want == "" && got != "" || want != "" && want == unescape(got)
	})
}

func unescape(part string) string {
	if plain, err := url.PathUnescape(part); err == nil {
		return plain
	}
	return part
}

// loader walks the document as plain JSON, by JSON pointers, because that is
// how JSON Schemas inside it are addressed.
type loader struct {
	root     any
	compiler *jsonschema.Compiler
}

const resource = "openapi.json"

func load(document []byte) (*Checker, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	l := &loader{root: root, compiler: jsonschema.NewCompiler()}
	l.compiler.DefaultDraft(jsonschema.Draft2020)
	l.compiler.AssertFormat()
	if err := l.compiler.AddResource(resource, root); err != nil {
		return nil, err
	}
	c := &Checker{problems: map[string]response{}}
	for _, template := range l.names("/paths") {
		p, err := l.path(template)
		if err != nil {
			return nil, err
		}
		c.paths = append(c.paths, p)
	}
	for _, code := range l.names("/components/responses") {
		if c.problems[code], err = l.response("/components/responses/" + escape(code)); err != nil {
			return nil, err
		}
	}
	return c, l.compileComponents()
}

// compileComponents finds faults of schemas that nothing refers to.
func (l *loader) compileComponents() error {
	for _, name := range l.names("/components/schemas") {
		if _, err := l.schema("/components/schemas/" + escape(name)); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) path(template string) (path, error) {
	p := path{parts: splitPath(template), operations: map[string]map[int]response{}}
	at := "/paths/" + escape(template)
	for _, member := range l.names(at) {
		method := strings.ToUpper(member)
		if !slices.Contains(methods, method) {
			continue
		}
		responses, err := l.responses(at + "/" + member + "/responses")
		if err != nil {
			return path{}, err
		}
		p.operations[method] = responses
	}
	return p, nil
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func (l *loader) responses(at string) (map[int]response, error) {
	responses := map[int]response{}
	for _, text := range l.names(at) {
		status, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s: the status %q is not a number", at, text)
		}
		if responses[status], err = l.response(at + "/" + text); err != nil {
			return nil, err
		}
	}
	return responses, nil
}

func (l *loader) response(at string) (response, error) {
	at, err := l.follow(at)
	if err != nil {
		return response{}, err
	}
	r := response{headers: map[string]header{}, content: map[string]*jsonschema.Schema{}}
	for _, name := range l.names(at + "/headers") {
		if r.headers[name], err = l.header(at + "/headers/" + escape(name)); err != nil {
			return response{}, err
		}
	}
	for _, media := range l.names(at + "/content") {
		if r.content[media], err = l.schema(at + "/content/" + escape(media) + "/schema"); err != nil {
			return response{}, err
		}
	}
	return r, nil
}

func (l *loader) header(at string) (header, error) {
	at, err := l.follow(at)
	if err != nil {
		return header{}, err
	}
	required, _ := l.at(at + "/required").(bool)
	compiled, err := l.schema(at + "/schema")
	return header{required: required, schema: compiled}, err
}

func (l *loader) schema(at string) (*jsonschema.Schema, error) {
	if l.at(at) == nil {
		return nil, fmt.Errorf("%s is missing", at)
	}
	location := url.URL{Path: resource, Fragment: at}
	compiled, err := l.compiler.Compile(location.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return compiled, nil
}

// follow returns what a $ref at a place leads to, or the place itself.
func (l *loader) follow(at string) (string, error) {
	object, ok := l.at(at).(map[string]any)
	if !ok {
		return "", fmt.Errorf("%s is missing or no object", at)
	}
	ref, ok := object["$ref"].(string)
	if !ok {
		return at, nil
	}
	target, ok := strings.CutPrefix(ref, "#")
	if !ok || l.at(target) == nil {
		return "", fmt.Errorf("%s: %q leads to nothing", at, ref)
	}
	return target, nil
}

// at returns the value at a JSON pointer, nil where there is none. Arrays are
// not entered.
func (l *loader) at(pointer string) any {
	value := l.root
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		object, _ := value.(map[string]any)
		value = object[unescapeToken.Replace(token)]
	}
	return value
}

// names returns the sorted names of the members of an object.
func (l *loader) names(pointer string) []string {
	object, _ := l.at(pointer).(map[string]any)
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var (
	escapeToken   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapeToken = strings.NewReplacer("~1", "/", "~0", "~")
)

func escape(token string) string { return escapeToken.Replace(token) }
