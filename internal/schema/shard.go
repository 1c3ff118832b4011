package schema

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/filter"
)

// ShardKey says by which values a sharded cluster places the documents of a
// collection.
type ShardKey struct {
	// Keys are as MongoDB has them: stored paths (_id for id) with 1 or "hashed".
	Keys bson.D
	// Fields are the paths of Keys as clients know them.
	Fields []string
	// placed are the fields but for the id, which a filter by id has anyway.
	placed []shardField
}

// shardField is a field of a shard key, other than the id.
type shardField struct {
	path  string
	names []string
	rules *rules
}

// hashedKey spreads documents by a hash of the value.
const hashedKey = "hashed"

// Names returns the fields of the key but for the id: those by which a request
// for one document can name its shard.
func (k *ShardKey) Names() []string {
	if k == nil {
		return nil
	}
	names := make([]string, len(k.placed))
	for i, f := range k.placed {
		names[i] = f.path
	}
	return names
}

// ParseValue reads the value of a field of Names from text. The error is a
// sentence such as "must be an int".
func (k *ShardKey) ParseValue(name, text string) (bson.RawValue, error) {
	for _, f := range k.placed {
		if f.path == name {
			return bsonjson.ParseText(text, f.rules.shape)
		}
	}
	return bson.RawValue{}, errors.New("is no field of the shard key")
}

// Of returns the conditions by which a filter finds the shard of a stored
// document, as a document; nil where the id is enough. A value that others left
// out is null, as MongoDB has it.
func (k *ShardKey) Of(doc bson.Raw) bson.Raw {
	if k == nil || len(k.placed) == 0 {
		return nil
	}
	b := bsonjson.NewBuilder(len(k.placed) * 32)
	for _, f := range k.placed {
		b.Append(f.path, f.value(doc))
	}
	return b.Document()
}

func (f shardField) value(doc bson.Raw) bson.RawValue {
	if value, err := doc.LookupErr(f.names...); err == nil {
		return value
	}
	return bson.RawValue{Type: bson.TypeNull}
}

// Complete reports whether conditions name the shard: all fields of the key are
// among them.
func (k *ShardKey) Complete(conditions bson.Raw) bool {
	if k == nil || len(k.placed) == 0 {
		return true
	}
	elements, err := conditions.Elements()
	return err == nil && len(elements) == len(k.placed)
}

// Moved returns the fields of the key that differ between two versions of a
// document, as JSON pointers.
func (k *ShardKey) Moved(current, next bson.Raw) (pointers []string) {
	if k == nil {
		return nil
	}
	for _, f := range k.placed {
		before, after := f.value(current), f.value(next)
		if before.Type != after.Type || !bytes.Equal(before.Value, after.Value) {
			pointer := ""
			for _, name := range f.names {
				pointer = bsonjson.AppendToken(pointer, name)
			}
			pointers = append(pointers, pointer)
		}
	}
	return pointers
}

// Holds reports whether a path leads to a field of the key, into one, or to an
// object that has one.
func (k *ShardKey) Holds(path string) bool {
	return k != nil && slices.ContainsFunc(k.placed, func(f shardField) bool {
		return leadsTo(path, f.path) || leadsTo(f.path, path)
	})
}

func leadsTo(path, to string) bool { return path == to || strings.HasPrefix(to, path+".") }

// shardKey compiles the shard key of a collection.
func (c *compiler) shardKey(d *declaration, n *node) {
	if n.kind != sequenceNode || len(n.items) == 0 || len(n.items) > maxIndexKeys {
		c.problems.add(n, "must be a list of 1 to %d fields, such as [tenantId] or [{tenantId: hashed}]", maxIndexKeys)
		return
	}
	before, key := len(c.problems), &ShardKey{}
	for _, item := range n.items {
		c.shardKeyField(d, item, key)
	}
	if len(c.problems) == before {
		d.c.ShardKey, d.shardKey = key, n
	}
}

