package schema

import (
	"iter"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// Node is a value of a YAML file with its place: what the readers of other files
// than those of schemas begin with.
type Node = node

// ParseYAML reads the one YAML document of a file, as strictly as schema files
// are read; what names its content in messages, such as "migration". It returns
// nil after it noted that there is none to work with.
func ParseYAML(file string, src []byte, what string, maxBytes int, problems *Problems) *Node {
	return parse(file, src, content{what, maxBytes}, problems)
}

// IsMapping, IsList and IsWord tell the kinds apart; what is none of them is
// null.
func (n *node) IsMapping() bool { return n.kind == mappingNode }

// IsList reports whether the node is a list.
func (n *node) IsList() bool { return n.kind == sequenceNode }

// IsWord reports whether the node is a single value.
func (n *node) IsWord() bool { return n.kind == scalarNode }

// KindName names the kind in messages.
func (n *node) KindName() string { return n.kind.String() }

// Text returns a single value as it stands in the file.
func (n *node) Text() string { return n.text }

// Entries are the members of a mapping in the order of the file.
func (n *node) Entries() iter.Seq2[*Node, *Node] {
	return func(yield func(*Node, *Node) bool) {
		for _, e := range n.entries {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Items are the elements of a list.
func (n *node) Items() []*Node { return n.items }

// At follows a JSON pointer as far as the file goes.
func (n *node) At(pointer string) *Node { return n.at(pointer) }

// JSON writes the value as JSON: quoted text as a string, a plain word as the
// number, boolean or null that it looks like.
func (n *node) JSON() []byte { return appendLiteral(nil, n, anyShape) }

// Literal writes the value as the JSON of a shape, as the values of schema files
// are read. What put returns for a value stands in its place; it is told the
// dotted path, which leads through arrays without an index.
func (n *node) Literal(shape *bsonjson.Shape, put func(path string, n *Node) []byte) []byte {
	return literals{put}.append(nil, n, shape, "")
}

// Place is where the node stands, for a problem.
func (n *node) Place() Problem { return Problem{File: n.file, Line: n.line, Column: n.column} }

// Add notes a fault at a node.
func (p *Problems) Add(at *Node, format string, args ...any) { p.add(at, format, args...) }

// Note notes a fault that has no node.
func (p *Problems) Note(problem Problem) { p.note(problem) }

// Err returns the problems in the order of the files, nil for none.
func (p *Problems) Err() error { return p.err() }
