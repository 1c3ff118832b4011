package schema

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxFileBytes is far above any hand-written schema and low enough that the
	// YAML parser cannot be kept busy.
	maxFileBytes = 256 << 10
	// maxNesting bounds the levels of a file: 100 levels of fields (MongoDB's
	// documents hold no more) are 200 of mappings.
	maxNesting = 250
)

// node is a YAML value with its place. Which type a scalar has is settled only
// when the schema says what belongs there: text is the source's.
type node struct {
	kind    nodeKind
	text    string
	quoted  bool
	entries []entry
	items   []*node
	// refused is set where a fault is noted already: nothing more is said of it.
	refused bool

	file         string
	line, column int
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	mappingNode
	sequenceNode
)

// String names the kind in messages.
func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a mapping", "a list"}[k]
}

// entry is one member of a mapping, in the order of the file.
type entry struct {
	key   *node
	value *node
}

// get returns the value of a key, nil where the mapping has none.
func (n *node) get(key string) *node {
	for _, e := range n.entries {
		if e.key.text == key {
			return e.value
		}
	}
	return nil
}

// content says what the one YAML document of a file declares.
type content struct {
	what     string
	maxBytes int
}

var collectionContent = content{"collection", maxFileBytes}

// parse reads the one YAML document of a file. It returns nil after it noted
// that there is none to work with.
func parse(file string, src []byte, of content, problems *Problems) *node {
	const byteOrderMark = "\ufeff"
	src = bytes.TrimPrefix(src, []byte(byteOrderMark))
	whole := Problem{File: file}
	switch {
	case len(src) > of.maxBytes:
		whole.Message = fmt.Sprintf("the file is over the limit of %d KiB", of.maxBytes>>10)
	case !utf8.Valid(src):
		whole.Message = "the file is not UTF-8"
	}
	if whole.Message != "" {
		problems.note(whole)
		return nil
	}
	tree, err := parseYAML(src)
	if err != nil {
		problems.note(yamlProblem(file, err))
		return nil
	}
	return onlyDocument(file, tree, of.what, problems)
}

// parseYAML guards the YAML parser: it recurses once a level, which a file of
// brackets alone would drive through the stack, and it is known to panic on
// some broken input.
func parseYAML(src []byte) (tree *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the file cannot be read as YAML")
		}
	}()
	tokens := lexer.Tokenize(string(src))
	if err := checkNesting(tokens); err != nil {
		return nil, err
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// checkNesting counts brackets, and the marks that nest within one line; levels
// made by indentation are bounded by the size of the file.
func checkNesting(tokens token.Tokens) error {
	brackets, marks, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			marks, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			marks++
		}
		if brackets > maxNesting || marks > maxNesting {
			return &yaml.SyntaxError{Message: fmt.Sprintf("more than %d levels", maxNesting), Token: t}
		}
	}
	return nil
}

func yamlProblem(file string, err error) Problem {
	syntax, ok := errors.AsType[*yaml.SyntaxError](err)
	if !ok || syntax.Token == nil || syntax.Token.Position == nil {
		return Problem{File: file, Message: "the file is not valid YAML"}
	}
	at := syntax.Token.Position
	return Problem{File: file, Line: at.Line, Column: at.Column, Message: "not valid YAML: " + syntax.Message}
}

func onlyDocument(file string, tree *ast.File, what string, problems *Problems) *node {
	var found *node
	for i, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.GetToken() == nil {
			continue
		}
		b := builder{file: file, problems: problems}
		if found != nil || i > 0 && doc.Body.Type() == ast.DirectiveType {
			problems.add(b.at(doc.Body.GetToken()), "a second YAML document; write one %s a file", what)
			return found
		}
		found = b.build(doc.Body, 0)
	}
	if found == nil {
		problems.note(Problem{File: file, Message: "the file is empty; it must declare a " + what})
	}
	return found
}

// builder turns the parser's tree into nodes, and refuses what a declaration
// has no need of: aliases (a small file of them can stand for gigabytes), tags
// and directives.
type builder struct {
	file     string
	problems *Problems
}

func (b builder) at(t *token.Token) *node {
	n := &node{file: b.file}
	if t != nil && t.Position != nil {
		n.line, n.column = t.Position.Line, t.Position.Column
	}
	return n
}

func (b builder) build(y ast.Node, depth int) *node {
	if y == nil {
		return &node{file: b.file}
	}
	n := b.at(y.GetToken())
	if depth > maxNesting {
		b.problems.add(n, "more than %d levels", maxNesting)
		return n
	}
	switch y := y.(type) {
	case *ast.MappingNode:
		b.mapping(n, y.Values, depth)
	case *ast.MappingValueNode:
		b.mapping(n, []*ast.MappingValueNode{y}, depth)
	case *ast.SequenceNode:
		n.kind = sequenceNode
		for _, item := range y.Values {
			n.items = append(n.items, b.build(item, depth+1))
		}
	case *ast.NullNode:
	default:
		b.scalar(n, y)
	}
	return n
}

func (b builder) mapping(n *node, values []*ast.MappingValueNode, depth int) {
	n.kind = mappingNode
	seen := make(map[string]bool, len(values))
	for i, v := range values {
		key := b.key(v.Key)
		if i == 0 && n.line >= key.line { // a block mapping's own token is the colon after its first key
			n.line, n.column = key.line, min(n.column, key.column)
		}
		switch {
		case key.kind == mappingNode || key.kind == sequenceNode:
			b.problems.add(key, "a key must be a single value, not %s", key.kind)
			continue
		case seen[key.text]:
			b.problems.add(key, "the key %q stands twice", key.text)
			continue
		}
		seen[key.text] = true
		n.entries = append(n.entries, entry{key: key, value: b.build(v.Value, depth+1)})
	}
}

func (b builder) key(y ast.MapKeyNode) *node {
	n := b.at(y.GetToken())
	if wrapped, ok := y.(*ast.MappingKeyNode); ok {
		return b.build(wrapped.Value, 0)
	}
	if y.IsMergeKey() {
		b.refuse(n, "merge keys are not supported; write the entries out")
		return n
	}
	b.scalar(n, y)
	return n
}

func (b builder) scalar(n *node, y ast.Node) {
	n.kind = scalarNode
	switch y := y.(type) {
	case *ast.StringNode:
		n.text = y.Value
		n.quoted = y.Token.Type == token.SingleQuoteType || y.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		n.text, n.quoted = y.Value.Value, true
	case *ast.AnchorNode, *ast.AliasNode:
		b.refuse(n, "anchors and aliases are not supported; write the value out")
	case *ast.TagNode:
		b.refuse(n, "YAML tags are not supported; the schema says which type a value has")
	case *ast.DirectiveNode:
		b.refuse(n, "YAML directives are not supported")
	default:
		n.text = y.GetToken().Value
	}
}

func (b builder) refuse(n *node, reason string) {
	b.problems.add(n, "%s", reason)
	n.refused = true
}
