package proof

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sys/unix"

	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// Whatever becomes of MongoDB, the shipped service answers each request in time, and
// with the problem that it is; once MongoDB is well again so is the service, which
// is the same process all the while.
func TestTheServiceOutlivesTheTroublesOfMongoDB(t *testing.T) {
	t.Parallel()
	w := startWard(t)
	for _, c := range []struct {
		name            string
		strike, recover func()
	}{
		{"stopped", w.stop, func() { w.restart() }},
		{"killed", func() { w.signal(syscall.SIGKILL); <-w.server.Done() }, func() { w.restart() }},
		{"paused", func() { w.signal(syscall.SIGSTOP) }, func() { w.signal(syscall.SIGCONT) }},
		{"out of disk", w.fillDisk, func() { <-w.server.Done(); w.restart() }},
		{"out of connections", w.takeConnections, w.hog.leave},
	} {
		w.await("served before it is "+c.name, func(s *sufferer) bool { return s.served.Load() > 3 })
		w.take()
		c.strike()
		w.await("refused while it is "+c.name, func(s *sufferer) bool { return s.refused.Load() >= 2 })
		during, slowest := w.take()
		c.recover()
		w.await("served after it was "+c.name, func(s *sufferer) bool { return s.served.Load() > 3 })
		after, _ := w.take()
		t.Logf("%s: %v, the slowest after %v; when it is well again: %v", c.name, during, slowest, after)
	}
}

// ward is a service, its MongoDB, and the clients that suffer.
type ward struct {
	t       *testing.T
	folder  string
	server  *mongod.Server
	clients []*sufferer
	done    chan struct{}
	group   sync.WaitGroup
	hog     hog

	mu      sync.Mutex
	answers tally
	slowest time.Duration
}

const (
	wardLimit   = 2 * time.Second
	wardClients = 16
)

func startWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{t: t, folder: t.TempDir(), done: make(chan struct{}), answers: tally{}}
	w.restart()
	t.Cleanup(func() {
		if err := w.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	schema := t.TempDir()
	if err := os.WriteFile(filepath.Join(schema, "things.yaml"), []byte(things), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{
		t: t, binary: build(t), listen: "127.0.0.1:0", args: []string{"--schema", schema, "--request-timeout", wardLimit.String()},
		environ: append(os.Environ(), "MONGODB_URI="+w.server.URI()+failingURI, "MONGODB_DATABASE=proof", "SHEAF_LOG_LEVEL=error"),
	}
	transport := &http.Transport{MaxIdleConnsPerHost: wardClients}
	s := &service{t: t, url: p.start(), client: &http.Client{Transport: transport, Timeout: 3 * wardLimit}}
	t.Cleanup(p.kill)
	t.Cleanup(transport.CloseIdleConnections)
	createThing(s, 1)
	for kind := range wardClients {
		c := &sufferer{stalled: stalled{service: s, kind: kind}, ward: w}
		w.clients = append(w.clients, c)
		w.group.Go(c.suffer)
	}
	t.Cleanup(w.end)
	return w
}

// quickEnd has MongoDB not wait for its clients when it is stopped.
var quickEnd = []string{"--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"}

// restart starts MongoDB, on the port that it had before, with further arguments.
func (w *ward) restart(args ...string) {
	w.t.Helper()
	var err error
	if w.server != nil {
		_ = w.server.Stop(context.Background()) // gives the folder back
	}
	if w.server, err = testkit.StartMongod(w.folder, append(quickEnd, args...)...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) stop() {
	if err := w.server.Stop(context.Background()); err != nil {
		w.t.Error(err)
	}
}

func (w *ward) signal(s syscall.Signal) {
	if err := syscall.Kill(w.server.PID(), s); err != nil {
		w.t.Error(err)
	}
}

// fillDisk has each further write to a file fail, as on a full disk. MongoDB ends
// when it cannot write its journal.
func (w *ward) fillDisk() {
	limit := unix.Rlimit{Cur: 1, Max: 1}
	if err := unix.Prlimit(w.server.PID(), unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		w.t.Error(err)
	}
}

// takeConnections starts MongoDB anew with a number of connections that leaves some
// to the test beside the service's, and takes all that are to be had. Those that the
// service has already it loses by what it sends.
func (w *ward) takeConnections() {
	const connections, losses = 40, 500
	w.restart("--maxConns", fmt.Sprint(connections))
	w.take()
	w.await("served before connections are taken", func(s *sufferer) bool { return s.served.Load() > 3 })
	f := &failing{t: w.t, server: w.server}
	f.fail(bson.D{{Key: "times", Value: losses}}, bson.D{{Key: "closeConnection", Value: true}},
		"find", "aggregate", "insert", "update", "delete", "findAndModify", "commitTransaction")
	w.hog.take(w.server.Address(), 2*connections)
	service := w.clients[0].service
	awaitTrue(w.t, "the service has no connection", func() bool {
		n, ok := metricsIn(string(service.do("GET", "/metrics", "").body))["sheaf_mongodb_connections_open"]
		return ok && n == 0
	})
	w.take() // what was refused until then is not of this trouble
}

// hog holds connections to MongoDB.
type hog struct {
	left    chan struct{}
	holders sync.WaitGroup
}

// take tries for so many again and again, until it leaves: MongoDB closes at once
// what is one too many.
func (h *hog) take(address string, n int) {
	h.left = make(chan struct{})
	for range n {
		h.holders.Go(func() { h.hold(address) })
	}
}

func (h *hog) hold(address string) {
	const pause = 5 * time.Millisecond
	for {
		select {
		case <-h.left:
			return
		case <-time.After(pause):
		}
		if c, err := net.Dial("tcp", address); err == nil {
			stop := make(chan struct{})
			go func() {
				select {
				case <-h.left:
				case <-stop:
				}
				_ = c.Close()
			}()
			_, _ = c.Read(make([]byte, 1)) // MongoDB sends nothing by itself
			close(stop)
		}
	}
}

func (h *hog) leave() {
	close(h.left)
	h.holders.Wait()
}

// await returns when all clients are as they should be.
func (w *ward) await(what string, met func(*sufferer) bool) {
	w.t.Helper()
	awaitTrue(w.t, "all clients are "+what, func() bool {
		for _, c := range w.clients {
			if !met(c) {
				return false
			}
		}
		return true
	})
}

// take returns what was answered since it was called last, and starts anew.
func (w *ward) take() (answers tally, slowest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clients {
		c.served.Store(0)
		c.refused.Store(0)
	}
	answers, slowest = w.answers, w.slowest
	w.answers, w.slowest = tally{}, 0
	return answers, slowest
}

func (w *ward) note(answer string, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[answer]++
	w.slowest = max(w.slowest, took)
}

func (w *ward) end() {
	close(w.done)
	w.group.Wait()
}

// sufferer is a client that goes on whatever it is told.
type sufferer struct {
	stalled
	ward *ward
}

func (s *sufferer) suffer() {
	for {
		select {
		case <-s.ward.done:
			return
		default:
		}
		began := time.Now()
		got := s.request()
		s.ward.note(describe(got), time.Since(began))
		s.judge(got)
	}
}

// judge counts an answer, and notes one that no trouble of MongoDB may have.
func (s *sufferer) judge(got reply) {
	switch {
	case got.status >= 200 && got.status < 300:
		s.served.Add(1)
	case got.status == 0:
		s.service.t.Errorf("request %d: no answer: %v", s.kind, got.err)
		s.refused.Add(1)
	case s.service.unknown(got):
		s.refused.Add(1)
	default:
		s.service.t.Errorf("request %d: %d %s", s.kind, got.status, got.body)
	}
}

// describe returns the status of an answer, and the code of its problem.
func describe(r reply) string {
	if _, rest, ok := strings.Cut(string(r.body), `"code":"`); ok && r.status >= 300 {
		code, _, _ := strings.Cut(rest, `"`)
		return fmt.Sprint(r.status, " ", code)
	}
	return fmt.Sprint(r.status)
}
