package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// MongoDB's limits for indexes. The index on _id is one of the 64.
const (
	maxIndexes   = 64 - 1
	maxIndexKeys = 32
	maxIndexName = 120
)

// The directions of a key that are not 1 and -1.
const (
	textKey   = "text"
	sphereKey = "2dsphere"
)

// indexes compiles those of `unique: true`, those that are declared, and those
// of references.
func (c *compiler) indexes(d *declaration, at *node) {
	c.uniqueFields(d, d.c.rules, nil, true)
	if at != nil {
		c.declaredIndexes(d, at)
	}
	c.referenceIndexes(d)
	c.softDelete(d)
}

// indexCount is checked last, as relations of other collections add indexes.
func (c *compiler) indexCount(d *declaration) {
	if len(d.c.Indexes) > maxIndexes {
		c.problems.add(d.root, "%d indexes, and MongoDB holds %d beside the one on id; references and relations have one each", len(d.c.Indexes), maxIndexes)
	}
}

// uniqueFields adds the index of every field that says unique.
func (c *compiler) uniqueFields(d *declaration, r *rules, path []string, required bool) {
	for _, member := range r.members {
		path, required := append(slices.Clone(path), member.name), required && member.required
		if member.unique {
			d.c.Indexes = append(d.c.Indexes, uniqueIndex(member, strings.Join(path, "."), required))
		}
		if member.typ == typeObject {
			c.uniqueFields(d, member, path, required && !member.shape.Nullable)
		}
	}
}

// uniqueIndex leaves documents without the field out, so that they do not
// collide with each other; those where it is null likewise.
func uniqueIndex(r *rules, path string, required bool) Index {
	index := Index{Name: path + "_1", Keys: bson.D{{Key: path, Value: int32(1)}}, Fields: []string{path}, Unique: true, OfUniqueField: true}
	switch {
	case r.shape.Nullable:
		index.Partial = bson.D{{Key: path, Value: bson.D{{Key: "$gte", Value: least(r.shape.Kind)}}}}
	case !required:
		index.Partial = bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: true}}}}
	}
	return index
}

// least returns the least value of a kind. MongoDB compares within a type, so
// that "at least this" is "of this type", in the one form that the planner
// knows to follow from an equality.
func least(kind bsonjson.Kind) any {
	switch kind {
	case bsonjson.Int, bsonjson.Double, bsonjson.Decimal:
		return math.Inf(-1)
	case bsonjson.Bool:
		return false
	case bsonjson.Date:
		return bson.DateTime(math.MinInt64)
	case bsonjson.ObjectID:
		return bson.ObjectID{}
	case bsonjson.UUID, bsonjson.Binary:
		return bson.Binary{}
	}
	return ""
}

func (c *compiler) declaredIndexes(d *declaration, at *node) {
	if at.kind != sequenceNode {
		c.problems.add(at, "must be a list of indexes, such as [{keys: [status, -createdAt]}], not %s", at.kind)
		return
	}
	texts := 0
	for _, n := range at.items {
		index, ok := c.index(d, n)
		if !ok {
			continue
		}
		if slices.ContainsFunc(index.Keys, isTextKey) {
			if texts++; texts > 1 {
				c.problems.add(n, "a second text index, and MongoDB holds one a collection")
			}
		}
		if i := slices.IndexFunc(d.c.Indexes, func(other Index) bool { return other.sameAs(index) }); i >= 0 {
			c.problems.add(n, "there is an index with these keys already (%s)", d.c.Indexes[i].Name)
			continue
		}
		d.c.Indexes = append(d.c.Indexes, index)
	}
}

func isTextKey(e bson.E) bool { return e.Value == textKey }

// indexNodes are the parts of one index that must be read in order.
type indexNodes struct {
	keys, where, expire *node
}

