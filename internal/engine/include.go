package engine

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// include returns documents of the plan's collection as the client asked for
// them: with those that they are related to, each put in as a member called as
// the relation, and without what was read for that alone. Every relation costs
// at most one command, however many the documents. It is an InvalidParameter
// fault where the plan's limits are not enough.
func (e *Engine) include(ctx context.Context, plan *query.Plan, docs []bson.Raw) ([]bson.Raw, error) {
	i := inclusion{engine: e, limits: plan.Limits}
	complete, err := i.complete(ctx, plan, docs)
	if err != nil {
		return nil, err
	}
	for n, c := range complete {
		docs[n] = c.doc
	}
	return docs, nil
}

// inclusion reads what the documents of one answer include.
type inclusion struct {
	engine *Engine
	limits query.Limits
	// read is what was read so far, for all relations.
	read size
}

// size is how much of something there is.
type size struct {
	documents int
	bytes     int64
}

func (s *size) add(other size) {
	s.documents += other.documents
	s.bytes += other.bytes
}

// completed is a document with what it includes, and how much that is.
type completed struct {
	doc      bson.Raw
	included size
}

// whole is the size of the document and of what it includes.
func (c completed) whole() size { return size{c.included.documents + 1, int64(len(c.doc))} }

// related are the documents that a relation leads to.
type related struct {
	include *query.Include
	docs    []completed
	// of returns which of docs a document is related to, in their order.
	of func(doc bson.Raw) []int
}

func (r related) links(doc bson.Raw) []int {
	links := r.of(doc)
	if !r.include.Relation.Many && len(links) > 1 {
		links = links[:1]
	}
	return links
}

// complete reads what the documents of a plan include, level by level, and puts
// it in.
func (i *inclusion) complete(ctx context.Context, plan *query.Plan, docs []bson.Raw) ([]completed, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	relations := make([]related, len(plan.Includes))
	for n, include := range plan.Includes {
		found, err := i.find(ctx, plan.Collection, include, docs)
		if err != nil {
			return nil, err
		}
		inner, err := i.complete(ctx, include.Plan, found.docs)
		if err != nil {
			return nil, err
		}
		for k := range inner {
			inner[k].doc = WithPlainID(inner[k].doc)
		}
		relations[n] = related{include: include, docs: inner, of: found.of}
	}
	seen, err := readable(ctx, plan.Collection)
	if err != nil {
		return nil, err
	}
	return i.embed(plan, seen, relations, docs)
}

// embed puts related documents into those that they are related to, as far as the
// caller sees these.
func (i *inclusion) embed(plan *query.Plan, seen *permit, relations []related, docs []bson.Raw) ([]completed, error) {
	whole := make([]completed, len(docs))
	var all size
	for n, doc := range docs {
		if whole[n].doc = plan.Prune(partSeen(plan, seen, doc)); len(relations) == 0 {
			continue
		}
		links := make([][]int, len(relations))
		for k, relation := range relations {
			links[k] = relation.links(doc)
			for _, at := range links[k] {
				whole[n].included.add(relation.docs[at].whole())
			}
			// Checked before it is built: what is included many times is large.
			if err := i.admits(relation.include, all, whole[n].included); err != nil {
				return nil, err
			}
		}
		all.add(whole[n].included)
		whole[n].doc = embedded(plan.Collection, whole[n].doc, relations, links, int(whole[n].included.bytes))
	}
	return whole, nil
}

// partSeen returns what the caller sees of a document that was read. Of one that
// was read in part it is what every rule shows, since what the rules are about may
// be missing.
func partSeen(plan *query.Plan, seen *permit, doc bson.Raw) bson.Raw {
	if plan.Selects {
		return seen.common(doc)
	}
	doc, _ = seen.shown(doc)
	return doc
}

// embedded returns a document with its related documents as members. size is
// about how much longer it gets.
func embedded(collection *schema.Collection, doc bson.Raw, relations []related, links [][]int, size int) bson.Raw {
	b := bsonjson.NewBuilder(len(doc) + size + 32*len(relations))
	if collection.Fields.Open() { // which can have stored a member of the same name
		b.AppendAll(doc, func(name []byte) bool {
			return !slices.ContainsFunc(relations, func(r related) bool { return r.include.Relation.Name == string(name) })
		})
	} else {
		b.AppendAll(doc, nil)
	}
	for n, r := range relations {
		b.Append(r.include.Relation.Name, r.value(links[n]))
	}
	return b.Document()
}

// value is the member of a document that is related to some.
func (r related) value(links []int) bson.RawValue {
	switch {
	case r.include.Relation.Many:
		b := bsonjson.NewBuilder(0)
		for n, at := range links {
			b.Append(strconv.Itoa(n), bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.docs[at].doc})
		}
		return bson.RawValue{Type: bson.TypeArray, Value: b.Document()}
	case len(links) == 0:
		return bson.RawValue{Type: bson.TypeNull}
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.docs[links[0]].doc}
}

// WithPlainID returns a stored document with its id as clients know it.
// MongoDB keeps _id in the first place.
func WithPlainID(doc bson.Raw) bson.Raw {
	const stored, plain = "_id\x00", "id\x00"
	const at = 5 // after the length and the type
	if len(doc) < at+len(stored) || string(doc[at:at+len(stored)]) != stored {
		return doc
	}
	dst := append(make(bson.Raw, 0, len(doc)-1), doc[:at]...)
	dst = append(append(dst, plain...), doc[at+len(stored):]...)
	binary.LittleEndian.PutUint32(dst, uint32(len(dst)))
	return dst
}

// admits refuses what goes beyond the limits of one answer.
func (i *inclusion) admits(include *query.Include, sizes ...size) error {
	var all size
	for _, s := range sizes {
		all.add(s)
	}
	switch {
	case all.documents > i.limits.IncludedDocuments:
		return include.TooMuch(strconv.Itoa(i.limits.IncludedDocuments) + " documents")
	case all.bytes > i.limits.IncludedBytes:
		return include.TooMuch(strconv.FormatInt(i.limits.IncludedBytes, 10) + " bytes")
	}
	return nil
}
