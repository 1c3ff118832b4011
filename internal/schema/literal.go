package schema

import (
	"bytes"
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// literal reads a value of the schema file as a value of a document, through
// the codec that documents go through. What does not fit is noted at its place.
func (c *compiler) literal(n *node, shape *bsonjson.Shape) (bson.RawValue, bool) {
	var faults fault.List
	value, err := bsonjson.DecodeValue(appendLiteral(nil, n, shape), shape, bsonjson.Options{Defaults: true}, &faults)
	if err != nil {
		c.problems.add(n, "%s", fault.From(err).Detail)
		return value, false
	}
	c.placed(n, faults)
	return value, len(faults.Items) == 0
}

// keepsRules notes how a value of the schema file breaks the rules of its field.
func (c *compiler) keepsRules(n *node, value bson.RawValue, r *rules) {
	var faults fault.List
	check := checker{faults: &faults}
	check.value(r, value.Type, value.Value)
	c.placed(n, faults)
}

// placed turns faults with pointers into problems with places.
func (c *compiler) placed(n *node, faults fault.List) {
	for _, item := range faults.Items {
		c.problems.add(n.at(item.Pointer), "%s", item.Detail)
	}
}

// at follows a JSON pointer as far as the file goes.
func (n *node) at(pointer string) *node {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		inner := n.get(unescape.Replace(name))
		if i, err := strconv.Atoi(name); err == nil && n.kind == sequenceNode && i < len(n.items) {
			inner = n.items[i]
		}
		if inner == nil {
			return n
		}
		n = inner
	}
	return n
}

// appendLiteral writes a YAML value as the JSON of a shape. Quoted text is a
// string; what a plain word stands for follows from the shape, so that 01234 is
// text in a string field, and 1.10 keeps its last digit in a decimal.
func appendLiteral(dst []byte, n *node, shape *bsonjson.Shape) []byte {
	return literals{}.append(dst, n, shape, "")
}

// literals writes YAML values as JSON. Where put is not nil, what it returns for
// a value stands in its place.
type literals struct {
	put func(path string, n *node) []byte
}

func (l literals) append(dst []byte, n *node, shape *bsonjson.Shape, path string) []byte {
	if l.put != nil {
		if text := l.put(path, n); text != nil {
			return append(dst, text...)
		}
	}
	switch n.kind {
	case nullNode:
		return append(dst, "null"...)
	case mappingNode:
		return l.object(dst, n, shape, path)
	case sequenceNode:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = l.append(dst, item, itemShape(shape), path)
		}
		return append(dst, ']')
	}
	if !n.quoted {
		if text, ok := plain(n.text, shape.Kind); ok {
			return append(dst, text...)
		}
	}
	return appendText(dst, n.text)
}

func (l literals) object(dst []byte, n *node, shape *bsonjson.Shape, path string) []byte {
	if path != "" {
		path += "."
	}
	dst = append(dst, '{')
	for i, e := range n.entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, e.key.text), ':')
		dst = l.append(dst, e.value, memberShape(shape, e.key.text), path+e.key.text)
	}
	return append(dst, '}')
}

var anyShape = &bsonjson.Shape{Kind: bsonjson.Any}

func itemShape(shape *bsonjson.Shape) *bsonjson.Shape {
	if shape.Kind == bsonjson.Array {
		return shape.Items
	}
	return anyShape
}

func memberShape(shape *bsonjson.Shape, name string) *bsonjson.Shape {
	if shape.Kind == bsonjson.Object {
		if i, ok := shape.Fields.Lookup([]byte(name)); ok {
			return shape.Fields.All()[i].Shape
		}
	}
	return anyShape
}

func appendText(dst []byte, text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil { // strings always encode
		return append(dst, `""`...)
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// plain returns the JSON that an unquoted word stands for, where that is not a
// string.
func plain(text string, kind bsonjson.Kind) (string, bool) {
	switch kind {
	case bsonjson.Int, bsonjson.Double:
		return number(text)
	case bsonjson.Bool:
		return truth(text)
	case bsonjson.Any, bsonjson.Array, bsonjson.Object, bsonjson.Geo:
		if word, ok := truth(text); ok {
			return word, true
		}
		return number(text)
	}
	return "", false
}

func truth(text string) (string, bool) {
	switch text {
	case "true", "True", "TRUE":
		return "true", true
	case "false", "False", "FALSE":
		return "false", true
	}
	return "", false
}

var (
	decimalNumber = regexp.MustCompile(`^([-+]?)(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)
	basedNumber   = regexp.MustCompile(`^0(x[0-9a-fA-F]{1,16}|o[0-7]{1,22})$`)
)

// number returns the JSON of a number of YAML 1.2: 0x10, 0o17, +5, .5 and 5.
// are ones that JSON does not have.
func number(text string) (string, bool) {
	if basedNumber.MatchString(text) {
		if n, ok := new(big.Int).SetString(text, 0); ok {
			return n.String(), true
		}
	}
	parts := decimalNumber.FindStringSubmatch(text)
	if parts == nil || parts[2] == "" && len(parts[3]) < 2 {
		return "", false
	}
	sign, whole, fraction, exponent := strings.TrimPrefix(parts[1], "+"), parts[2], parts[3], parts[4]
	if whole == "" {
		whole = "0"
	}
	if fraction == "." {
		fraction = ""
	}
	return sign + whole + fraction + exponent, true
}
