package migrate

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

const plainC = "collection: c\nid: int\nfields:\n  a: {type: int, unique: true}\n  b: {type: date}\nindexes:\n  - {keys: [b]}\n"

var plainD = strings.Replace(plainC, "collection: c", "collection: d", 1)

func ready(t *testing.T, s *store.Store, m *schema.Model) *Readiness {
	t.Helper()
	r, err := Ready(t.Context(), Options{Store: s, Who: "test"}, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// holdsSteps holds the titles of steps, in any order.
func holdsSteps(t *testing.T, what string, steps []Step, want ...string) {
	t.Helper()
	got := Names(steps)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Instances that start at the same time make a database ready once.
func TestReadyAtTheSameTime(t *testing.T) {
	t.Parallel()
	uri, database := testkit.Mongo(t)
	m := modelOf(t, plainC, plainD)
	var group sync.WaitGroup
	for range 4 {
		s := opened(t, uri, database)
		group.Go(func() {
			if r, err := Ready(context.Background(), Options{Store: s, Who: "test"}, m); err != nil || len(r.Left) > 0 {
				t.Errorf("left %v: %v", r, err)
			}
		})
	}
	group.Wait()
	s := opened(t, uri, database)
	r := ready(t, s, m)
	holdsSteps(t, "once more", r.Done)
	if hash, err := s.CurrentHash(t.Context()); hash != m.Hash {
		t.Errorf("recorded is %q: %v", hash, err)
	}
}

// What adds is carried out, and so is what tightens where nothing is in its way.
func TestReadyCarriesOutWhatIsSafe(t *testing.T) {
	t.Parallel()
	s := open(t)
	ready(t, s, modelOf(t, plainC, plainD))
	more := modelOf(t, plainC+"  - {keys: [a, b]}\n", plainD)
	holdsSteps(t, "one index more", ready(t, s, more).Done, "create index c.a_1_b_1__id_1")
	strict := modelOf(t, strings.Replace(plainC, "a: {type: int, unique: true}", "a: {type: int, required: true, unique: true}", 1), plainD)
	r := ready(t, s, strict)
	holdsSteps(t, "a field that is required now: left", r.Left, "drop index c.a_1_b_1__id_1")
	if !strings.Contains(strings.Join(Names(r.Done), ", "), "set validator c") {
		t.Errorf("done %q", Names(r.Done))
	}
	if r.Behind() != nil {
		t.Errorf("behind: %v", r.Behind())
	}
	doc := encoded(bson.D{{Key: "_id", Value: int64(1)}, {Key: "version", Value: int64(1)}, {Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}})
	if err := s.Insert(t.Context(), "c", doc); !fault.Is(err, fault.ValidationFailed) {
		t.Errorf("MongoDB takes a document without the field: %v", err)
	}
}

// What stored documents are in the way of is left, and told of; the rest is done.
func TestReadyLeavesWhatDocumentsAreInTheWayOf(t *testing.T) {
	t.Parallel()
	s := open(t)
	document := func(id, a int64) bson.D {
		return bson.D{{Key: "_id", Value: id}, {Key: "a", Value: a}, {Key: "version", Value: int64(1)}, {Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}}
	}
	mustInsert(t, s, "c", document(1, 1), document(2, 1), document(3, 2))
	m := modelOf(t, plainC, plainD)
	r := ready(t, s, m)
	holdsSteps(t, "left", r.Left, "create index c.a_1")
	if r.Behind() != nil || len(r.Findings) != 1 || r.Findings[0].Count != 2 {
		t.Errorf("findings %+v, behind %v", r.Findings, r.Behind())
	}
	if lines := strings.Join(r.Lines(), "\n"); !strings.Contains(lines, "tighten: create index c.a_1\n  ") || !strings.Contains(lines, "id 1: /a") {
		t.Errorf("told is %s", lines)
	}
	if _, err := s.DeleteMany(t.Context(), "c", []bson.RawValue{encoded(document(2, 1)).Lookup("_id")}); err != nil {
		t.Fatal(err)
	}
	holdsSteps(t, "without them", ready(t, s, m).Done, "create index c.a_1")
}

// A database that lacks what adds is behind; one that lacks what tightens is not.
func TestBehind(t *testing.T) {
	t.Parallel()
	s := open(t)
	check := func(m *schema.Model) error {
		t.Helper()
		r, err := Check(t.Context(), s, m)
		if err != nil {
			t.Fatal(err)
		}
		return r.Behind()
	}
	first := modelOf(t, plainC)
	if err := check(first); err == nil || !strings.Contains(err.Error(), "create collection c") || !strings.Contains(err.Error(), "run sheaf migrate up") {
		t.Errorf("an empty database: %v", err)
	}
	ready(t, s, first)
	if err := check(first); err != nil {
		t.Error(err)
	}
	if err := check(modelOf(t, strings.Replace(plainC, "b: {type: date}", "b: {type: date, required: true}", 1))); err != nil {
		t.Errorf("a tighter rule: %v", err)
	}
	if err := check(modelOf(t, strings.Replace(plainC, "b: {type: date}", "b: {type: date}\n  n: {type: int}", 1))); err == nil {
		t.Error("a new field needs a validator that admits it")
	}
}
