package filter

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// A rule is a filter of a schema file. In place of a value it can name what is
// known of who asks, such as $auth.sub: a parameter. Bind settles what type its
// values must have, and Fill puts those of one caller in.

// ParameterPrefix is what the name of a parameter begins with.
const ParameterPrefix = "$auth."

// parameter is a place of a node's Values that is yet to be filled.
type parameter struct {
	// at is the place among the Values.
	at   int
	name string
	// shape is that of one value.
	shape *bsonjson.Shape
	// list says that the parameter stands for any number of values.
	list bool
}

// ParseRule is Parse for a filter that may name parameters.
func ParseRule(src []byte, pointer string, faults *fault.List) *Tree {
	return parse(&parser{faults: faults, rule: true}, src, pointer)
}

// ParameterName returns the parameter that a text names, false for another text.
func ParameterName(text string) (name string, ok bool) {
	name, ok = strings.CutPrefix(text, ParameterPrefix)
	return name, ok && name != "" && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".")
}

// named returns the parameter that an operand names. Text with a $ that names
// none is noted, so that a slip does not become a value.
func (p *parser) named(operand jsontext.Value, at place) (name string, ok bool) {
	text, isText := unquote(operand)
	if !p.rule || !isText || !strings.HasPrefix(text, "$") {
		return "", false
	}
	if name, ok = ParameterName(text); !ok {
		p.fault(at, "type", "%q names nothing that is known of a caller; that is written $auth.sub", shorten(text))
	}
	return name, true
}

// parameter makes the literals of a comparison whose operand is a parameter.
func (p *parser) parameter(n *Node, name string, at place) {
	switch operators[n.Op].operand {
	case value, values, every:
		list := operators[n.Op].operand != value
		n.literals = []literal{{pointer: at.pointer, parameter: name, list: list}}
	default:
		p.fault(at, "type", "%s takes nothing of the caller", n.Op)
	}
}

// parameterOf settles the type of a parameter.
func (b binder) parameterOf(bound *Node, l literal) {
	shape := elementShape(bound.Target.Shape)
	if shape.Kind == bsonjson.Object || shape.Kind == bsonjson.Geo {
		b.faults.Add(l.pointer, "type", "is compared with %s%s, and the field is of type %s", ParameterPrefix, l.parameter, shape.Kind)
		return
	}
	bound.parameters = append(bound.parameters, parameter{at: len(bound.Values), name: l.parameter, shape: shape, list: l.list})
	bound.Values = append(bound.Values, nullValue)
}

// Parameters returns the names of the parameters, each once.
func (b *Bound) Parameters() (names []string) {
	seen := map[string]bool{}
	b.Walk(func(n *Node) {
		for _, p := range n.parameters {
			if !seen[p.name] {
				seen[p.name] = true
				names = append(names, p.name)
			}
		}
	})
	return names
}

// Argument returns the values of a parameter as a shape has them: one, or any
// number where it stands for a list. ok is false where there is none.
type Argument func(name string, shape *bsonjson.Shape, list bool) (values []bson.RawValue, ok bool)

// Fill returns the filter with the values of its parameters. ok is false where
// one has none.
func (b *Bound) Fill(argument Argument) (filled *Bound, ok bool) {
	root, ok := b.root.fill(argument)
	if !ok || root == b.root {
		return b, ok
	}
	return &Bound{root: root}, true
}

func (n *Node) fill(argument Argument) (*Node, bool) {
	filled := n
	change := func() *Node {
		if filled == n {
			own := *n
			filled = &own
		}
		return filled
	}
	if len(n.parameters) > 0 {
		values, ok := n.arguments(argument)
		if !ok {
			return nil, false
		}
		change().Values = values
	}
	for i, inner := range n.Nodes {
		own, ok := inner.fill(argument)
		if !ok {
			return nil, false
		}
		if own == inner {
			continue
		}
		if len(filled.Nodes) > 0 && &filled.Nodes[0] == &n.Nodes[0] {
			change().Nodes = append([]*Node(nil), n.Nodes...)
		}
		filled.Nodes[i] = own
	}
	return filled, true
}

// arguments returns the operands with those of the parameters in their places.
func (n *Node) arguments(argument Argument) (all []bson.RawValue, ok bool) {
	next := 0
	for _, p := range n.parameters {
		values, ok := argument(p.name, p.shape, p.list)
		if !ok || !p.list && len(values) != 1 {
			return nil, false
		}
		all = append(append(all, n.Values[next:p.at]...), values...)
		next = p.at + 1
	}
	return append(all, n.Values[next:]...), true
}
