package filter

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// Parse reads a filter: a JSON object in MongoDB's syntax. Everything that is
// wrong with it is noted in faults, at pointers that begin with pointer. A tree
// with faults binds to nothing, and is there so that Bind finds the other faults
// of the same text; text that is not JSON gives nil.
func Parse(src []byte, pointer string, faults *fault.List) *Tree {
	return parse(&parser{faults: faults}, src, pointer)
}

func parse(p *parser, src []byte, pointer string) *Tree {
	before := len(p.faults.Items)
	if !p.wellFormed(src, pointer) {
		return nil
	}
	root := p.conjunction(jsontext.Value(src), place{pointer: pointer, depth: 1})
	return &Tree{root: root, faulty: len(p.faults.Items) > before}
}

type parser struct {
	faults *fault.List
	count  int
	// rule says that values can be parameters.
	rule bool
}

// place is where a part of a filter stands.
type place struct {
	pointer string
	// depth counts the conditions around it, itself included.
	depth int
	// under is the innermost operator around it that not every other may stand
	// under: all but And. It is And where there is none.
	under Op
}

// member is the place of a member of the object at a place.
func (at place) member(name string) place {
	at.pointer = bsonjson.AppendToken(at.pointer, name)
	return at
}

// item is the place of an element of the list at a place.
func (at place) item(i int) place {
	at.pointer += "/" + strconv.Itoa(i)
	return at
}

// within is the place of the conditions that an operator at a place holds.
func (at place) within(op Op) place {
	at.depth++
	if op != And {
		at.under = op
	}
	return at
}

