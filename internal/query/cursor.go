package query

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/fault"
)

// A cursor is base64url of: an 8 byte checksum over the list and the rest, and a
// BSON array of the values that give a document its place in the order. It holds
// no state of the service, so any instance takes it, and nothing that the list
// did not give already. The checksum tells a cursor of another list or a mangled
// one apart from a good one; it is no signature, and a forged cursor reaches
// nothing that the list does not.
const checksumSize = 8

// maxCursor bounds the text of a cursor. A longer one, of texts that are as long,
// could not come back in a URL either.
const maxCursor = 1 << 20

func (p *Plan) cursor(doc bson.Raw) string {
	index, body := bsoncore.AppendArrayStart(make([]byte, checksumSize, 64))
	for _, key := range p.order {
		value := key.valueOf(doc)
		body = append(bsoncore.AppendHeader(body, bsoncore.Type(value.Type), "0"), value.Value...)
	}
	body, _ = bsoncore.AppendArrayEnd(body, index)
	binary.BigEndian.PutUint64(body, p.checksum(body[checksumSize:]))
	return base64.RawURLEncoding.EncodeToString(body)
}

// checksum binds a cursor to the collection, the filter and the order.
func (p *Plan) checksum(body []byte) uint64 {
	hash := fnv.New64a()
	hash.Write([]byte(p.Collection.Name))
	hash.Write([]byte{0})
	if p.Where != nil {
		hash.Write(p.Where.AppendDigest(nil))
	}
	for _, k := range p.order {
		hash.Write([]byte(k.sign() + "\x00" + k.stored + "\x00"))
	}
	hash.Write(body)
	return hash.Sum64()
}

func (p *Plan) parseCursor(text, at string, faults *fault.List) []bson.RawValue {
	position, ok := p.decode(text)
	if !ok {
		faults.Add(at, "cursor", "is not a cursor of this list; take the one that page.next or page.prev of the same list gave, with the same filter and sort")
		return nil
	}
	return position
}

func (p *Plan) decode(text string) ([]bson.RawValue, bool) {
	if len(text) > maxCursor {
		return nil, false
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) <= checksumSize {
		return nil, false
	}
	body := data[checksumSize:]
	if p.checksum(body) != binary.BigEndian.Uint64(data) || bson.Raw(body).Validate() != nil {
		return nil, false
	}
	position, err := bson.RawArray(body).Values()
	if err != nil || len(position) != len(p.order) {
		return nil, false
	}
	for _, value := range position {
		if !places(value) {
			return nil, false
		}
	}
	return position, true
}
