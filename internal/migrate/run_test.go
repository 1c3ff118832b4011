package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

func mustUp(t *testing.T, o Options, migrations []*Migration, to, want string) {
	t.Helper()
	names, err := Up(t.Context(), o, migrations, to)
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Fatalf("up applied %q, want %q (%v)", got, want, err)
	}
}

func mustDown(t *testing.T, o Options, migrations []*Migration, to string, count int, want string) {
	t.Helper()
	names, err := Down(t.Context(), o, migrations, to, count)
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Fatalf("down undid %q, want %q (%v)", got, want, err)
	}
}

func TestUpAndDownGoWhereTheyAreTold(t *testing.T) {
	s := open(t)
	seed(t, s)
	o, all := quick(s), scenario()
	mustUp(t, o, all, "0002_count", "0001_cities 0002_count")
	mustUp(t, o, all, "0001_cities", "")
	mustUp(t, o, all, "", "0003_tight")
	mustUp(t, o, all, "", "")
	mustDown(t, o, all, "", 1, "0003_tight")
	mustDown(t, o, all, "0001_cities", 0, "0002_count")
	mustUp(t, o, all, "", "0002_count 0003_tight")
	mustDown(t, o, all, "", 9, "0003_tight 0002_count 0001_cities")
	mustDown(t, o, all, "", 1, "")
	if holder, err := s.LeaseHolder(t.Context(), leaseName); err != nil || !holder.Free {
		t.Errorf("the lease is kept: %+v (%v)", holder, err)
	}
}

func TestHistoryTellsWhoAndWhen(t *testing.T) {
	s := open(t)
	seed(t, s)
	before := time.Now().Add(-time.Second)
	mustUp(t, quick(s), scenario(), "0002_count", "0001_cities 0002_count")
	records, err := s.Migrations(t.Context())
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records (%v)", len(records), err)
	}
	for _, r := range records {
		if r.Who != "ada@test" || r.Fence == 0 || r.StartedAt.Before(before) || r.FinishedAt.Before(r.StartedAt) || r.Checksum == "" {
			t.Errorf("the history holds %+v", r)
		}
	}
}

// What is refused is refused before anything changes.
func TestRefusals(t *testing.T) {
	update := func(c Change) Step { return Step{Kind: Update, Collection: "people", Change: &c} }
	create := Step{Kind: CreateCollection, Collection: "cities"}
	drop := Step{Kind: DropCollection, Collection: "people", Risk: Contract, Irreversible: "the documents of people are gone"}
	for name, test := range map[string]struct {
		first, then *Migration
		to          string
		down        bool
		want        string
	}{
		"a step that deletes": {
			first: &Migration{Name: "0001_a", Up: []Step{create, drop}},
			want:  "0001_a: drop collection people deletes what nothing brings back: say --allow-drop if that is meant",
		},
		"a step that is not filled in": {
			first: &Migration{Name: "0001_a", Up: []Step{create, update(Change{Todo: "say what name becomes"})}},
			want:  "0001_a is not finished: say what name becomes",
		},
		"a changed file": {
			first: &Migration{Name: "0001_a", Checksum: "old", Up: []Step{create}},
			then:  &Migration{Name: "0001_a", Checksum: "new", Up: []Step{create}},
			want:  "0001_a was changed after it was applied by ada@test at ",
		},
		"a way down that deletes": {
			first: &Migration{Name: "0001_a", Up: []Step{create}, Down: []Step{{Kind: DropCollection, Collection: "cities", Risk: Contract}}},
			then:  &Migration{Name: "0001_a", Up: []Step{create}, Down: []Step{{Kind: DropCollection, Collection: "cities", Risk: Contract}}},
			down:  true,
			want:  "0001_a: drop collection cities deletes what nothing brings back: say --allow-drop if that is meant",
		},
		"an unknown name": {
			first: &Migration{Name: "0001_first", Up: []Step{create}},
			to:    "0001_frist",
			want:  `there is no migration "0001_frist"; did you mean "0001_first"?`,
		},
		"what cannot be undone": {
			first: &Migration{Name: "0001_a", Up: []Step{create}},
			then:  &Migration{Name: "0001_a", Up: []Step{create, drop}, Down: []Step{create}},
			down:  true,
			want:  "0001_a cannot be undone: the documents of people are gone",
		},
		"what has no way back": {
			first: &Migration{Name: "0001_a", Up: []Step{create}},
			then:  &Migration{Name: "0001_a", Up: []Step{create}, OneWay: true},
			down:  true,
			want:  "0001_a cannot be undone: the file has no down steps",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			o := quick(s)
			o.AllowDrop = false
			all := []*Migration{test.first}
			if test.then != nil {
				mustUp(t, o, all, "", test.first.Name)
				all = []*Migration{test.then}
			}
			before := picture(t, s)
			err := travelTo(t.Context(), o, all, test.to, test.down)
			if err == nil || !strings.Contains(plain(err), test.want) {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
			if after := picture(t, s); after != before {
				t.Errorf("it changed the database to\n%s", after)
			}
		})
	}
}