func (p *parser) fault(at place, code, format string, args ...any) {
	p.faults.Add(at.pointer, code, format, args...)
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
func (p *parser) conjunction(src jsontext.Value, at place) *Node {
	n := &Node{Op: And, Pointer: at.pointer}
	if src.Kind() != '{' {
		p.fault(at, "type", "must be an object of conditions")
		return n
	}
	if p.tooDeep(at) {
		return n
	}
	for name, operand := range members(src) {
		switch {
		case p.faults.Full():
			return n
		case len(name) > MaxPath:
			p.fault(at, "limit", "holds a name of over %d bytes", MaxPath)
			continue
		case strings.HasPrefix(name, "$"):
			n.add(p.alone(name, operand, at.member(name)))
			continue
		}
		n.add(p.field(subject{path: name}, operand, at.member(name))...)
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

func (p *parser) tooDeep(at place) bool {
	if at.depth > MaxDepth {
		p.fault(at, "limit", "nests conditions more than %d levels deep", MaxDepth)
	}
	return at.depth > MaxDepth
}

// alone reads an operator that is a whole condition: $and, $or, $nor or $text.
func (p *parser) alone(name string, operand jsontext.Value, at place) *Node {
	op, ok := operator(name)
	switch {
	case !ok || !op.standsAlone():
		p.unknown(name, at, ok, operatorNames(true))
		return nil
	case op == Text:
		return p.text(operand, at)
	}
	return p.combination(op, operand, at)
}

func (p *parser) combination(op Op, operand jsontext.Value, at place) *Node {
	n := &Node{Op: op, Pointer: at.pointer}
	if operand.Kind() != '[' {
		p.fault(at, "type", "must be a list of conditions")
		return n
	}
	for i, inner := range elements(operand) {
		if i > MaxConditions { // one of those before, or this, was one too many
			p.fault(at, "limit", "lists more than %d conditions", MaxConditions)
			return n
		}
		n.add(p.conjunction(inner, at.within(op).item(i)))
	}
	if len(n.Nodes) == 0 {
		p.fault(at, "type", "must hold at least one condition")
	}
	return n
}

func (p *parser) unknown(name string, at place, misplaced bool, among []string) {
	if misplaced {
		p.fault(at, "unknown-operator", "%s does not stand here; those that do are %s", name, strings.Join(among, ", "))
		return
	}
	p.fault(at, "unknown-operator", "%s is not an operator%s", shorten(name), nearest.Hint(name, among))
}

// misplaced notes an operator that stands under one that it cannot.
func (p *parser) misplaced(op Op, at place) bool {
	if at.under != And {
		p.fault(at, "unknown-operator", "%s does not stand under %s", op, at.under)
	}
	return at.under != And
}

// subject is what operators are about: the values at a path, or the element of
// an $elemMatch itself.
type subject struct {
	path    string
	element bool
}

func (s subject) node(op Op, at place) *Node {
	return &Node{Op: op, Pointer: at.pointer, Path: s.path, ofElement: s.element}
}

// field reads what stands after a path: operators, or a value to equal.
func (p *parser) field(s subject, operand jsontext.Value, at place) []*Node {
	if !startsWithOperator(operand) {
		return []*Node{p.comparison(Eq, s, operand, at)}
	}
	var nodes []*Node
	for name, value := range members(operand) {
		switch {
		case p.faults.Full():
			return nodes
		case len(name) > MaxPath:
			p.fault(at, "limit", "holds a name of over %d bytes", MaxPath)
			continue
		case name == optionsName:
			p.options(operand, at.member(name))
			continue
		}
		nodes = append(nodes, p.operation(s, name, value, at.member(name), operand))
	}
	return nodes
}

func startsWithOperator(src jsontext.Value) bool { return strings.HasPrefix(firstName(src), "$") }

// firstName returns the name of the first member of an object, "" for none.
func firstName(src jsontext.Value) string {
	if src.Kind() == '{' {
		for name := range members(src) {
			return name
		}
	}
	return ""
}

// lookup returns the member of an object, nil where it is not there.
func lookup(src jsontext.Value, wanted string) jsontext.Value {
	for name, value := range members(src) {
		if name == wanted {
			return value
		}
	}
	return nil
}

// operation reads one of the operators after a path; all are the object in
// which it stands.
func (p *parser) operation(s subject, name string, operand jsontext.Value, at place, all jsontext.Value) *Node {
	op, ok := operator(name)
	if !ok || op.standsAlone() {
		p.unknown(name, at, ok, operatorNames(false))
		return nil
	}
	switch operators[op].operand {
	case condition:
		return p.negation(s, operand, at)
	case element:
		return p.element(s, operand, at)
	case every:
		return p.all(s, operand, at)
	case expression:
		return p.regex(s, operand, lookup(all, optionsName), at)
	case area:
		return p.area(s, operand, at)
	case distance:
		return p.distance(s, operand, at)
	case related:
		return p.related(op, s, operand, at)
	}
	return p.comparison(op, s, operand, at)
}

func (p *parser) negation(s subject, operand jsontext.Value, at place) *Node {
	if !startsWithOperator(operand) {
		p.fault(at, "type", `must be an object of operators, such as {"$gt": 5}`)
		return nil
	}
	if p.tooDeep(at.within(Not)) {
		return nil
	}
	n, inner := s.node(Not, at), &Node{Op: And, Pointer: at.pointer}
	inner.add(p.field(s, operand, at.within(Not))...)
	n.add(inner)
	return n
}

// element reads $elemMatch: conditions on the fields of an element, or
// operators for the element itself.
func (p *parser) element(s subject, operand jsontext.Value, at place) *Node {
	n := s.node(ElemMatch, at)
	within := at.within(ElemMatch)
	op, _ := operator(firstName(operand))
	if !startsWithOperator(operand) || op.standsAlone() && firstName(operand) == op.String() {
		n.add(p.conjunction(operand, within))
		return n
	}
	if p.tooDeep(within) {
		return nil
	}
	inner := &Node{Op: And, Pointer: at.pointer}
	inner.add(p.field(subject{element: true}, operand, within)...)
	n.add(inner)
	return n
}

// all reads $all: a list of values, or of $elemMatch.
func (p *parser) all(s subject, operand jsontext.Value, at place) *Node {
	if operand.Kind() != '[' || !holdsElemMatch(operand) {
		return p.comparison(All, s, operand, at)
	}
	n := s.node(All, at)
	for i, inner := range elements(operand) {
		n.add(p.allElement(s, inner, at.item(i)))
	}
	return n
}

func holdsElemMatch(list jsontext.Value) bool {
	for _, item := range elements(list) {
		if firstName(item) == ElemMatch.String() {
			return true
		}
	}
	return false
}

func (p *parser) allElement(s subject, operand jsontext.Value, at place) *Node {
	matched := lookup(operand, ElemMatch.String())
	if matched == nil || hasMore(operand) {
		p.fault(at, "type", `must be {"$elemMatch": …} alone, as the others of the list`)
		return nil
	}
	return p.element(s, matched, at.member(ElemMatch.String()))
}

// hasMore reports whether an object has more than one member.
func hasMore(src jsontext.Value) bool {
	count := 0
	for range members(src) {
		count++
	}
	return count > 1
}

// related reads a filter on related documents, or null for "there is none".
func (p *parser) related(op Op, s subject, operand jsontext.Value, at place) *Node {
	if at.under == Not {
		p.fault(at, "unknown-operator", "%s does not stand under %s; put it into a $nor", op, at.under)
		return nil
	}
	n := s.node(op, at)
	switch {
	case operand.Kind() == 'n' && (op == Is || op == IsNot):
		// Nobody is related: the related document is not one that there is.
		n.Op = Is + IsNot - op
		n.add(&Node{Op: And, Pointer: at.pointer})
	default:
		n.add(p.conjunction(operand, at.within(op)))
	}
	return n
}

// comparison reads the operand of op without regard to the field's type.
func (p *parser) comparison(op Op, s subject, operand jsontext.Value, at place) *Node {
	if !p.counted(at) {
		return nil
	}
	n := s.node(op, at)
	if name, ok := p.named(operand, at); ok {
		if name == "" {
			return nil
		}
		p.parameter(n, name, at)
		return n
	}
	kind, wanted := operand.Kind(), operators[op].operand
	switch {
	case wanted == flag && kind != 't' && kind != 'f':
		p.fault(at, "type", "must be true or false")
	case wanted == count && kind != '0':
		p.fault(at, "type", "must be a whole number from 0")
	case (wanted == values || wanted == every) && kind != '[':
		p.fault(at, "type", "must be a list of values")
	case wanted == values || wanted == every:
		p.list(n, operand, at)
	default:
		n.literals = []literal{{text: []byte(operand), pointer: at.pointer}}
	}
	return n
}

// counted counts a comparison, and notes the first that is too many.
func (p *parser) counted(at place) bool {
	if p.count++; p.count == MaxConditions+1 {
		p.fault(at, "limit", "is one condition more than the %d that a filter holds", MaxConditions)
	}
	return p.count <= MaxConditions
}

func (p *parser) list(n *Node, operand jsontext.Value, at place) {
	for i, value := range elements(operand) {
		if i == MaxValues {
			p.fault(at, "limit", "lists more than %d values", MaxValues)
			return
		}
		name, _ := p.named(value, at.item(i))
		n.literals = append(n.literals, literal{text: []byte(value), pointer: at.item(i).pointer, parameter: name})
	}
}
