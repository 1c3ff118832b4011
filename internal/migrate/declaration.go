package migrate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
)

// AppendFile writes a migration as a file that ParseFile reads. What a step has
// to tell its reader becomes a comment, and so do some lines at the top.
func AppendFile(dst []byte, m *Migration, comments ...string) []byte {
	notes := schema.Notes{"": comments}
	file := schema.JSON{}
	if m.Description != "" {
		file = append(file, schema.Member{Name: "description", Value: m.Description})
	}
	file = append(file, schema.Member{Name: "up", Value: declarations(m.Up, "/up", notes)})
	if !m.OneWay {
		file = append(file, schema.Member{Name: "down", Value: declarations(m.Down, "/down", notes)})
	}
	return schema.AppendYAML(dst, file, notes)
}

func declarations(steps []Step, pointer string, notes schema.Notes) []any {
	list := []any{}
	for i, step := range steps {
		list = append(list, step.declaration())
		if step.Note != "" {
			at := fmt.Sprintf("%s/%d", pointer, i)
			notes.Add(at, "%s", strings.ToUpper(step.Note[:1])+step.Note[1:]+".")
		}
	}
	return list
}

// JSON is the step as files have it, in JSON.
func (s Step) JSON() []byte {
	text, err := s.declaration().MarshalJSON()
	if err != nil { // what a step declares is JSON
		panic("migrate: a step does not encode: " + err.Error())
	}
	return text
}

// declaration is the step as files have it.
func (s Step) declaration() schema.JSON {
	doc := schema.JSON{{Name: string(s.Kind), Value: s.Collection}}
	set := func(name string, value any) { doc = append(doc, schema.Member{Name: name, Value: value}) }
	switch s.Kind {
	case CreateCollection:
		if s.Validator != nil {
			set("validator", documentJSON(s.Validator))
		}
	case SetValidator:
		if s.Validator == nil {
			set("validator", noValidator)
		} else {
			set("validator", documentJSON(s.Validator))
		}
	case RenameCollection:
		set("to", s.To)
	case ShardCollection:
		set("keys", keysJSON(encoded(s.ShardKey)))
	case DropIndex:
		set("name", s.IndexName())
	case CreateIndex:
		doc = append(doc, indexDeclaration(s.Index)...)
	case Update:
		doc = append(doc, s.Change.declaration()...)
	}
	if s.Risk != usualRisk(&s) {
		set("risk", s.Risk.String())
	}
	if s.Irreversible != "" {
		set("irreversible", s.Irreversible)
	}
	return doc
}

func indexDeclaration(index bson.Raw) schema.JSON {
	key, _ := index.Lookup("key").DocumentOK()
	doc, options := schema.JSON{{Name: "keys", Value: keysJSON(key)}}, schema.JSON{}
	elements, _ := index.Elements()
	for _, e := range elements {
		switch e.Key() {
		case "key":
		case "name", "unique":
			doc = append(doc, schema.Member{Name: e.Key(), Value: valueJSON(e.Value())})
		case "partialFilterExpression":
			doc = append(doc, schema.Member{Name: "where", Value: valueJSON(e.Value())})
		case "expireAfterSeconds":
			seconds, _ := e.Value().AsInt64OK()
			doc = append(doc, schema.Member{Name: "expire_after", Value: (time.Duration(seconds) * time.Second).String()})
		default:
			options = append(options, schema.Member{Name: e.Key(), Value: valueJSON(e.Value())})
		}
	}
	if len(options) > 0 {
		doc = append(doc, schema.Member{Name: "options", Value: options})
	}
	return doc
}

func keysJSON(key bson.Raw) []any {
	list := []any{}
	elements, _ := key.Elements()
	for _, e := range elements {
		n, isNumber := e.Value().AsInt64OK()
		switch {
		case isNumber && n < 0:
			list = append(list, "-"+e.Key())
		case isNumber:
			list = append(list, e.Key())
		default:
			list = append(list, schema.JSON{{Name: e.Key(), Value: valueJSON(e.Value())}})
		}
	}
	return list
}

func (c *Change) declaration() schema.JSON {
	doc := schema.JSON{}
	set := func(name string, value any) { doc = append(doc, schema.Member{Name: name, Value: value}) }
	if c.Filter != nil {
		set("filter", documentJSON(c.Filter))
	}
	switch {
	case c.Rename != nil:
		set("rename", schema.JSON{{Name: "from", Value: c.Rename.From}, {Name: "to", Value: c.Rename.To}})
	case c.SetDefault != nil && c.SetDefault.Now:
		set("set_default", schema.JSON{{Name: "field", Value: c.SetDefault.Field}, {Name: "now", Value: true}})
	case c.SetDefault != nil:
		set("set_default", schema.JSON{{Name: "field", Value: c.SetDefault.Field}, {Name: "value", Value: valueJSON(c.SetDefault.Value)}})
	case c.Convert != nil:
		set("convert", schema.JSON{{Name: "field", Value: c.Convert.Field}, {Name: "to", Value: c.Convert.To}})
	case c.Split != nil:
		set("split", schema.JSON{{Name: "field", Value: c.Split.Field}, {Name: "by", Value: c.Split.By}, {Name: "into", Value: words(c.Split.Into)}})
	case c.Unset != nil:
		set("unset", words(c.Unset))
	case c.Pipeline != nil:
		stages := []any{}
		for _, stage := range c.Pipeline {
			stages = append(stages, documentJSON(stage))
		}
		set("pipeline", stages)
	default:
		set("todo", c.Todo)
	}
	return doc
}

func words(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// documentJSON turns a document into what AppendYAML writes.
func documentJSON(doc bson.Raw) schema.JSON {
	object := schema.JSON{}
	elements, _ := doc.Elements()
	for _, e := range elements {
		object = append(object, schema.Member{Name: e.Key(), Value: valueJSON(e.Value())})
	}
	return object
}

// valueJSON turns a value into what AppendYAML writes and reader.value reads:
// what YAML has no type for is Extended JSON.
func valueJSON(value bson.RawValue) any {
	switch value.Type {
	case bson.TypeEmbeddedDocument:
		return documentJSON(value.Document())
	case bson.TypeArray:
		list := []any{}
		for _, item := range arrayValues(value) {
			list = append(list, valueJSON(item))
		}
		return list
	case bson.TypeString:
		return value.StringValue()
	case bson.TypeBoolean:
		return value.Boolean()
	case bson.TypeNull:
		return nil
	case bson.TypeInt32, bson.TypeInt64:
		return json.Number(strconv.FormatInt(value.AsInt64(), 10))
	case bson.TypeDouble:
		if _, finite := rational(value); finite {
			return doubleJSON(value.Double())
		}
	}
	return json.RawMessage(bsonjson.AppendExtendedValue(nil, value))
}

// doubleJSON writes a finite double so that it is no whole number.
func doubleJSON(f float64) json.Number {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text)
}

func arrayValues(value bson.RawValue) []bson.RawValue {
	list, ok := value.ArrayOK()
	if !ok {
		return nil
	}
	values, _ := list.Values()
	return values
}
