package introspect_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/schema"
)

// TestWhatIsWrittenAcceptsWhatIsThere makes documents of every form, loads them
// past the service, and holds that the files of the database compile, admit every
// document that they can, and serve them: each is read and changed.
func TestWhatIsWrittenAcceptsWhatIsThere(t *testing.T) {
	for seed := range uint64(12) {
		for _, sample := range []int{1000, 5} {
			t.Run(fmt.Sprintf("%d of %d", seed, sample), func(t *testing.T) {
				t.Parallel()
				o := newOthers(t)
				m := maker{rand.New(rand.NewPCG(seed, 1))}
				for _, name := range []string{"plain", "messy"} {
					o.fill(name, m.documents(name == "messy")...)
				}
				p := o.pull(sample)
				for _, c := range p.Collections {
					o.holdAccepted(c, sample == 1000, p.limits(c.Name), p.text(t, c.Name))
				}
				o.holdServed(p)
			})
		}
	}
}

// holdAccepted holds that a collection admits its documents; what it does not
// must be told.
func (o *others) holdAccepted(c *schema.Collection, whole bool, limits []string, file string) {
	o.Helper()
	for _, doc := range o.all(c.Name) {
		var faults fault.List
		c.Check(doc, "", &faults)
		for _, item := range faults.Items {
			if !told(item, limits) && (whole || !beyond(item, file)) {
				o.Errorf("%s: %s %s\n%s\n%s", item.Pointer, item.Code, item.Detail, doc, file)
			}
		}
	}
}

// beyond reports whether a fault is one that MongoDB cannot look for, so that it
// is known only of documents that were read: names that begin with a dollar where
// other fields are kept, what is no UUID, no geometry or no number, and the lack
// of a field with a dot in its name. The service serves such documents all the same.
func beyond(item fault.Item, file string) bool {
	dollar := strings.Contains(item.Pointer, "/$") && strings.Contains(file, "additional: keep")
	return dollar || item.Code == "range" || strings.HasSuffix(item.Detail, "must be a uuid") || strings.HasPrefix(item.Code, "geo") ||
		item.Code == "required" && strings.Contains(item.Pointer, ".")
}

// told reports whether the limits speak of a fault.
func told(item fault.Item, limits []string) bool {
	all := strings.Join(limits, "\n")
	switch {
	case strings.Contains(item.Pointer, "/$"):
		return strings.Contains(all, "begin with a dollar")
	case item.Pointer == "/id":
		return strings.Contains(all, "a field id beside _id")
	case item.Pointer == "/_id":
		return strings.Contains(all, "an id that is")
	case item.Pointer == "/version" || item.Pointer == "/createdAt" || item.Pointer == "/updatedAt":
		return strings.Contains(all, "the field "+item.Pointer[1:])
	}
	return false
}

// holdServed makes the database ready, and reads and changes every document that
// has an id of the kind.
func (o *others) holdServed(p pulled) {
	o.Helper()
	if _, err := migrate.Ready(o.Context(), migrate.Options{Store: o.store, Who: "test"}, p.Model); err != nil {
		o.Fatal(err)
	}
	e := engine.New(o.store, p.Model)
	for _, c := range p.Collections {
		for _, doc := range o.all(c.Name) {
			id := doc.Lookup("_id")
			var faults fault.List
			c.Check(doc, "", &faults)
			if faults.Has("/_id") || faults.Has("/$ref") {
				continue // it is told
			}
			results, err := e.Apply(o.Context(), engine.Write{Verb: engine.Merge, Collection: c, ID: id, Body: []byte(`{}`)})
			if err != nil {
				o.Errorf("the change of %s: %v\n%s", doc, err, p.text(o, c.Name))
				continue
			}
			if after := results[0].Document; engine.Version(after) != engine.Version(doc)+1 {
				o.Errorf("%s became %s", doc, after)
			}
		}
	}
}

// maker makes documents.
type maker struct{ *rand.Rand }

var memberNames = []string{"name", "two words", "dotted.name", "ümläut", "n", "true", "12", "-x", "a: b", "#c", "x/y~z", "", "type", "日本"}

// form makes the values of one place.
type form func() any

