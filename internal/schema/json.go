package schema

import (
	"bytes"
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// JSON is a JSON object whose members keep their order.
type JSON []Member

// Member is one member of a JSON object. Value is what encoding/json takes,
// objects being JSON.
type Member struct {
	Name  string
	Value any
}

// Get returns the value of a member, nil where there is none.
func (j JSON) Get(name string) any {
	for _, member := range j {
		if member.Name == name {
			return member.Value
		}
	}
	return nil
}

// MarshalJSON writes the members in order.
func (j JSON) MarshalJSON() ([]byte, error) {
	dst := []byte{'{'}
	for i, member := range j {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, member.Name), ':')
		value, err := encode(member.Value)
		if err != nil {
			return nil, err
		}
		dst = append(dst, value...)
	}
	return append(dst, '}'), nil
}

// encode is json.Marshal without the escapes for HTML.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (j *JSON) set(name string, value any) { *j = append(*j, Member{Name: name, Value: value}) }

// extended returns a document as canonical Extended JSON.
func extended(doc bson.D) []byte {
	text, err := bson.MarshalExtJSON(doc, true, false)
	if err != nil { // compiled documents hold nothing that does not marshal
		return nil
	}
	return text
}

// plainJSON returns a typed value as the JSON that clients see.
func plainJSON(value bson.RawValue) json.RawMessage { return bsonjson.AppendValue(nil, value) }
