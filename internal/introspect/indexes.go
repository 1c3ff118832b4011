package introspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// indexDeclaration is an index as a schema file declares it.
type indexDeclaration struct {
	declared schema.JSON
	note     string
}

// declareIndexes declares the indexes of the collection. One that no schema file
// has, or whose declaration would stand in the way of the existing one, is told
// among the limits: it stays in MongoDB as it is.
func (s *subject) declareIndexes() error {
	for _, raw := range s.info.Indexes {
		reason, err := s.declareIndex(raw)
		if err != nil {
			return err
		}
		if reason != "" {
			s.limits = append(s.limits, fmt.Sprintf("the index %s is not declared, and stays as it is: %s", indexName(raw), reason))
		}
	}
	return nil
}

func indexName(raw bson.Raw) string { return raw.Lookup("name").StringValue() }

func (s *subject) declareIndex(raw bson.Raw) (reason string, err error) {
	if done, err := s.declareUnique(raw); done || err != nil {
		return "", err
	}
	declared, reason := indexJSON(store.IndexDescription(raw))
	if reason != "" {
		return reason, nil
	}
	s.indexes = append(s.indexes, indexDeclaration{declared: declared})
	compiled, reason, err := s.lastIndex()
	if err == nil && reason == "" {
		reason = s.conflict(compiled)
	}
	if err != nil || reason != "" {
		s.indexes = s.indexes[:len(s.indexes)-1]
		return reason, err
	}
	s.indexes[len(s.indexes)-1].note = noteOf(raw, compiled)
	return "", nil
}

// noteOf tells how the index that a declaration makes is there already.
func noteOf(raw bson.Raw, compiled schema.Index) string {
	switch {
	case store.SameIndex(raw, store.IndexSpec(compiled)):
		return "the index " + indexName(raw)
	case raw.Lookup("sparse").Type != 0:
		return fmt.Sprintf("the index %s, which is sparse; the service makes %s, which leaves the same documents out", indexName(raw), compiled.Name)
	}
	return fmt.Sprintf("the index %s; the service makes %s, by which lists end their order, and %[1]s can go then", indexName(raw), compiled.Name)
}

// declareUnique declares the index by a field that is unique, where that makes
// the same one.
func (s *subject) declareUnique(raw bson.Raw) (bool, error) {
	unique, _ := raw.Lookup("unique").BooleanOK()
	keys, _ := raw.Lookup("key").DocumentOK()
	elements, _ := keys.Elements()
	if !unique || len(elements) != 1 {
		return false, nil
	}
	f := s.top
	for name := range strings.SplitSeq(elements[0].Key(), ".") {
		if f = f.member(name); f == nil {
			return false, nil
		}
	}
	if slices.Contains([]string{"object", "array", "geo", "any"}, f.typ) || f.unique {
		return false, nil
	}
	f.unique = true
	c, err := s.compile()
	if err == nil && slices.ContainsFunc(c.Indexes, func(index schema.Index) bool {
		return index.OfUniqueField && index.Fields[0] == elements[0].Key() && store.SameIndex(raw, store.IndexSpec(index))
	}) {
		f.notes = append(f.notes, "the unique index "+indexName(raw))
		return true, nil
	}
	f.unique = false
	return false, nil
}

// lastIndex compiles the declaration and returns the index that was declared
// last; reason says why it does not compile.
func (s *subject) lastIndex() (index schema.Index, reason string, err error) {
	c, err := s.compile()
	if problems, ok := errors.AsType[*schema.Problems](err); ok {
		return index, (*problems)[0].Message, nil
	}
	if err != nil {
		return index, "", err
	}
	return c.Indexes[len(c.Indexes)-1], "", nil
}

// conflict tells which existing index MongoDB would refuse a new one for.
func (s *subject) conflict(wanted schema.Index) string {
	spec := store.IndexSpec(wanted)
	if slices.ContainsFunc(s.info.Indexes, func(e bson.Raw) bool { return store.SameIndex(e, spec) }) {
		return ""
	}
	for _, e := range s.info.Indexes {
		if indexName(e) == wanted.Name {
			return "the service would make one of the same name in another form"
		}
	}
	return ""
}