func (m maker) documents(messy bool) []bson.D {
	object := m.object(3, messy)
	docs := make([]bson.D, 5+m.IntN(60))
	for i := range docs {
		docs[i] = append(bson.D{{Key: "_id", Value: m.id(messy, i)}}, object().(bson.D)...)
		if messy {
			docs[i] = append(docs[i], m.system()...)
		}
	}
	return docs
}

func (m maker) id(messy bool, i int) any {
	kinds := []any{int32(i), int64(i), float64(i), bson.NewObjectID(), fmt.Sprint("id", i), bson.Binary{Subtype: 4, Data: append(make([]byte, 15), byte(i))}}
	if messy && m.IntN(2) == 0 {
		return kinds[m.IntN(len(kinds))]
	}
	return kinds[i%2]
}

// system makes members under the names that the service keeps.
func (m maker) system() (members bson.D) {
	for _, name := range []string{"id", "version", "createdAt", "updatedAt", "$ref"} {
		if m.IntN(8) == 0 {
			members = append(members, bson.E{Key: name, Value: []any{int32(3), "1.2", bson.DateTime(5), nil, 2.0}[m.IntN(5)]})
		}
	}
	return members
}

// object makes objects with the same members, each now and then left out.
func (m maker) object(depth int, messy bool) form {
	names, forms, often := m.Perm(len(memberNames))[:1+m.IntN(6)], []form{}, []int{}
	for range names {
		forms, often = append(forms, m.form(depth, messy)), append(often, m.IntN(4))
	}
	return func() any {
		out := bson.D{}
		for i, name := range names {
			if often[i] == 0 && m.IntN(3) == 0 {
				continue
			}
			if memberNames[name] != "" || messy {
				out = append(out, bson.E{Key: memberNames[name], Value: forms[i]()})
			}
		}
		if messy && m.IntN(30) == 0 {
			out = append(bson.D{{Key: "$ref", Value: "things"}, {Key: "$id", Value: int32(1)}}, out...) // a DBRef
		}
		return out
	}
}

func (m maker) form(depth int, messy bool) form {
	one := m.oneForm(depth, messy)
	switch m.IntN(6) {
	case 0:
		other := m.oneForm(depth, messy)
		return func() any {
			if m.IntN(5) == 0 {
				return other()
			}
			return one()
		}
	case 1:
		return func() any {
			if m.IntN(4) == 0 {
				return nil
			}
			return one()
		}
	}
	return one
}

func (m maker) oneForm(depth int, messy bool) form {
	kinds := 16
	if depth == 0 {
		kinds = 12
	}
	switch m.IntN(kinds) {
	case 0, 1:
		return func() any { return []string{"red", "green", "blue"}[m.IntN(3)] }
	case 2:
		return func() any { return fmt.Sprint("text ", m.IntN(1000), "\n\u2028\x01é") }
	case 3:
		return func() any { return []any{int32(m.IntN(5)), int64(m.IntN(9) - 4)}[m.IntN(2)] }
	case 4:
		return func() any { return []any{int32(m.IntN(5)), m.Float64(), int64(1) << 60}[m.IntN(3)] }
	case 5:
		return func() any { return bson.NewDecimal128(0x3040000000000000, m.Uint64N(1000)) }
	case 6:
		return func() any { return m.IntN(2) == 0 }
	case 7:
		return func() any { return bson.NewDateTimeFromTime(time.Unix(m.Int64N(1e9), 0)) }
	case 8:
		return func() any { return bson.NewObjectID() }
	case 9:
		return func() any { return bson.Binary{Subtype: []byte{0, 4}[m.IntN(2)], Data: make([]byte, 16)} }
	case 10:
		return func() any {
			return []any{math.NaN(), math.Inf(1), 1.5, bson.Regex{Pattern: "a"}, bson.Timestamp{T: 1}, bson.MinKey{}, bson.Undefined{}}[m.IntN(7)]
		}
	case 11:
		return func() any {
			return bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{m.Float64() * 90, int32(m.IntN(90))}}}
		}
	case 12:
		return func() any { return bson.D{{Key: fmt.Sprint("key", m.IntN(1000)), Value: int32(1)}} }
	case 13:
		item := m.form(depth-1, messy)
		return func() any {
			list := bson.A{}
			for range m.IntN(4) {
				list = append(list, item())
			}
			return list
		}
	}
	return m.object(depth-1, messy)
}