func (c *compiler) index(d *declaration, n *node) (Index, bool) {
	before := len(c.problems)
	var index Index
	var parts indexNodes
	if n.kind != mappingNode {
		c.problems.add(n, "must be a mapping with keys, such as {keys: [status]}, not %s", n.kind)
		return index, false
	}
	c.keys(n, "an index", []keyReader{
		{"keys", func(at *node) { parts.keys = at }},
		{"unique", func(at *node) { index.Unique = c.flag(at) }},
		{"where", func(at *node) { parts.where = at }},
		{"expire_after", func(at *node) { parts.expire = at }},
	})
	if parts.keys == nil {
		c.problems.add(n, `"keys" is missing: a list of fields, such as [status, -createdAt]`)
		return index, false
	}
	targets := c.indexKeys(d, parts.keys, &index)
	if parts.where != nil {
		index.Partial = c.where(d, parts.where)
	}
	if parts.expire != nil {
		index.ExpireAfter = c.expireAfter(parts.expire, &index, targets)
	}
	if len(c.problems) > before {
		return index, false
	}
	c.indexOptions(n, &index)
	endWithID(&index)
	index.Name = indexName(index, parts.where != nil)
	return index, len(c.problems) == before
}

// indexOptions notes what MongoDB does not combine.
func (c *compiler) indexOptions(n *node, index *Index) {
	for _, e := range index.Keys {
		if index.Unique && (e.Value == textKey || e.Value == sphereKey) {
			c.problems.add(n.get("unique"), "unique does not fit a %s index", e.Value)
		}
	}
	if len(index.Keys) == 1 && index.Keys[0].Key == "_id" {
		c.problems.add(n.get("keys"), "id has its own unique index already")
	}
}

// endWithID adds the id to the keys, in the direction of the last: lists end
// their order with it, and an index that has it serves them without a sort. Not
// of a unique index, whose keys say what is unique, nor of one that is no order.
func endWithID(index *Index) {
	last := index.Keys[len(index.Keys)-1]
	if index.Unique || index.ExpireAfter != nil || len(index.Keys) == maxIndexKeys {
		return
	}
	for _, e := range index.Keys {
		if e.Key == "_id" || e.Value == textKey || e.Value == sphereKey {
			return
		}
	}
	index.Keys = append(index.Keys, bson.E{Key: "_id", Value: last.Value})
	index.Fields = append(index.Fields, "id")
}

// sameAs reports whether two indexes were declared with the same keys and the
// same filter, and so would serve the same. That of a unique field which leaves
// documents out has the name of one that does not.
func (index Index) sameAs(other Index) bool {
	if leavesOut := index.OfUniqueField && index.Partial != nil; leavesOut != (other.OfUniqueField && other.Partial != nil) {
		return false
	}
	trim := func(name string) string { return strings.TrimSuffix(strings.TrimSuffix(name, "__id_1"), "__id_-1") }
	return trim(index.Name) == trim(other.Name)
}

// indexKeys reads the keys of an index and returns what they lead to.
func (c *compiler) indexKeys(d *declaration, n *node, index *Index) []filter.Target {
	if n.kind != sequenceNode || len(n.items) == 0 || len(n.items) > maxIndexKeys {
		c.problems.add(n, "must be a list of 1 to %d fields, such as [status, -createdAt]", maxIndexKeys)
		return nil
	}
	var targets []filter.Target
	for _, item := range n.items {
		at, path, direction, ok := c.indexKey(item)
		if !ok {
			continue
		}
		target, err := filter.Fields(d.c.Fields)(path)
		if err != nil {
			c.problems.add(at, "%q %s", shorten(path), err)
			continue
		}
		if reason := badKey(target, direction, targets, index); reason != "" {
			c.problems.add(at, "%q %s", path, reason)
			continue
		}
		targets = append(targets, target)
		index.Keys = append(index.Keys, bson.E{Key: target.Stored, Value: direction})
		index.Fields = append(index.Fields, path)
	}
	return targets
}

// indexKey reads one key: field, -field, or {field: text}.
func (c *compiler) indexKey(n *node) (at *node, path string, direction any, ok bool) {
	if n.kind == mappingNode && len(n.entries) == 1 {
		e := n.entries[0]
		word, ok := c.word(e.value)
		if !ok {
			return n, "", nil, false
		}
		_, ok = c.oneOf(e.value, "kind of key", word, []string{textKey, sphereKey})
		return e.key, e.key.text, word, ok
	}
	if n.kind != scalarNode || n.text == "" {
		c.problems.add(n, "must be a field, -field, or a field with its kind such as {location: 2dsphere}")
		return n, "", nil, false
	}
	if path, descending := strings.CutPrefix(n.text, "-"); descending {
		return n, path, int32(-1), true
	}
	return n, n.text, int32(1), true
}