func travelTo(ctx context.Context, o Options, all []*Migration, to string, down bool) error {
	var err error
	if down {
		_, err = Down(ctx, o, all, to, 1)
	} else {
		_, err = Up(ctx, o, all, to)
	}
	return err
}

// stopAfter returns a context that ends once progress was told so often of a step
// over documents, and the options that do so.
func stopAfter(t *testing.T, o Options, ranges int32) (context.Context, Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var told atomic.Int32
	o.Progress = func(p Progress) {
		if p.Point != nil && p.Point.Read > 0 && told.Add(1) == ranges {
			cancel()
		}
	}
	return ctx, o
}

func TestAnInterruptedRunTellsTheExactPoint(t *testing.T) {
	s := open(t)
	seed(t, s)
	ctx, o := stopAfter(t, quick(s), 1)
	names, err := Up(ctx, o, scenario(), "")
	stopped, ok := errors.AsType[*Stopped](err)
	if !ok || !errors.Is(err, ErrInterrupted) || strings.Join(names, " ") != "0001_cities" {
		t.Fatalf("the run applied %v and ended with %v", names, err)
	}
	if want := `stopped in 0002_count at step 1 of 2, update people: pipeline, after 6 of about 10 documents, the last with id "p1"`; stopped.Where() != want {
		t.Errorf("it says\n%s\nnot\n%s", stopped.Where(), want)
	}
	status, err := ReadStatus(t.Context(), s, scenario())
	if err != nil {
		t.Fatal(err)
	}
	half := status.Migrations[1]
	if half.State != "applying" || half.Next != "update people: pipeline" || half.Point == nil || half.Point.Read != 6 || string(half.Point.After) != `"p1"` {
		t.Errorf("the status is %+v %+v", half, half.Point)
	}
	if status.Migrations[0].State != "applied" || status.Migrations[2].State != "pending" || status.Lease != nil {
		t.Errorf("the status is %+v", status)
	}
	mustUp(t, quick(s), scenario(), "", "0002_count 0003_tight")
	for _, doc := range contents(t, s, "people") {
		if n := doc.Lookup("n").AsInt64(); n > 1 || n == 0 && !doc.Lookup("skip").Boolean() {
			t.Errorf("the document was changed %d times: %s", n, doc)
		}
	}
}

// A migration that is half applied can be undone, but for pipelines that would meet
// documents that were not changed.
func TestTurningAround(t *testing.T) {
	s := open(t)
	seed(t, s)
	ctx, o := stopAfter(t, quick(s), 1)
	if _, err := Up(ctx, o, scenario(), ""); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	_, err := Down(t.Context(), quick(s), scenario(), "", 1)
	if err == nil || !strings.Contains(plain(err), "0002_count is half applied") {
		t.Errorf("the error is %v", err)
	}
	renaming := scenario()
	renaming[1].Up, renaming[1].Down = renaming[1].Up[1:], renaming[1].Down[:1]
	mustUp(t, quick(s), scenario(), "", "0002_count 0003_tight")
	mustDown(t, quick(s), scenario(), "0001_cities", 0, "0003_tight 0002_count")
	ctx, o = stopAfter(t, quick(s), 1)
	if _, err := Up(ctx, o, renaming, ""); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	mustDown(t, quick(s), renaming, "", 1, "0002_count")
	for _, doc := range contents(t, s, "people") {
		if _, err := doc.LookupErr("name"); err != nil {
			t.Errorf("the document stays changed: %s", doc)
		}
	}
}