// indexJSON declares an index; reason says what of it no schema file has.
func indexJSON(index bson.Raw) (out schema.JSON, reason string) {
	elements, _ := index.Elements()
	var keys []any
	var further schema.JSON
	sparse, unique := false, false
	for _, e := range elements {
		switch option, value := e.Key(), e.Value(); option {
		case "name":
		case "key":
			keys, reason = indexKeys(value.Document())
		case "unique":
			unique = true
			further = append(further, schema.Member{Name: "unique", Value: true})
		case "sparse":
			sparse = true
		case "partialFilterExpression":
			further = append(further, schema.Member{Name: "where", Value: filterJSON(value.Document())})
		case "expireAfterSeconds":
			seconds, _ := value.AsInt64OK()
			further = append(further, schema.Member{Name: "expire_after", Value: schema.Duration(time.Duration(seconds) * time.Second)})
		default:
			reason = "it has " + option + ", which schema files have not"
		}
		if reason != "" {
			return nil, reason
		}
	}
	if sparse {
		if !unique || len(keys) != 1 || len(further) != 1 {
			return nil, "it is sparse, which schema files have not; where says which documents are in one"
		}
		name := strings.TrimPrefix(fmt.Sprint(keys[0]), "-")
		further = append(further, schema.Member{Name: "where", Value: schema.JSON{{Name: name, Value: schema.JSON{{Name: "$exists", Value: true}}}}})
	}
	return append(schema.JSON{{Name: "keys", Value: keys}}, further...), ""
}

func indexKeys(key bson.Raw) (keys []any, reason string) {
	elements, _ := key.Elements()
	for _, e := range elements {
		name := e.Key()
		if name == "_id" {
			name = "id"
		}
		direction, isNumber := e.Value().AsInt64OK()
		kind, _ := e.Value().StringValueOK()
		switch {
		case isNumber && direction < 0:
			keys = append(keys, "-"+name)
		case strings.Contains(name, "$**"):
			return nil, "it is a wildcard index, which schema files have not"
		case isNumber:
			keys = append(keys, name)
		case kind == "text" || kind == "2dsphere":
			keys = append(keys, schema.JSON{{Name: name, Value: kind}})
		default:
			return nil, "it has a key of the kind " + strconv.Quote(kind) + ", which schema files have not"
		}
	}
	return keys, ""
}

// filterJSON is a filter as a schema file has it.
func filterJSON(filter bson.Raw) schema.JSON {
	out := schema.JSON{}
	elements, _ := filter.Elements()
	for _, e := range elements {
		name := e.Key()
		if name == "_id" {
			name = "id"
		}
		out = append(out, schema.Member{Name: name, Value: operandJSON(e.Value())})
	}
	return out
}

func operandJSON(value bson.RawValue) any {
	switch value.Type {
	case bson.TypeEmbeddedDocument:
		inner := value.Document()
		equal := inner.Lookup("$eq")
		if elements, _ := inner.Elements(); len(elements) == 1 && equal.Type != 0 && equal.Type != bson.TypeEmbeddedDocument {
			return operandJSON(equal)
		}
		return filterJSON(inner)
	case bson.TypeArray:
		list := []any{}
		values, _ := value.Array().Values()
		for _, item := range values {
			list = append(list, operandJSON(item))
		}
		return list
	}
	return json.RawMessage(bsonjson.AppendValue(nil, value))
}

// indexList is what stands under indexes.
func (s *subject) indexList(notes schema.Notes) []any {
	var list []any
	for i, index := range s.indexes {
		list = append(list, index.declared)
		if index.note != "" {
			notes.Add("/indexes/"+strconv.Itoa(i), "%s", index.note)
		}
	}
	return list
}
