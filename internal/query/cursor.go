package query

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// A cursor is base64url of: an 8 byte checksum over the rest and the name of
// the collection, one byte with the BSON type of the last id, the id's bytes.
// It holds no state of the service, so any instance takes it. The checksum
// tells a cursor of another list or a mangled one apart from a good one; it is
// no signature, and a forged cursor reaches nothing that the list does not.
const checksumSize = 8

// maxCursor bounds the text of a cursor: MongoDB's ids are at most 1,024 bytes
// in an index key of old, and a longer cursor is not ours.
const maxCursor = 4096

func cursor(collection *schema.Collection, id bson.RawValue) string {
	body := append([]byte{byte(id.Type)}, id.Value...)
	sum := checksum(collection, body)
	return base64.RawURLEncoding.EncodeToString(append(sum, body...))
}

func parseCursor(text string, collection *schema.Collection) (bson.RawValue, error) {
	if len(text) > maxCursor {
		return bson.RawValue{}, badCursor()
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) <= checksumSize {
		return bson.RawValue{}, badCursor()
	}
	body := data[checksumSize:]
	if string(checksum(collection, body)) != string(data[:checksumSize]) {
		return bson.RawValue{}, badCursor()
	}
	id := bson.RawValue{Type: bson.Type(body[0]), Value: body[1:]}
	if id.Validate() != nil {
		return bson.RawValue{}, badCursor()
	}
	return id, nil
}

func checksum(collection *schema.Collection, body []byte) []byte {
	hash := fnv.New64a()
	hash.Write([]byte(collection.Name))
	hash.Write([]byte{0})
	hash.Write(body)
	return binary.BigEndian.AppendUint64(nil, hash.Sum64())
}

func badCursor() error {
	return fault.New(fault.InvalidParameter, "the parameters of the list are not valid").WithItems(fault.Item{
		Pointer: "after", Code: "cursor",
		Detail: "is not a cursor of this list; take the one that page.next of the same list gave",
	})
}