// Documents that others store behind the point reached are changed as well, where
// the change tells which they are.
func TestDocumentsBehindThePointAreChanged(t *testing.T) {
	s := open(t)
	seed(t, s)
	o := quick(s)
	var once atomic.Bool
	o.Progress = func(p Progress) {
		if p.Point != nil && p.Point.Read > 0 && once.CompareAndSwap(false, true) {
			mustInsert(t, s, "people", bson.D{{Key: "_id", Value: int64(-1)}, {Key: "name", Value: "late"}, {Key: "n", Value: 0}})
		}
	}
	all := scenario()[1:2]
	all[0].Up = all[0].Up[1:]
	mustUp(t, o, all, "", "0002_count")
	for _, doc := range contents(t, s, "people") {
		if _, err := doc.LookupErr("title"); err != nil {
			t.Errorf("the document is not changed: %s", doc)
		}
	}
}

// Where the history of documents is kept, the versions that a step makes are in it,
// and it follows its collection to another name.
func TestAStepIsInTheHistoryOfDocuments(t *testing.T) {
	s := open(t)
	seed(t, s)
	model, err := schema.Load(fstest.MapFS{"people.yaml": {Data: []byte("collection: people\nid: string\nhistory: true\nfields: {name: {type: string}}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	people, _ := model.Lookup("people")
	if err := s.PrepareHistory(t.Context(), people); err != nil {
		t.Fatal(err)
	}
	all := scenario()[1:2]
	all[0].Up = append(all[0].Up, Step{Kind: RenameCollection, Collection: "people", To: "persons", Risk: Contract})
	mustUp(t, quick(s), all, "", "0002_count")
	for _, doc := range contents(t, s, "persons") {
		entries, _, err := s.History(t.Context(), "persons", doc.Lookup("_id"), 0, 10)
		want := 2
		if _, err := doc.LookupErr("skip"); err == nil {
			want = 1
		}
		if err != nil || len(entries) != want {
			t.Errorf("the document %s has %d versions in its history (%v)", doc, len(entries), err)
			continue
		}
		if newest := entries[0]; newest.Version != doc.Lookup("version").Int64() || !bytes.Equal(newest.Document, doc) || newest.Caller != "ada@test" {
			t.Errorf("the newest version of %s is %+v", doc, newest)
		}
	}
}

// A change that selects what it leaves as it is comes to its end.
func TestAChangeThatChangesNothingEnds(t *testing.T) {
	s := open(t)
	mustInsert(t, s, "people", bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: bson.A{1}}})
	all := []*Migration{{Name: "0001_a", Up: []Step{{Kind: Update, Collection: "people", Change: &Change{Unset: []string{"a.0"}}}}}}
	mustUp(t, quick(s), all, "", "0001_a")
}

func TestADocumentInTheWayIsNamed(t *testing.T) {
	s := open(t)
	seed(t, s)
	mustInsert(t, s, "people", bson.D{{Key: "_id", Value: int64(100)}, {Key: "n", Value: "many"}})
	_, err := Up(t.Context(), quick(s), scenario(), "")
	document, ok := errors.AsType[*DocumentError](err)
	if !ok || document.ID.AsInt64() != 100 {
		t.Fatalf("the error is %v", err)
	}
	t.Log(err)
	// Once it is mended the same goes on.
	if _, err := s.Transform(t.Context(), "people", []bson.RawValue{document.ID}, store.Transformation{Pipeline: []bson.Raw{set("n", 0), set("name", "mended")}}); err != nil {
		t.Fatal(err)
	}
	mustUp(t, quick(s), scenario(), "", "0002_count 0003_tight")
	for _, doc := range contents(t, s, "people") {
		if n := doc.Lookup("n").AsInt64(); n > 1 {
			t.Errorf("the document was changed %d times: %s", n, doc)
		}
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	uri, database := testkit.Mongo(t)
	seed(t, opened(t, uri, database))
	const runs = 4
	done := make(chan error, runs)
	var applied atomic.Int32
	for range runs {
		o := quick(opened(t, uri, database))
		o.LeaseTime, o.Wait = time.Minute, true
		go func() {
			names, err := Up(t.Context(), o, scenario(), "")
			applied.Add(int32(len(names)))
			done <- err
		}()
	}
	for range runs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if applied.Load() != 3 {
		t.Errorf("%d migrations were applied", applied.Load())
	}
	for _, doc := range contents(t, opened(t, uri, database), "people") {
		if n := doc.Lookup("n").AsInt64(); n > 1 {
			t.Errorf("the document was changed %d times: %s", n, doc)
		}
	}
}

// A run finds that another lives, and says who.
func TestARunBesideAnotherIsRefused(t *testing.T) {
	uri, database := testkit.Mongo(t)
	s := opened(t, uri, database)
	seed(t, s)
	o := quick(s)
	entered, leave := make(chan bool), make(chan bool)
	var once atomic.Bool
	o.Progress = func(Progress) {
		if once.CompareAndSwap(false, true) {
			entered <- true
			<-leave
		}
	}
	o.LeaseTime = 20 * time.Second // long, so that it is not lost on a busy machine
	done := make(chan error)
	go func() {
		_, err := Up(t.Context(), o, scenario(), "")
		done <- err
	}()
	<-entered
	other := quick(opened(t, uri, database))
	other.Who = "bob@test"
	_, err := Up(t.Context(), other, scenario(), "")
	if err == nil || !strings.Contains(plain(err), "another run is under way: ada@test has had the lease since ") {
		t.Errorf("the error is %v", err)
	}
	leave <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A run that was held up for longer than its lease lasts writes nothing once another
// has taken over.
func TestALateRunStops(t *testing.T) {
	uri, database := testkit.Mongo(t)
	s := opened(t, uri, database)
	seed(t, s)
	for _, at := range []string{"before a step", "in the documents"} {
		t.Run(at, func(t *testing.T) {
			o := quick(s)
			h, err := take(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			h.cancel() // so that nothing renews it
			<-h.done
			other := quick(opened(t, uri, database))
			mustUp(t, other, scenario(), "", "0001_cities 0002_count 0003_tight")
			before := picture(t, s)
			h.ctx = context.WithoutCancel(t.Context())
			late := &runner{Options: o, hold: h, stop: t.Context(), task: task{migration: scenario()[0]}, began: time.Now()}
			if at == "in the documents" {
				late.task = task{migration: scenario()[1], record: store.MigrationRecord{Name: "0002_count", State: store.Applying, Steps: 2, Point: &store.MigrationPoint{}}}
				err = late.documents(scenario()[1].Up[0])
			} else {
				err = late.carryOut(Step{Kind: DropCollection, Collection: "people"})
			}
			if !errors.Is(err, store.ErrLeaseLost) || !strings.Contains(late.stopped(err).Error(), "another run has taken over") {
				t.Errorf("the late run ended with %v", err)
			}
			if after := picture(t, s); after != before {
				t.Errorf("the late run changed the database to\n%s", after)
			}
			mustDown(t, other, scenario(), "", 9, "0003_tight 0002_count 0001_cities")
		})
	}
}

func TestApplyNeedsNoFiles(t *testing.T) {
	s := open(t)
	var steps []Step
	for i := range 20 {
		name := fmt.Sprint("c", i)
		steps = append(steps, Step{Kind: CreateCollection, Collection: name, Validator: required("a")}, Step{Kind: CreateIndex, Collection: name, Index: index("a_1", "a", true)})
	}
	for range 2 {
		if err := Apply(t.Context(), quick(s), steps); err != nil {
			t.Fatal(err)
		}
	}
	collections, err := s.Inspect(t.Context())
	if err != nil || len(collections) != 20 || len(collections[7].Indexes) != 1 {
		t.Errorf("there are %d collections (%v)", len(collections), err)
	}
	if err := Apply(t.Context(), quick(s), []Step{counting(1)}); err == nil {
		t.Error("a step over documents was carried out without a record")
	}
}

func TestTheRateIsBounded(t *testing.T) {
	s := open(t)
	seed(t, s)
	o := quick(s)
	o.Rate = 40
	ranges := 0
	o.Progress = func(p Progress) {
		if p.Point != nil && !p.Done {
			ranges++
		}
	}
	started := time.Now()
	mustUp(t, o, scenario(), "0002_count", "0001_cities 0002_count")
	// Ten documents twice at 40 a second take half a second.
	if took := time.Since(started); took < 400*time.Millisecond || ranges < 4 {
		t.Errorf("20 documents took %v in %d ranges", took, ranges)
	}
}
