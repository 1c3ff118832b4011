package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// Finding is what stored documents have against a step.
type Finding struct {
	// Step is the place of the step among those that were looked at.
	Step int
	// Collection is where the documents are.
	Collection string
	// Problem says what is wrong with them.
	Problem string
	// Count is how many there are.
	Count int64
	// First are the first of them.
	First []Offender
	// Unknown says why it could not be found out; then nothing else is known.
	Unknown string
}

// Offender is one document that is in the way of a step.
type Offender struct {
	ID bson.RawValue
	// Items say where and how it breaks what is to come.
	Items []fault.Item
}

const (
	// findTime bounds the search for what is in the way of one step. The time of a
	// context bounds it too.
	findTime = 10 * time.Minute
	// mostOffenders is how many documents are told of for a step.
	mostOffenders = 5
)

// Find looks for the stored documents that steps would fail on: those that share
// a value of a unique index, and those that break a validator which takes less
// than the one before. What earlier steps mend is left out. It writes nothing,
// and holds a few documents at a time.
func Find(ctx context.Context, s *store.Store, steps []Step) ([]Finding, error) {
	f := finder{store: s, stored: map[string]string{}, changes: map[string][]*Change{}, awaited: map[string]bson.A{}}
	for i, step := range steps {
		if err := f.step(ctx, i, step); err != nil {
			return nil, err
		}
	}
	return f.findings, nil
}

// finder goes through steps that are not carried out yet.
type finder struct {
	store *store.Store
	// stored are the names by which collections are stored as yet, of those that
	// have another by then; empty for one without documents.
	stored map[string]string
	// changes are those that the documents of a collection will have had by then.
	changes map[string][]*Change
	// awaited are the filters by which documents of a collection were found before:
	// they are told once.
	awaited  map[string]bson.A
	findings []Finding
}

// storedAs returns the present name of a collection, empty for none.
func (f *finder) storedAs(name string) string {
	if stored, renamed := f.stored[name]; renamed {
		return stored
	}
	return name
}

func (f *finder) step(ctx context.Context, i int, s Step) error {
	switch s.Kind {
	case DropCollection:
		f.stored[s.Collection], f.changes[s.Collection] = "", nil
	case RenameCollection:
		f.stored[s.To], f.changes[s.To] = f.storedAs(s.Collection), f.changes[s.Collection]
		f.stored[s.Collection], f.changes[s.Collection] = "", nil
	case Update:
		if s.Change.Todo == "" {
			f.changes[s.Collection] = append(f.changes[s.Collection], s.Change)
		}
	case SetValidator:
		if s.Validator != nil && s.Risk != Expand {
			return f.look(ctx, Finding{Step: i, Collection: s.Collection}, s, f.offenders)
		}
	case CreateIndex:
		if unique, _ := s.Index.Lookup("unique").BooleanOK(); unique {
			return f.look(ctx, Finding{Step: i, Collection: s.Collection}, s, f.duplicates)
		}
	}
	return nil
}

// look searches for what is in the way of a step, and notes what it finds.
func (f *finder) look(ctx context.Context, found Finding, s Step, search func(context.Context, string, Step, *Finding) error) error {
	stored := f.storedAs(s.Collection)
	if stored == "" {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	err := search(limited, stored, s, &found)
	switch {
	case fault.Is(err, fault.Timeout):
		found = Finding{Step: found.Step, Collection: found.Collection, Unknown: "the documents could not be looked at within the time limit"}
	case err != nil:
		return err
	}
	if found.Count > 0 || found.Unknown != "" {
		f.findings = append(f.findings, found)
	}
	return nil
}

// offenders searches for the documents that will break a validator.
func (f *finder) offenders(ctx context.Context, stored string, s Step, found *Finding) error {
	asked, filter, known := awaited(s.Validator, f.changes[s.Collection])
	if !known {
		found.Unknown = "it depends on what earlier steps make of the documents"
		return nil
	}
	told := f.awaited[stored]
	f.awaited[stored] = append(told, filter)
	if told != nil {
		filter = append(filter, bson.E{Key: "$and", Value: bson.A{bson.D{{Key: "$nor", Value: told}}}})
	}
	count, first, err := f.store.Matching(ctx, stored, encoded(filter), mostOffenders)
	if err != nil {
		return err
	}
	found.Problem, found.Count = "break the validator", count
	if count == 1 {
		found.Problem = "breaks the validator"
	}
	for _, doc := range first {
		items := broken(asked, doc)
		if len(items) == 0 {
			items = broken(s.Validator, doc)
		}
		if len(items) == 0 {
			items = []fault.Item{{Code: "check", Detail: "breaks the validator"}}
		}
		found.First = append(found.First, Offender{ID: cloneValue(doc.Lookup("_id")), Items: items})
	}
	return nil
}

func cloneValue(v bson.RawValue) bson.RawValue {
	return bson.RawValue{Type: v.Type, Value: slices.Clone(v.Value)}
}

// duplicates searches for the documents that share a value of a unique index.
func (f *finder) duplicates(ctx context.Context, stored string, s Step, found *Finding) error {
	fields := indexFields(s.Index)
	if slices.ContainsFunc(f.changes[s.Collection], func(c *Change) bool { return c.touches(fields) }) {
		found.Unknown = "it depends on what earlier steps make of the documents"
		return nil
	}
	values, documents, first, err := f.store.Duplicates(ctx, stored, s.Index, mostOffenders)
	if err != nil {
		return err
	}
	found.Count = documents
	found.Problem = fmt.Sprintf("share %d %s of %s", values, pluralOf(values, "value"), strings.Join(fields, ", "))
	for _, shared := range first {
		others := idText(shared.Most)
		if more := shared.Count - 2; more > 0 {
			others += fmt.Sprintf(" and %d more", more)
		}
		pointer := "/" + strings.ReplaceAll(fields[0], ".", "/")
		found.First = append(found.First, Offender{ID: cloneValue(shared.Least), Items: []fault.Item{{Pointer: pointer, Code: "duplicate-key",
			Detail: "is the same as that of id " + others}}})
	}
	return nil
}

func pluralOf(n int64, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func indexFields(index bson.Raw) []string {
	key, _ := index.Lookup("key").DocumentOK()
	var fields []string
	for _, e := range decode(orEmpty(key)) {
		fields = append(fields, clientName("", e.Key))
	}
	return fields
}
