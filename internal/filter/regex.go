package filter

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/pattern"
)

// regexFlags are the letters of $options: any case, ^ and $ at every line, and
// a dot that is also a line's end.
const regexFlags = "ims"

// options notes $options that has no $regex beside it.
func (p *parser) options(all jsontext.Value, at place) {
	if lookup(all, Regex.String()) == nil {
		p.fault(at, "unknown-operator", "%s stands beside %s", optionsName, Regex)
	}
}

// regex reads a regular expression and its options, nil for none.
func (p *parser) regex(s subject, operand, options jsontext.Value, at place) *Node {
	if _, ok := p.named(operand, at); ok {
		p.fault(at, "type", "%s takes nothing of the caller", Regex)
		return nil
	}
	source, ok := unquote(operand)
	if !ok {
		p.fault(at, "type", "must be a string that holds a regular expression")
		return nil
	}
	flags, ok := "", true
	if options != nil {
		flags, ok = unquote(options)
	}
	if !ok {
		p.fault(at, "type", "%s must be a string of the letters %s", optionsName, regexFlags)
		return nil
	}
	return p.expression(s, source, flags, at)
}

// expression makes the condition that strings match a pattern. It is written
// anew for MongoDB, so that it means there what it means here, and so that
// flags need no options: an anchored pattern in one case is served by an index.
func (p *parser) expression(s subject, source, flags string, at place) *Node {
	if !p.counted(at) {
		return nil
	}
	if strings.Trim(flags, regexFlags) != "" {
		p.fault(at, "pattern", "takes the options i, m and s, not %q", shorten(flags))
		return nil
	}
	parsed, err := pattern.Parse(source, flags)
	if err != nil {
		p.fault(at, "pattern", "%s", err)
		return nil
	}
	if err := parsed.Bounded(); err != nil {
		p.fault(at, "pattern", "%s", err)
		return nil
	}
	written, err := parsed.Trimmed().PCRE()
	if err != nil {
		p.fault(at, "pattern", "%s", err)
		return nil
	}
	n := s.node(Regex, at)
	n.matcher = parsed.Regexp()
	n.Values = []bson.RawValue{{Type: bson.TypeRegex, Value: bsoncore.AppendRegex(nil, written, "")}}
	return n
}
