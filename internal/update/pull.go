package update

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
)

// condition tells which items $pull takes out.
type condition struct{}

func (c *condition) holds(bson.RawValue) bool { return false }

func readPull(k *compiler, place schema.Place, text []byte, at string) (operand, error) {
	if bytes.HasPrefix(text, []byte("{")) {
		k.faults.Add(at, "type", "must be a value that is no object")
		return operand{}, nil
	}
	value, err := k.value(place.Item(), text, at, false)
	return operand{values: []bson.RawValue{value}}, err
}
