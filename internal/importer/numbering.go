package importer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// memory is the collection that remembers which number a document without an id
// was given, as {_id: its hash, id: int64}. No schema can declare its name.
const memory = "_sheaf.imports"

// hash is what a document without an id is known by.
type hash [16]byte

// numbering gives documents their ids. It is for one batch at a time.
type numbering struct {
	store      *store.Store
	collection *schema.Collection
	// seen are the texts that came without an id, by a hash, and more how many
	// times they came after the first. Two texts with the same hash are counted
	// together, which does no harm: what a document is known by has all of it.
	seen map[uint64]struct{}
	more map[uint64]uint64
	// raised is the largest id that the sequence is known to be past.
	raised int64
}

func newNumbering(s *store.Store, c *schema.Collection) *numbering {
	return &numbering{store: s, collection: c, seen: map[uint64]struct{}{}, more: map[uint64]uint64{}}
}

// assign gives ids to the documents that have none. It may be called again with
// the same documents after an error.
func (n *numbering) assign(ctx context.Context, documents []*document) error {
	var without []*document
	for _, d := range documents {
		if d.id.Type != 0 {
			continue
		}
		if d.hash == nil {
			d.hash = n.hash(d.text)
		}
		without = append(without, d)
	}
	if n.collection.ID == schema.Increment {
		if err := n.raise(ctx, documents); err != nil {
			return err
		}
		return n.allocate(ctx, without)
	}
	for _, d := range without {
		d.id = n.collection.ID.Derive(*d.hash)
	}
	return nil
}

// hash returns what a text is known by: the collection, the text, and how many
// of the same came before.
func (n *numbering) hash(text []byte) *hash {
	own := sha256.Sum256(text)
	short := binary.LittleEndian.Uint64(own[:])
	if _, again := n.seen[short]; again {
		n.more[short]++
	}
	n.seen[short] = struct{}{}
	whole := sha256.New()
	whole.Write([]byte("sheaf import\x00" + n.collection.Name + "\x00"))
	whole.Write(own[:])
	whole.Write(binary.LittleEndian.AppendUint64(nil, n.more[short]))
	return (*hash)(whole.Sum(nil)[:len(hash{})])
}

// raise makes sure that no id which came with a document is given out later.
func (n *numbering) raise(ctx context.Context, documents []*document) error {
	largest := n.raised
	for _, d := range documents {
		if id, ok := d.id.Int64OK(); ok {
			largest = max(largest, id)
		}
	}
	if largest == n.raised {
		return nil
	}
	if err := n.store.RaiseSequence(ctx, n.collection.Name, largest); err != nil {
		return err
	}
	n.raised = largest
	return nil
}

// allocate gives each document the number that it was given before, or the next
// one, which is remembered before it is used.
func (n *numbering) allocate(ctx context.Context, documents []*document) error {
	documents, err := n.recall(ctx, documents)
	if len(documents) == 0 || err != nil {
		return err
	}
	first, err := n.store.NextIDs(ctx, n.collection.Name, len(documents))
	if err != nil {
		return err
	}
	entries := make([]bson.Raw, len(documents))
	for i, d := range documents {
		d.id = bsonjson.IntValue(first + int64(i))
		entries[i] = bsonjson.NewBuilder(64).Append("_id", entryID(d)).Append("id", d.id).Document()
	}
	failures, err := n.store.InsertMany(ctx, memory, entries)
	if err != nil {
		forget(documents)
		return err
	}
	return n.concede(ctx, documents, failures)
}

// forget takes ids back that may not be remembered.
func forget(documents []*document) {
	for _, d := range documents {
		d.id = bson.RawValue{}
	}
}

// concede gives the documents that another run has numbered meanwhile the
// numbers that they have there.
func (n *numbering) concede(ctx context.Context, documents []*document, failures []store.Failure) error {
	var others []*document
	var trouble error
	for _, failure := range failures {
		others = append(others, documents[failure.Index])
		if failure.Err.Code != fault.DuplicateKey {
			trouble = failure.Err
		}
	}
	forget(others)
	if trouble != nil {
		return trouble
	}
	left, err := n.recall(ctx, others)
	if err == nil && len(left) > 0 {
		return fault.New(fault.WriteConflict, "another import numbers the same documents")
	}
	return err
}

// recall gives documents the numbers that they were given before, and returns
// the others.
func (n *numbering) recall(ctx context.Context, documents []*document) ([]*document, error) {
	if len(documents) == 0 {
		return nil, nil
	}
	keys := make([]bson.RawValue, len(documents))
	for i, d := range documents {
		keys[i] = entryID(d)
	}
	known, err := n.store.GetMany(ctx, memory, keys, maxRead)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(documents, func(d *document) bool {
		entry := known[store.IDKey(entryID(d))]
		if number, ok := entry.Lookup("id").Int64OK(); ok {
			d.id = bsonjson.IntValue(number)
			return true
		}
		return false
	}), nil
}

// entryID is a hash as an _id of the memory: plain bytes, no uuid.
func entryID(d *document) bson.RawValue {
	value := append(binary.LittleEndian.AppendUint32(nil, uint32(len(d.hash))), bson.TypeBinaryGeneric)
	return bson.RawValue{Type: bson.TypeBinary, Value: append(value, d.hash[:]...)}
}
