package api

import (
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// shard reads the parameters of a route that takes none but the fields of the
// shard key, as far as the client knows them.
func (x *exchange) shard(c *schema.Collection) (bson.Raw, error) {
	values, err := x.query()
	if err != nil {
		return nil, err
	}
	var faults fault.List
	return shardOf(c, values, &faults)
}

// shardOf reads the fields of the shard key, which are all that is left of the
// parameters.
func shardOf(c *schema.Collection, values url.Values, faults *fault.List) (bson.Raw, error) {
	names := c.ShardKey.Names()
	conditions := takeShard(c, values, faults)
	for name := range values {
		if len(names) == 0 {
			faults.Add(name, "unknown-parameter", "this route takes no parameters")
			continue
		}
		faults.Add(name, "unknown-parameter", "is no parameter of this route%s; it takes the shard key: %s", nearest.Hint(name, names), strings.Join(names, ", "))
	}
	return conditions, faults.Err(fault.InvalidParameter, badParameters)
}

// takeShard takes the fields of the shard key out of the parameters, and returns
// the conditions that they are; nil for none.
func takeShard(c *schema.Collection, values url.Values, faults *fault.List) bson.Raw {
	if c.ShardKey == nil || len(values) == 0 {
		return nil
	}
	conditions, found := bsonjson.NewBuilder(64), false
	for _, name := range c.ShardKey.Names() {
		given := values[name]
		delete(values, name)
		if len(given) == 0 {
			continue
		}
		value, err := c.ShardKey.ParseValue(name, given[0])
		switch {
		case len(given) > 1:
			faults.Add(name, "format", "stands more than once")
		case err != nil:
			faults.Add(name, "format", "%s", err)
		default:
			conditions.Append(name, value)
			found = true
		}
	}
	if !found {
		return nil
	}
	return conditions.Document()
}