func (c *compiler) shardKeyField(d *declaration, n *node, key *ShardKey) {
	at, path, kind, ok := c.shardKeyPart(n)
	if !ok {
		return
	}
	target, err := filter.Fields(d.c.Fields)(path)
	if err != nil {
		c.problems.add(at, "%q %s", shorten(path), err)
		return
	}
	found := d.c.rules.at(path)
	if reason := badShardField(found, target, path); reason != "" {
		c.problems.add(at, "%q %s", path, reason)
		return
	}
	isHashed := func(e bson.E) bool { return e.Value == hashedKey }
	switch {
	case slices.Contains(key.Fields, path):
		c.problems.add(at, "%q stands twice in the shard key", path)
		return
	case kind == hashedKey && slices.ContainsFunc(key.Keys, isHashed):
		c.problems.add(at, "a second hashed field, and MongoDB takes one a shard key")
		return
	}
	key.Keys, key.Fields = append(key.Keys, bson.E{Key: target.Stored, Value: kind}), append(key.Fields, path)
	if path != "id" {
		key.placed = append(key.placed, shardField{path: path, names: strings.Split(path, "."), rules: found[len(found)-1]})
	}
}

// shardKeyPart reads one part of a shard key: field, or {field: hashed}.
func (c *compiler) shardKeyPart(n *node) (at *node, path string, kind any, ok bool) {
	if n.kind == mappingNode && len(n.entries) == 1 {
		e := n.entries[0]
		word, ok := c.word(e.value)
		if ok {
			_, ok = c.oneOf(e.value, "kind of key", word, []string{hashedKey})
		}
		return e.key, e.key.text, hashedKey, ok
	}
	switch {
	case n.kind != scalarNode || n.text == "":
		c.problems.add(n, "must be a field, or {field: hashed}")
		return n, "", nil, false
	case strings.HasPrefix(n.text, "-"):
		c.problems.add(n, "has a direction, and a shard key has none; write %s", shorten(n.text[1:]))
		return n, "", nil, false
	}
	return n, n.text, int32(1), true
}

// at returns the rules on the way to a path, through objects alone; nil where it
// leads through anything else.
func (r *rules) at(path string) (way []*rules) {
	for name := range strings.SplitSeq(path, ".") {
		i := slices.IndexFunc(r.members, func(m *rules) bool { return m.name == name })
		if i < 0 {
			return nil
		}
		r = r.members[i]
		way = append(way, r)
	}
	return way
}

// badShardField says why a field cannot be part of a shard key, "" where it can.
// What lies on a shard must lie on one only: each document has one value, and
// keeps it.
func badShardField(way []*rules, target filter.Target, path string) string {
	if path == "id" {
		return ""
	}
	switch kind := target.Shape.Kind; {
	case systemOf(path) != bsonjson.NotSystem:
		return "is kept by the service, and cannot say on which shard a document lies"
	case len(target.Arrays) > 0:
		return "lies in an array, and a document lies on one shard"
	case way == nil:
		return "is not declared, and a shard key must be in every document"
	case way[len(way)-1].typ == typeRef:
	case kind == bsonjson.Object || kind == bsonjson.Geo || kind == bsonjson.Any:
		return "must be a single value, such as a string or a number, to be part of a shard key"
	}
	for _, r := range way {
		if !r.required || r.shape.Nullable {
			return "must be required and not nullable, it and the objects around it, since every document lies on a shard"
		}
	}
	return ""
}

// shardedUniqueness refuses what MongoDB cannot hold across shards. It is called
// when all indexes are known.
func (c *compiler) shardedUniqueness(d *declaration) {
	key := d.c.ShardKey
	if key == nil {
		return
	}
	if (d.c.ID == String || d.c.ID == Int) && !slices.Equal(key.Fields, []string{"id"}) {
		c.problems.add(d.shardKey, "clients choose the ids of this collection, and MongoDB keeps an id unique within a shard only, "+
			"unless the id alone is the shard key: write [id] or [{id: hashed}], or take ids that are generated (objectId, uuid, increment)")
	}
	for _, index := range d.c.Indexes {
		if index.Unique && !key.isPrefixOf(index) {
			c.problems.add(d.shardKey, "the unique index on %s does not begin with the shard key (%s), and MongoDB keeps values unique across shards only by such an index; "+
				"declare it with keys: [%s]", list(index.Fields), list(key.Fields), list(withPrefix(key.Fields, index.Fields)))
		}
	}
}

// isPrefixOf compares names alone, as MongoDB does: a hashed key is one too.
func (k *ShardKey) isPrefixOf(index Index) bool {
	return len(k.Fields) <= len(index.Fields) && slices.Equal(k.Fields, index.Fields[:len(k.Fields)])
}

func withPrefix(prefix, fields []string) []string {
	return append(slices.Clone(prefix), slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return slices.Contains(prefix, f) })...)
}
