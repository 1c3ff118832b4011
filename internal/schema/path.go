package schema

import (
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// Always reports whether every document has a value at a path, other than null:
// the field and all that it lies in are required.
func (c *Collection) Always(path string) bool {
	r := c.rules
	for i, name := range strings.Split(path, ".") {
		if r.typ != typeObject {
			return false
		}
		at, ok := r.shape.Fields.Lookup([]byte(name))
		if !ok {
			return false
		}
		system := i == 0 && r.shape.Fields.All()[at].System != bsonjson.NotSystem
		if r = r.members[at]; !system && (!r.required || r.shape.Nullable) {
			return false
		}
	}
	return true
}

// IDShape is that of the ids.
func (c *Collection) IDShape() *bsonjson.Shape { return c.idShape }
