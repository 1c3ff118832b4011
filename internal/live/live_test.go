package live_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/live"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

// rig is a Keeper whose files and database are played.
type rig struct {
	*live.Keeper
	changed chan struct{}

	mu    sync.Mutex
	files string
	// behind is why the database is not ready, nil where it is.
	behind   error
	recorded string
	told     []string
	prepared int
}

// sets lets the surroundings become others.
func (r *rig) sets(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func model(t *testing.T, text string) *schema.Model {
	t.Helper()
	m, err := schema.Load(folder(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func folder(text string) fstest.MapFS {
	return fstest.MapFS{"things.yaml": &fstest.MapFile{Data: []byte(text)}}
}

const (
	first  = "collection: things\nfields:\n  a: {type: string}\n"
	second = "collection: things\nfields:\n  a: {type: string}\n  b: {type: string}\n"
	broken = "collection: things\nfields:\n  a: {type: strin}\n  b: {type: in}\n"
)

// play runs a Keeper in a bubble in which time passes as fast as it is waited for.
func play(t *testing.T, fn func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{files: first, changed: make(chan struct{}), recorded: "1"}
		tell := func(text string) { r.sets(func() { r.told = append(r.told, text) }) }
		r.Keeper = live.New(live.Options{
			Engine: engine.New(&store.Store{}, model(t, first)), // a store that is asked for nothing
			Load: func() (m *schema.Model, err error) {
				r.sets(func() { m, err = schema.Load(folder(r.files)) })
				return m, err
			},
			Prepare: func(context.Context, *schema.Model) (err error) {
				r.sets(func() { err, r.prepared = r.behind, r.prepared+1 })
				return err
			},
			Recorded: func(context.Context) (hash string, err error) {
				r.sets(func() { hash = r.recorded })
				return hash, nil
			},
			Adopted: func(context.Context, *schema.Model, *schema.Model) { tell("adopted") },
			Kept:    func(_ context.Context, reason error) { tell("kept " + reason.Error()) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx, r.changed)
		}()
		fn(t, r)
		cancel()
		<-ended
	})
}

// change stores files and waits until they were dealt with.
func (r *rig) change(files string) {
	r.sets(func() { r.files = files })
	r.changed <- struct{}{}
	synctest.Wait()
}

// serves holds which files the model that serves is of, and why it is not that of
// the folder.
func (r *rig) serves(t *testing.T, files, stale string) {
	t.Helper()
	if r.Engine.Model().Hash != model(t, files).Hash {
		t.Errorf("another model serves; told were %q", r.told)
	}
	if got := r.Stale(); got != stale {
		t.Errorf("stale is %q, want %q", got, stale)
	}
}

func TestAModelThatTheDatabaseIsReadyForServes(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		r.change(second)
		r.serves(t, second, "")
		r.change(second + "# a comment\n")
		r.serves(t, second, "")
		if r.prepared != 1 || len(r.told) != 2 {
			t.Errorf("prepared %d times, told %q", r.prepared, r.told)
		}
	})
}

func TestFilesThatDoNotCompileLeaveTheModel(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		r.change(broken)
		r.serves(t, first, `things.yaml:3:13: unknown type "strin"; did you mean "string"?; there are string, int, double, decimal, bool, date, objectId, uuid, binary, object, array, ref, geo, any (and 1 more)`)
		r.change(broken + "\n")
		if len(r.told) != 1 {
			t.Errorf("told %q", r.told)
		}
		r.change(first)
		r.serves(t, first, "")
	})
}

// A model waits for the database, and serves when somebody else made that ready.
func TestAModelWaitsForTheDatabase(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		r.sets(func() { r.behind = errors.New("run sheaf migrate up") })
		r.change(second)
		r.serves(t, first, "run sheaf migrate up")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.sets(func() {
			if r.prepared != 1 {
				t.Errorf("looked at the database %d times while nothing was recorded", r.prepared)
			}
		})
		r.sets(func() { r.behind, r.recorded = nil, "2" })
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		r.serves(t, second, "")
	})
}

// What nobody records is found as well.
func TestADatabaseThatChangesWithoutARecord(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		r.sets(func() { r.behind = errors.New("run sheaf migrate up") })
		r.change(second)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		r.sets(func() { r.behind = nil })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.serves(t, second, "")
		if len(r.told) != 2 || r.told[1] != "adopted" {
			t.Errorf("told %q", r.told)
		}
	})
}

// Files that break while a model waits take its place.
func TestAModelNoLongerWaitsWhenTheFilesBreak(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		r.sets(func() { r.behind = errors.New("run sheaf migrate up") })
		r.change(second)
		r.change(broken)
		r.sets(func() { r.behind, r.recorded = nil, "2" })
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.Engine.Model().Hash != model(t, first).Hash {
			t.Error("a model serves that no file holds")
		}
	})
}
