package introspect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// systemEvidence is what was seen of the fields that the service keeps.
type systemEvidence struct {
	// fit counts the documents that have one as the service stores it, unfit
	// those that have something else under its name, by name.
	fit, unfit map[string]int64
}

// systemKinds are the types of the system fields; "" is for a name that must not
// be there, since the id goes by it.
var systemKinds = map[string]string{"id": "", "version": "int", "createdAt": "date", "updatedAt": "date"}

// see counts a system field, and reports whether it is one.
func (e *systemEvidence) see(name string, value bson.RawValue) bool {
	kind, ok := systemKinds[name]
	if !ok {
		return false
	}
	if e.fit == nil {
		e.fit, e.unfit = map[string]int64{}, map[string]int64{}
	}
	if kind == kindOf(value) {
		e.fit[name]++
	} else {
		e.unfit[name]++
	}
	return true
}

// head writes what is to be said of the collection as a whole.
func (s *subject) head(notes schema.Notes) {
	notes.Add("", "Written by sheaf schema pull from the collection %s. Behind each field stands on what it rests.", s.info.Name)
	switch {
	case s.count == 0 && s.read == 0:
		notes.Add("", "There are no documents.")
	case s.whole:
		notes.Add("", "All %s were read.", count(s.read, "document"))
	default:
		notes.Add("", "%s of about %d were read, and MongoDB found no other that this refuses.", count(s.read, "document"), s.count)
	}
	for _, line := range append(s.systemNotes(), s.limits...) {
		notes.Add("", "%s", strings.ToUpper(line[:1])+line[1:]+".")
	}
}

// systemNotes tells what becomes of documents that were stored without the
// service.
func (s *subject) systemNotes() (lines []string) {
	var missing []string
	most := int64(0)
	for _, name := range []string{"version", "createdAt", "updatedAt"} {
		if without := s.read - s.system.fit[name] - s.system.unfit[name]; without > 0 {
			missing, most = append(missing, name), max(most, without)
		}
	}
	if len(missing) > 0 {
		lines = append(lines, fmt.Sprintf("%s without %s: served as they are, as version 0, and given these fields by the first change",
			count(most, "document"), strings.Join(missing, ", ")))
	}
	return lines
}

// systemLimits are what stands in the way under the names of system fields, and
// names that nothing can declare.
func (s *subject) systemLimits() (limits []string) {
	for _, name := range []string{"version", "createdAt", "updatedAt"} {
		if n := s.system.unfit[name]; n > 0 {
			limits = append(limits, fmt.Sprintf("the field %s of %s is not the service's own, and the first change of one replaces it: rename it before", name, count(n, "document")))
		}
	}
	if n := s.system.unfit["id"]; n > 0 {
		limits = append(limits, fmt.Sprintf("%s a field id beside _id, which no schema can declare: it stays, and answers have id twice; rename it (db.%s.updateMany({}, {$rename: {id: \"otherId\"}}))",
			has(n), s.info.Name))
	}
	if n := s.seen.operators; n > 0 {
		limits = append(limits, fmt.Sprintf("%s at the top that begin with a dollar, which MongoDB lets nobody replace: changes are refused until they are renamed", count(n, "name")))
	}
	if n := s.seen.allOperators() - s.seen.operators; n > 0 {
		limits = append(limits, fmt.Sprintf("%s within objects that begin with a dollar, such as $ref, which no schema can declare: what is there stays, and no request can send it", count(n, "name")))
	}
	for _, kind := range slices.Sorted(maps.Keys(s.ids.kinds)) {
		if n := s.ids.kinds[kind]; !fits(s.id, kind) && n > 0 {
			limits = append(limits, fmt.Sprintf("%s an id that is %s, which no request can name, and which pages of a list leave out: ids are of one kind", has(n), article(kind)))
		}
	}
	return limits
}

func fits(id schema.IDKind, kind string) bool {
	return id.String() == kind || id == schema.Increment && kind == "int"
}

// allOperators counts the members with names that begin with a dollar, at any
// depth.
func (o *object) allOperators() int64 {
	n := o.operators
	for _, member := range o.members {
		n += member.operators()
	}
	return n
}

func (e *evidence) operators() (n int64) {
	if e.object != nil {
		n += e.object.allOperators()
	}
	if e.items != nil {
		n += e.items.operators()
	}
	return n
}

func (s *subject) idNote() string {
	switch {
	case s.ids.values == 0:
		return "no document tells"
	case s.id == schema.Int:
		return s.ids.mixture() + "; clients choose them, or with increment the service does"
	case len(s.ids.kinds) > 1:
		return s.ids.mixture()
	}
	return fmt.Sprintf("so in %d of %d documents", s.ids.kinds[s.id.String()], s.read)
}

func (s *subject) openNote() string {
	if s.seen.isMap() {
		return fmt.Sprintf("the documents have %s names, most of them in few documents", s.seen.countNames())
	}
	return "some documents have fields that cannot be declared"
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func has(n int64) string {
	if n == 1 {
		return "1 document has"
	}
	return fmt.Sprintf("%d documents have", n)
}

func article(kind string) string {
	switch kind[0] {
	case 'a', 'i', 'o':
		if kind != foreign {
			return "an " + kind
		}
		return kind
	}
	return "a " + kind
}

func near(name string, among []store.CollectionInfo) string {
	var names []string
	for _, info := range among {
		names = append(names, info.Name)
	}
	return nearest.Hint(name, names)
}
