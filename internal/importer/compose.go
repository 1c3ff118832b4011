package importer

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// create makes what is stored where there is no such document yet.
func (d *document) create(r *run) {
	if d.attempted == Imported {
		return // what was sent is compared with what is there
	}
	d.attempted = Imported
	body := d.decoded.Body
	if r.Mode == Merge {
		body = bsonjson.Fresh(body, r.Collection.Fields, r.Now)
		var faults fault.List
		r.Collection.Check(body, "", &faults)
		d.judge(r, &faults)
	} else if d.exported() {
		d.stored = d.decoded.Whole(d.id)
		return
	}
	d.stored = d.stamp(body, bsonjson.IntValue(1), bsonjson.DateValue(r.Now), r)
}

// stamp puts the system fields around a body: those that came, or others.
func (d *document) stamp(body bson.Raw, version, createdAt bson.RawValue, r *run) bson.Raw {
	system := &d.decoded.System
	b := bsonjson.NewBuilder(len(body)+96).
		Append("_id", d.id).
		AppendAll(body, nil).
		Append("version", pick(system[bsonjson.Version], version)).
		Append("createdAt", pick(system[bsonjson.CreatedAt], createdAt)).
		Append("updatedAt", pick(system[bsonjson.UpdatedAt], bsonjson.DateValue(r.Now)))
	if at := system[bsonjson.DeletedAt]; sent(at) {
		b.Append(schema.DeletedAt, at)
	}
	return b.Document()
}

// succeed makes what is stored in the place of another version, and reports
// whether that is to be done: where nothing changes the document is left alone.
func (d *document) succeed(current bson.Raw, r *run) bool {
	next, same := d.next(current, r)
	if same {
		d.outcome = Present
		return false
	}
	var faults fault.List
	if r.Mode == Merge {
		r.Collection.Check(r.withoutSystem(next), "", &faults)
	}
	for _, pointer := range r.Collection.ShardKey.Moved(current, next) {
		faults.Add(pointer, "immutable", "is part of the shard key, which never changes; create the document anew and delete this one")
	}
	d.judge(r, &faults)
	d.stored, d.attempted = next, Changed
	return d.outcome == Pending
}

// next is what becomes of a stored document, and whether that is the same.
func (d *document) next(current bson.Raw, r *run) (next bson.Raw, same bool) {
	if r.Mode == Upsert && d.exported() {
		next = d.decoded.Whole(d.id)
		return next, bytes.Equal(next, current)
	}
	body := d.decoded.Body
	if r.Mode == Merge {
		before := r.withoutSystem(current)
		body = bsonjson.Merge(before, body, r.Collection.Fields, r.Now)
		same = bytes.Equal(body, before)
	} else {
		same = d.sameAs(current, r)
	}
	version, _ := current.Lookup("version").AsInt64OK()
	createdAt := current.Lookup("createdAt")
	if createdAt.Type != bson.TypeDateTime {
		createdAt = bsonjson.DateValue(r.Now)
	}
	return d.stamp(body, bsonjson.IntValue(version+1), createdAt, r), same && d.keepsSystem(current)
}

// keepsSystem reports whether the system fields that came are as stored.
func (d *document) keepsSystem(current bson.Raw) bool {
	for _, field := range [...]bsonjson.System{bsonjson.Version, bsonjson.CreatedAt, bsonjson.UpdatedAt, bsonjson.DeletedAt} {
		value, stored := d.decoded.System[field], current.Lookup(field.Stored())
		if sent(value) && (stored.Type != value.Type || !bytes.Equal(stored.Value, value.Value)) {
			return false
		}
	}
	return true
}

// written notes that the document is stored as it was sent: by a command whose
// answer did not come, or told of others only.
func (d *document) written(current bson.Raw) bool {
	if d.attempted == Pending || !bytes.Equal(current, d.stored) {
		return false
	}
	d.outcome = d.attempted
	return true
}

// sameAs reports whether a stored document has the content of this one. The
// system fields do not count, nor the values that it got for want of its own:
// those can be another every time.
func (d *document) sameAs(stored bson.Raw, r *run) bool {
	body := r.withoutSystem(stored)
	if !d.decoded.Defaulted {
		return same(body, d.decoded.Body, d.decoded.Body)
	}
	sent, err := bsonjson.Decode(d.text, r.fields, bsonjson.Options{Extended: true, Exact: true}, new(fault.List))
	return err == nil && same(body, d.decoded.Body, sent.Body)
}

func (r *run) withoutSystem(doc bson.Raw) bson.Raw {
	return bsonjson.NewBuilder(len(doc)).AppendAll(doc, func(name []byte) bool { return !r.isSystem(string(name)) }).Document()
}

func (r *run) isSystem(name string) bool {
	return name == "_id" || name == "version" || name == "createdAt" || name == "updatedAt" || name == schema.DeletedAt && r.Collection.SoftDelete != nil
}

// same compares a stored document or array with one that has its defaults, of
// which sent is what came.
func same(stored, complete, sent bson.Raw) bool {
	if bytes.Equal(stored, complete) {
		return true
	}
	members, err := complete.Elements()
	there, thereErr := stored.Elements()
	came, cameErr := sent.Elements()
	if err != nil || thereErr != nil || cameErr != nil || len(members) != len(there) {
		return false
	}
	for i, member := range members {
		other, ok := named(there, i, member.Key())
		if !ok {
			return false
		}
		if own, ok := named(came, i, member.Key()); ok && !sameValue(other, member.Value(), own) {
			return false
		}
	}
	return true
}

// named returns the value of a name, which is most often at the place i.
func named(members []bson.RawElement, i int, name string) (bson.RawValue, bool) {
	if i < len(members) && members[i].Key() == name {
		return members[i].Value(), true
	}
	for _, member := range members {
		if member.Key() == name {
			return member.Value(), true
		}
	}
	return bson.RawValue{}, false
}

func sameValue(stored, complete, sent bson.RawValue) bool {
	if stored.Type != complete.Type {
		return false
	}
	if stored.Type == bson.TypeEmbeddedDocument || stored.Type == bson.TypeArray {
		return same(stored.Value, complete.Value, sent.Value)
	}
	return bytes.Equal(stored.Value, complete.Value)
}
