package migrate

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// victimCommand makes this test program one that is killed: victim URI
// DATABASE:DIRECTION:N... runs the scenario in every database, stands still in each
// once N of its commands have changed something, and is killed when it stands still
// in all.
const victimCommand = "victim"

// changes reports whether a command is one after which a run can be killed. The beats
// of the lease change nothing else.
func changes(c observe.Command) bool {
	changing := []string{"update", "insert", "commitTransaction", "create", "createIndexes", "drop", "dropIndexes", "collMod", "renameCollection"}
	return slices.Contains(changing, c.Name) && c.Collection != "_sheaf.leases"
}

func victim(uri string, places []string) {
	var standing sync.WaitGroup
	for _, place := range places {
		standing.Add(1)
		part := strings.Split(place, ":")
		after, err := strconv.Atoi(part[2])
		if err != nil {
			fail(err)
		}
		go func() {
			s, err := openAt(context.Background(), uri, part[0], standsStill(after, standing.Done))
			if err == nil {
				err = travel(context.Background(), s, part[1])
			}
			fail(fmt.Errorf("%s came to its end: %w", place, err))
		}()
	}
	standing.Wait()
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(3)
}

// standsStill returns an observer that lets nobody go on once so many commands have
// changed something.
func standsStill(after int, stands func()) *observe.Observer {
	var count atomic.Int64
	return observe.New(observe.Subscriber{Command: func(_ context.Context, c observe.Command) {
		if !changes(c) {
			return
		}
		switch n := count.Add(1); {
		case n == int64(after):
			stands()
			fallthrough
		case n > int64(after):
			select {}
		}
	}})
}

// travel carries out the scenario in a direction.
func travel(ctx context.Context, s *store.Store, direction string) (err error) {
	o := quick(s)
	if direction == "down" {
		_, err = Down(ctx, o, scenario(), "", len(scenario()))
	} else {
		_, err = Up(ctx, o, scenario(), "")
	}
	return err
}

// A run that is killed, after whatever command, is completed by the next, and leaves
// what an undisturbed one does.
func TestAKilledRunGoesOn(t *testing.T) {
	uri, _ := testkit.Mongo(t)
	directions := []string{"up", "down"}
	want, points := undisturbed(t, uri, directions)
	databases := make([]victimDatabase, points[0])
	each(databases, func(d *victimDatabase) {
		_, d.name = testkit.Mongo(t)
		d.store = opened(t, uri, d.name)
		seed(t, d.store)
	})
	for i, direction := range directions {
		stride := 1 + 2*i // the way back is the same by the same means
		databases = databases[:min(len(databases), (points[i]+stride-1)/stride)]
		for n := range databases {
			databases[n].after = n*stride + 1
		}
		kill(t, uri, direction, databases)
		each(databases, func(d *victimDatabase) {
			if err := travel(t.Context(), d.store, direction); err != nil {
				t.Errorf("killed after %d commands on the way %s, the next run fails: %v", d.after, direction, err)
			} else if got := picture(t, d.store); got != want[i] {
				t.Errorf("killed after %d commands on the way %s, the next run leaves\n%s\nnot\n%s", d.after, direction, got, want[i])
			}
		})
	}
}

// victimDatabase is one in which a run is killed.
type victimDatabase struct {
	name  string
	store *store.Store
	after int
}

// each calls fn for several databases side by side.
func each(databases []victimDatabase, fn func(*victimDatabase)) {
	var group errgroup.Group
	group.SetLimit(8)
	for i := range databases {
		group.Go(func() error {
			fn(&databases[i])
			return nil
		})
	}
	_ = group.Wait()
}

// undisturbed returns what the directions leave one after the other, and by how many
// changing commands each, without those by which the lease is given back.
func undisturbed(t *testing.T, uri string, directions []string) (left []string, points []int) {
	t.Helper()
	var count atomic.Int64
	observer := observe.New(observe.Subscriber{Command: func(_ context.Context, c observe.Command) {
		if changes(c) {
			count.Add(1)
		}
	}})
	_, database := testkit.Mongo(t)
	s, err := openAt(t.Context(), uri, database, observer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	seed(t, s)
	for _, direction := range directions {
		count.Store(0)
		if err := travel(t.Context(), s, direction); err != nil {
			t.Fatal(err)
		}
		left, points = append(left, picture(t, s)), append(points, int(count.Load()))
	}
	return left, points
}

// kill runs the victim, and holds that it was killed.
func kill(t *testing.T, uri, direction string, databases []victimDatabase) {
	t.Helper()
	var places []string
	for _, d := range databases {
		places = append(places, fmt.Sprint(d.name, ":", direction, ":", d.after))
	}
	process := exec.CommandContext(t.Context(), os.Args[0], append([]string{victimCommand, uri}, places...)...)
	output, err := process.CombinedOutput()
	if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the victim ended with %v: %s", err, output)
	}
}
