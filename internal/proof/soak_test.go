package proof

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// Under full load of all kinds of operations, with hostile clients among the
// others, the shipped service takes no more memory, goroutines and descriptors
// from one third of the time to the next. The environment variable SOAK is how
// long: some seconds in all the tests, 10 minutes in make soak.
func TestSoak(t *testing.T) {
	length := 15 * time.Second
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s, url := startSoak(t)
	c := startCrowd(t, s.listen)
	var attacks atomic.Int64
	c.clients.Go(func() {
		for kinds := []func(*target) tally{bombs, halfBodies, halfClosed, unread, pipelined, absurd}; !c.over(); {
			kinds[attacks.Add(1)%int64(len(kinds))](s)
		}
	})
	samples := s.watch(length, url, c)
	c.end()
	t.Log("attacks by hostile clients: ", attacks.Load())
	samples.mustBeFlat(t)
}

func (c *crowd) over() bool { return (&visitor{crowd: c}).over() }

func startSoak(t *testing.T) (s *target, url string) {
	t.Helper()
	uri, database := testkit.Mongo(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.yaml"), []byte(notes), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{
		t: t, binary: build(t), listen: "127.0.0.1:0", args: []string{"--schema", folder, "--body-limit", "64KiB"},
		environ: append(os.Environ(), "MONGODB_URI="+uri, "MONGODB_DATABASE="+database, "SHEAF_LOG_LEVEL=error"),
	}
	url = p.start()
	t.Cleanup(p.kill)
	return &target{p, t}, url
}

// sample is what a service holds at a time.
type sample struct {
	at                      time.Duration
	answered                int64
	memory                  int64 // bytes
	goroutines, descriptors int64
}

type samples []sample

// watch takes samples of the service, evenly over a time.
func (s *target) watch(length time.Duration, url string, c *crowd) (list samples) {
	const count = 60
	ticker := time.NewTicker(length / count)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < length && !s.t.Failed(); {
		<-ticker.C
		list = append(list, sample{time.Since(began), c.answered.Load(), s.memory(), s.goroutines(url), int64(s.descriptors())})
	}
	return list
}

// goroutines returns how many the service tells of in its metrics.
func (s *target) goroutines(url string) int64 {
	response, err := http.Get(url + "/metrics")
	if err != nil {
		s.t.Error(err)
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Error(err)
		return 0
	}
	n, ok := metricsIn(string(text))["go_goroutines"]
	if !ok {
		s.t.Error("the metrics tell of no goroutines")
	}
	return int64(n)
}

// mustBeFlat prints the samples and holds the last third of the time against the
// one before. The first is for what is made once. Of memory the medians count, as
// the garbage collector lets it swing; of the others the least, which a burst of
// clients does not raise, and a leak does.
func (list samples) mustBeFlat(t *testing.T) {
	t.Helper()
	third := len(list) / 3
	if third == 0 {
		t.Fatal("there are no samples")
	}
	var table strings.Builder
	for i := 0; i < len(list); i += max(1, len(list)/15) {
		x := list[i]
		fmt.Fprintf(&table, "\n%8s %10d %8.1f %10d %11d", x.at.Round(time.Second), x.answered, float64(x.memory)/(1<<20), x.goroutines, x.descriptors)
	}
	t.Logf("\n%8s %10s %8s %10s %11s%s", "after", "answered", "MiB", "goroutines", "descriptors", table.String())
	for _, c := range []struct {
		name  string
		of    func(sample) int64
		pick  func([]int64) int64
		share float64 // by which it may be more
		more  int64   // and how much on top
	}{
		{"bytes of memory", func(s sample) int64 { return s.memory }, median, 0.1, 16 << 20},
		{"goroutines", func(s sample) int64 { return s.goroutines }, slices.Min[[]int64], 0, 16},
		{"descriptors", func(s sample) int64 { return s.descriptors }, slices.Min[[]int64], 0, 16},
	} {
		before, after := c.pick(values(list[third:2*third], c.of)), c.pick(values(list[2*third:], c.of))
		allowed := int64(float64(before)*(1+c.share)) + c.more
		t.Logf("%s: %d in the second third, %d in the last, at most %d", c.name, before, after, allowed)
		if after > allowed {
			t.Errorf("%s grow: %d in the second third, %d in the last, over %d", c.name, before, after, allowed)
		}
	}
}

func values(list samples, of func(sample) int64) (all []int64) {
	for _, s := range list {
		all = append(all, of(s))
	}
	return all
}

func median(list []int64) int64 {
	slices.Sort(list)
	return list[len(list)/2]
}
