package schema

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// DeletedAt is the system field of a document that is deleted and kept.
const DeletedAt = "deletedAt"

// Retention says how long something is kept that is not needed any more.
type Retention struct {
	// Keep is at least a second; 0 keeps it for good.
	Keep time.Duration
}

// Keeps reports whether something of a document stays when it is deleted.
func (c *Collection) Keeps() bool { return c.SoftDelete != nil || c.History != nil }

// Deleted reports whether a stored document is one that was deleted and kept.
func (c *Collection) Deleted(doc bson.Raw) bool {
	if c.SoftDelete == nil {
		return false
	}
	at := doc.Lookup(DeletedAt)
	return at.Type != 0 && at.Type != bson.TypeNull
}

// retention reads true, false, or {keep: 30d}.
func (c *compiler) retention(n *node) *Retention {
	if n.kind != mappingNode {
		if !c.flag(n) {
			return nil
		}
		return &Retention{}
	}
	r := &Retention{}
	c.keys(n, "what is kept", []keyReader{{"keep", func(at *node) {
		var ok bool
		if r.Keep, ok = c.lifetime(at); ok && r.Keep == 0 {
			c.problems.add(at, "must be at least 1s; leave it out to keep it for good")
		}
	}}})
	return r
}

// lifetime reads a duration of whole seconds that MongoDB can count.
func (c *compiler) lifetime(n *node) (time.Duration, bool) {
	word, ok := c.word(n)
	if !ok {
		return 0, false
	}
	after, err := parseLifetime(word)
	if err != nil || after < 0 || after%time.Second != 0 || after > math.MaxInt32*time.Second {
		c.problems.add(n, `must be a duration of whole seconds, such as 30d, 720h, 30m or 0s, not %q`, shorten(word))
		return 0, false
	}
	return after, true
}

// parseLifetime reads a duration, which may be a number of days.
func parseLifetime(word string) (time.Duration, error) {
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(word, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(word)
}

// declare writes what is kept into a file; a nil Retention is not in it.
func (r *Retention) declare(file *JSON, name string) {
	switch {
	case r == nil:
	case r.Keep == 0:
		file.set(name, true)
	default:
		file.set(name, JSON{{"keep", r.Keep.String()}})
	}
}

// deletedIndex is the index that finds deleted documents.
const deletedIndex = DeletedAt + "_1_deleted"

// ifDeleted limits an index to deleted documents, onlyLive to those that are not.
var (
	ifDeleted = bson.E{Key: DeletedAt, Value: bson.D{{Key: "$exists", Value: true}}}
	onlyLive  = bson.E{Key: DeletedAt, Value: nil}
)

// softDelete fits the indexes to documents that are deleted and kept: these take
// no unique value, and are found and expire by the time of their delete.
func (c *compiler) softDelete(d *declaration) {
	if d.c.SoftDelete == nil {
		return
	}
	for i := range d.c.Indexes {
		if d.c.Indexes[i].Unique {
			d.c.Indexes[i].leaveDeletedOut()
		}
	}
	own := Index{Name: deletedIndex, Keys: bson.D{{Key: DeletedAt, Value: int32(1)}}, Fields: []string{DeletedAt}, Partial: bson.D{ifDeleted}}
	if keep := d.c.SoftDelete.Keep; keep > 0 {
		own.ExpireAfter = &keep
	}
	d.c.Indexes = append(d.c.Indexes, own)
}

// leaveDeletedOut limits a unique index to documents that are not deleted. A
// condition on the time of the delete that the schema has itself does as well.
func (index *Index) leaveDeletedOut() {
	if slices.ContainsFunc(index.Partial, func(e bson.E) bool { return e.Key == DeletedAt }) {
		return
	}
	const suffix = "_live"
	if len(index.Name) > maxIndexName-len(suffix) {
		index.Name = index.Name[:maxIndexName-len(suffix)]
	}
	index.Name += suffix
	index.Partial, index.LiveOnly = append(slices.Clip(index.Partial), onlyLive), true
}

// Among returns the conditions of a partial index, but for the one that leaves
// deleted documents out; nil for none.
func (index Index) Among() bson.D {
	if !index.LiveOnly {
		return index.Partial
	}
	if len(index.Partial) == 1 {
		return nil
	}
	return index.Partial[:len(index.Partial)-1]
}
