package schema

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// Derive makes an id of the kind UUID or ObjectID from a hash. A uuid is of
// version 8, which RFC 9562 section 5.8 leaves to such uses.
func (k IDKind) Derive(h [16]byte) bson.RawValue {
	if k == UUID {
		h[6] = h[6]&0x0f | 0x80
		h[8] = h[8]&0x3f | 0x80
		return bsonjson.UUIDValue(h)
	}
	return bson.RawValue{Type: bson.TypeObjectID, Value: slices.Clone(h[:12])}
}
