package filter

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// The members of a $text.
const (
	searchName   = "$search"
	languageName = "$language"
)

// textOptions are the members of a $text and their shapes.
var textOptions = []bsonjson.Field{
	{Name: searchName, Shape: &bsonjson.Shape{Kind: bsonjson.String}},
	{Name: languageName, Shape: &bsonjson.Shape{Kind: bsonjson.String, Transform: bsonjson.Lowercase}},
	{Name: "$caseSensitive", Shape: flagShape},
	{Name: "$diacriticSensitive", Shape: flagShape},
}

// languages are those of MongoDB's text indexes, by name and by code.
var languages = []string{"none", "danish", "da", "dutch", "nl", "english", "en", "finnish", "fi", "french", "fr", "german", "de",
	"hungarian", "hu", "italian", "it", "norwegian", "nb", "portuguese", "pt", "romanian", "ro", "russian", "ru", "spanish", "es",
	"swedish", "sv", "turkish", "tr"}

// Languages returns the languages that a $text may name.
func Languages() []string { return slices.Clone(languages) }

// text reads $text.
func (p *parser) text(operand jsontext.Value, at place) *Node {
	if p.misplaced(Text, at) || !p.counted(at) {
		return nil
	}
	value, ok := p.record(operand, textOptions, at)
	if !ok {
		return nil
	}
	words, ok := value.Lookup(searchName).StringValueOK()
	switch {
	case !ok:
		p.fault(at, "required", "needs %s: the words to search", searchName)
	case len(words) > MaxSearch:
		p.fault(at.member(searchName), "limit", "is over %d bytes long", MaxSearch)
	case strings.TrimSpace(words) == "":
		p.fault(at.member(searchName), "type", "must hold at least one word")
	}
	if language, ok := value.Lookup(languageName).StringValueOK(); ok && !slices.Contains(languages, language) {
		p.fault(at.member(languageName), "type", "is not a language of text indexes%s", nearest.Hint(language, languages))
	}
	return &Node{Op: Text, Pointer: at.pointer, Values: []bson.RawValue{{Type: bson.TypeEmbeddedDocument, Value: value}}}
}

// record reads an object whose members have names and shapes of their own. ok
// is false where a fault was noted.
func (p *parser) record(src jsontext.Value, fields []bsonjson.Field, at place) (record bson.Raw, ok bool) {
	before := len(p.faults.Items)
	if src.Kind() != '{' {
		p.fault(at, "type", "must be an object with %s", fields[0].Name)
		return nil, false
	}
	builder := bsonjson.NewBuilder(len(src))
	for name, operand := range members(src) {
		if len(name) > MaxPath || p.faults.Full() {
			p.fault(at, "limit", "holds a name of over %d bytes", MaxPath)
			break
		}
		i := slices.IndexFunc(fields, func(f bsonjson.Field) bool { return f.Name == name })
		if i < 0 {
			p.unknown(name, at.member(name), false, bsonjson.NewFields(fields, false).Names())
			continue
		}
		options := bsonjson.Options{Pointer: at.member(name).pointer}
		value, err := bsonjson.DecodeValue(operand, fields[i].Shape, options, p.faults)
		if err != nil {
			p.fault(at.member(name), "syntax", "is not a value that can be read")
		}
		builder.Append(name, value)
	}
	if len(p.faults.Items) > before {
		return nil, false
	}
	return builder.Document(), true
}
