package filter

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Parse reads a filter: a JSON object in MongoDB's syntax. Everything that is
// wrong with it is noted in faults, at pointers that begin with pointer, and
// nil returned.
func Parse(src []byte, pointer string, faults *fault.List) *Tree {
	before := len(faults.Items)
	p := &parser{faults: faults}
	if !p.wellFormed(src, pointer) {
		return nil
	}
	root := p.conjunction(jsontext.Value(src), pointer, 1)
	if len(faults.Items) > before {
		return nil
	}
	return &Tree{root: root}
}

type parser struct {
	faults *fault.List
	count  int
}

// wellFormed checks the syntax once, so that the parts can be taken apart
// without errors.
func (p *parser) wellFormed(src []byte, pointer string) bool {
	d := jsontext.NewDecoder(bytes.NewReader(src))
	_, err := d.ReadValue()
	if err == nil {
		if _, err = d.ReadToken(); err == io.EOF {
			return true
		}
	}
	p.faults.Add(pointer, "syntax", "is not valid JSON: %s", syntaxReason(err))
	return false
}

func syntaxReason(err error) string {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return e.Err.Error() + " at offset " + strconv.FormatInt(e.ByteOffset, 10)
	}
	if err == nil {
		return "it goes on after the object"
	}
	return "it is empty"
}

// conjunction reads an object of conditions, all of which must hold.
func (p *parser) conjunction(src jsontext.Value, pointer string, depth int) *Node {
	n := &Node{Op: And, Pointer: pointer}
	if src.Kind() != '{' {
		p.faults.Add(pointer, "type", "must be an object of conditions")
		return n
	}
	if p.tooDeep(pointer, depth) {
		return n
	}
	for name, operand := range members(src) {
		at := pointer + "/" + escape(name)
		if strings.HasPrefix(name, "$") {
			n.add(p.combination(name, operand, at, depth))
			continue
		}
		n.add(p.field(name, operand, at, depth)...)
	}
	return n
}

func (n *Node) add(nodes ...*Node) {
	for _, inner := range nodes {
		if inner != nil {
			n.Nodes = append(n.Nodes, inner)
		}
	}
}

func (p *parser) tooDeep(pointer string, depth int) bool {
	if depth > MaxDepth {
		p.faults.Add(pointer, "limit", "nests conditions more than %d levels deep", MaxDepth)
	}
	return depth > MaxDepth
}

// combination reads $and, $or or $nor.
func (p *parser) combination(name string, operand jsontext.Value, pointer string, depth int) *Node {
	op, ok := operator(name)
	if !ok || operators[op].operand != conditions {
		p.unknown(name, pointer, ok, operatorNames(true))
		return nil
	}
	n := &Node{Op: op, Pointer: pointer}
	if operand.Kind() != '[' {
		p.faults.Add(pointer, "type", "must be a list of conditions")
		return n
	}
	for i, inner := range elements(operand) {
		n.add(p.conjunction(inner, pointer+"/"+strconv.Itoa(i), depth+1))
	}
	if len(n.Nodes) == 0 {
		p.faults.Add(pointer, "type", "must hold at least one condition")
	}
	return n
}

func (p *parser) unknown(name, pointer string, misplaced bool, among []string) {
	if misplaced {
		p.faults.Add(pointer, "unknown-operator", "%s does not stand here; those that do are %s", name, strings.Join(among, ", "))
		return
	}
	p.faults.Add(pointer, "unknown-operator", "%s is not an operator%s", shorten(name), nearest.Hint(name, among))
}

// field reads what stands after a path: operators, or a value to equal.
func (p *parser) field(path string, operand jsontext.Value, pointer string, depth int) []*Node {
	if !startsWithOperator(operand) {
		return []*Node{p.comparison(Eq, path, operand, pointer)}
	}
	var nodes []*Node
	for name, value := range members(operand) {
		nodes = append(nodes, p.operation(path, name, value, pointer+"/"+escape(name), depth))
	}
	return nodes
}

func startsWithOperator(src jsontext.Value) bool {
	if src.Kind() != '{' {
		return false
	}
	for name := range members(src) {
		return strings.HasPrefix(name, "$")
	}
	return false
}

// operation reads one operator after a path.
func (p *parser) operation(path, name string, operand jsontext.Value, pointer string, depth int) *Node {
	op, ok := operator(name)
	switch {
	case !ok || operators[op].operand == conditions:
		p.unknown(name, pointer, ok, operatorNames(false))
		return nil
	case op == Not:
		return p.negation(path, operand, pointer, depth+1)
	}
	return p.comparison(op, path, operand, pointer)
}

func (p *parser) negation(path string, operand jsontext.Value, pointer string, depth int) *Node {
	if !startsWithOperator(operand) {
		p.faults.Add(pointer, "type", `must be an object of operators, such as {"$gt": 5}`)
		return nil
	}
	if p.tooDeep(pointer, depth) {
		return nil
	}
	inner := &Node{Op: And, Pointer: pointer}
	inner.add(p.field(path, operand, pointer, depth)...)
	return &Node{Op: Not, Pointer: pointer, Path: path, Nodes: []*Node{inner}}
}

// comparison reads the operand of op without regard to the field's type.
func (p *parser) comparison(op Op, path string, operand jsontext.Value, pointer string) *Node {
	if p.count++; p.count == MaxConditions+1 {
		p.faults.Add(pointer, "limit", "is one condition more than the %d that a filter holds", MaxConditions)
	}
	if p.count > MaxConditions {
		return nil
	}
	n := &Node{Op: op, Pointer: pointer, Path: path}
	switch kind := operand.Kind(); {
	case operators[op].operand == flag && kind != 't' && kind != 'f':
		p.faults.Add(pointer, "type", "must be true or false")
	case operators[op].operand == values && kind != '[':
		p.faults.Add(pointer, "type", "must be a list of values")
	case operators[op].operand == values:
		p.list(n, operand)
	default:
		n.literals = []literal{{text: []byte(operand), pointer: pointer}}
	}
	return n
}

func (p *parser) list(n *Node, operand jsontext.Value) {
	for i, value := range elements(operand) {
		if i == MaxValues {
			p.faults.Add(n.Pointer, "limit", "lists more than %d values", MaxValues)
			return
		}
		n.literals = append(n.literals, literal{text: []byte(value), pointer: n.Pointer + "/" + strconv.Itoa(i)})
	}
}