// badKey says why a field cannot be a key of an index beside those before it.
func badKey(target filter.Target, direction any, before []filter.Target, index *Index) string {
	kind := elementKind(target.Shape)
	switch {
	case slices.ContainsFunc(index.Keys, func(e bson.E) bool { return e.Key == target.Stored }):
		return "stands twice in the index"
	case direction == textKey && kind != bsonjson.String && kind != bsonjson.Any:
		return "is not a string, and a text key must be"
	case direction == sphereKey && kind != bsonjson.Geo:
		return "is not of type geo, and a 2dsphere key must be"
	case direction != sphereKey && kind == bsonjson.Geo:
		return "is of type geo and needs its kind: {" + target.Stored + ": 2dsphere}"
	}
	for _, other := range before {
		if direction != textKey && parallel(target.Arrays, other.Arrays) {
			return "lies in another array than " + other.Stored + ", and MongoDB does not index two arrays together"
		}
	}
	return ""
}

func elementKind(shape *bsonjson.Shape) bsonjson.Kind {
	for shape.Kind == bsonjson.Array {
		shape = shape.Items
	}
	return shape.Kind
}

// parallel reports whether two paths lead through different arrays.
func parallel(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return true
		}
	}
	return false
}

// partialOperators are those that MongoDB takes in the filter of an index.
var partialOperators = []filter.Op{filter.And, filter.Or, filter.Eq, filter.Gt, filter.Gte, filter.Lt, filter.Lte, filter.In, filter.Exists}

// where compiles the filter of a partial index.
func (c *compiler) where(d *declaration, n *node) bson.D {
	var faults fault.List
	tree := filter.Parse(appendLiteral(nil, n, anyShape), "", &faults)
	if tree != nil && tree.Empty() {
		c.problems.add(n, "must hold at least one condition, such as {status: active}")
	}
	var bound *filter.Bound
	if tree != nil {
		bound = tree.Bind(filter.Fields(d.c.Fields), &faults)
	}
	c.placed(n, faults)
	if bound == nil {
		return nil
	}
	bound.Walk(func(condition *filter.Node) { c.partialCondition(n.at(condition.Pointer), condition) })
	return bound.BSON()
}

func (c *compiler) partialCondition(at *node, condition *filter.Node) {
	switch op := condition.Op; {
	case !slices.Contains(partialOperators, op):
		c.problems.add(at, "MongoDB does not take %s in the filter of an index; it takes %s", op, list(operatorNames(partialOperators)))
	case op == filter.Exists && len(condition.Values) == 1 && !condition.Values[0].Boolean():
		c.problems.add(at, "MongoDB takes $exists in the filter of an index only as {$exists: true}")
	}
}

func operatorNames(ops []filter.Op) []string {
	names := make([]string, len(ops))
	for i, op := range ops {
		names[i] = op.String()
	}
	return names
}

// expireAfter reads how long after a date MongoDB deletes a document.
func (c *compiler) expireAfter(n *node, index *Index, targets []filter.Target) *time.Duration {
	after, ok := c.lifetime(n)
	if !ok {
		return nil
	}
	if len(targets) != 1 || len(index.Keys) != 1 || targets[0].Shape.Kind != bsonjson.Date {
		c.problems.add(n, "expire_after fits an index with one key, which must be a date")
		return nil
	}
	return &after
}

// indexName is field_1_other_-1, as MongoDB's tools make it. A filter is not
// seen in the keys, so its hash is added; and so it is where the name is too long.
func indexName(index Index, filtered bool) string {
	var parts []string
	for _, e := range index.Keys {
		parts = append(parts, e.Key+"_"+direction(e.Value))
	}
	name := strings.Join(parts, "_")
	if filtered {
		name += "_" + digest(extended(index.Partial))
	}
	if len(name) > maxIndexName {
		short := digest([]byte(name))
		name = strings.ToValidUTF8(name[:maxIndexName-len(short)-1], "") + "_" + short
	}
	return name
}

func direction(value any) string {
	switch value {
	case int32(1):
		return "1"
	case int32(-1):
		return "-1"
	}
	return value.(string)
}

// digest is a short hash for names.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:4])
}
