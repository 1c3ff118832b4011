package filter

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// plainOperators are those that a parameter can name, as in age[gte]=18.
var plainOperators = []Op{Eq, Ne, Gt, Gte, Lt, Lte, In, Nin, Exists, All, Size, Regex}

// plainOptions is the parameter beside a regex: name[options]=i.
const plainOptions = "options"

// ParseParams reads a filter from parameters: field=value for equality, and
// field[op]=value, where op is an operator without its "$". Values are text,
// which Bind types by the schema. Items of lists are separated by commas, or
// given one by one; a comma within an item is written "\,". All conditions must
// hold.
//
// Everything that is wrong is noted in faults with the name of its parameter. A
// tree with faults binds to nothing, as that of Parse.
func ParseParams(params url.Values, faults *fault.List) *Tree {
	before := len(faults.Items)
	p := &paramParser{parser: parser{faults: faults}, params: params}
	root := &Node{Op: And}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		root.add(p.param(name, params[name]))
	}
	return &Tree{root: root, faulty: len(faults.Items) > before}
}

type paramParser struct {
	parser
	params url.Values
}

// param reads one parameter with all that it was given.
func (p *paramParser) param(name string, given []string) *Node {
	at := place{pointer: name, depth: 1}
	path, word := splitParam(name)
	op, ok := operator("$" + word)
	switch {
	case len(name) > MaxPath:
		p.faults.Add(shorten(name), "limit", "is a name of over %d bytes", MaxPath)
		return nil
	case word == plainOptions:
		if !p.params.Has(path + "[regex]") {
			p.fault(at, "unknown-operator", "stands beside %s[regex]", path)
		}
		return nil
	case !ok || !slices.Contains(plainOperators, op):
		p.fault(at, "unknown-operator", "%s is not an operator of a parameter%s", shorten(word), nearest.Hint(word, plainNames()))
		return nil
	case operators[op].operand == values || operators[op].operand == every:
		return p.listed(op, path, given, at)
	case len(given) > 1:
		p.fault(at, "repeated", "is given %d times; give it once, or list values with %s[in]", len(given), path)
		return nil
	case op == Regex:
		return p.expression(subject{path: path}, given[0], p.params.Get(path+"["+plainOptions+"]"), at)
	}
	return p.plain(op, path, given, at)
}

func plainNames() []string {
	names := make([]string, 0, len(plainOperators)+1)
	for _, op := range plainOperators {
		names = append(names, op.String()[1:])
	}
	return append(names, plainOptions)
}

// splitParam takes field[op] apart; without an op it is eq.
func splitParam(name string) (path, op string) {
	if inner, ok := strings.CutSuffix(name, "]"); ok {
		if i := strings.LastIndexByte(inner, '['); i >= 0 {
			return inner[:i], inner[i+1:]
		}
	}
	return name, Eq.String()[1:]
}

// listed reads the items of a list.
func (p *paramParser) listed(op Op, path string, given []string, at place) *Node {
	var items []string
	for _, text := range given {
		items = append(items, splitItems(text)...)
	}
	if len(items) > MaxValues {
		p.fault(at, "limit", "lists more than %d values", MaxValues)
		return nil
	}
	return p.plain(op, path, items, at)
}

// splitItems separates a text at its commas, except those after a backslash.
func splitItems(text string) []string {
	var items []string
	var item strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			item.WriteByte(',')
			i++
		case text[i] == ',':
			items = append(items, item.String())
			item.Reset()
		default:
			item.WriteByte(text[i])
		}
	}
	return append(items, item.String())
}

func (p *paramParser) plain(op Op, path string, texts []string, at place) *Node {
	if !p.counted(at) {
		return nil
	}
	n := subject{path: path}.node(op, at)
	for _, text := range texts {
		n.literals = append(n.literals, literal{text: []byte(text), pointer: at.pointer, plain: true})
	}
	return n
}

// plainText types the text of a parameter. Within an array the text is one
// element.
func (b binder) plainText(shape *bsonjson.Shape, l literal) (value bson.RawValue, ok bool) {
	switch shape.Kind {
	case bsonjson.Object, bsonjson.Geo:
		b.faults.Add(l.pointer, "type", "is an object, which a parameter cannot write; use filter")
		return value, false
	}
	value, err := bsonjson.ParseText(string(l.text), shape)
	if err != nil {
		b.faults.Add(l.pointer, "type", "%s: got %s", err, strconv.Quote(shorten(string(l.text))))
	}
	return value, err == nil
}
