package proof

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
)

// A client that hangs up while a command of its request is under way leaves no
// transaction open on the server, and nothing behind in the service.
func TestClientsThatHangUpLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	f := &failing{t: t, server: startMongod(t)}
	for name, separate := range map[string]bool{"coalesced": false, "separate": true} {
		s := serve(t, f.server.URI()+failingURI, store.Options{NoCoalescing: separate}, map[string]string{"things.yaml": things})
		createThing(s, 1)
		for _, request := range []struct{ method, path, body, command string }{
			{"GET", "/v1/things/1", "", "find"},
			{"POST", "/v1/things", `{"id":%d,"name":"n"}`, "insert"},
			{"POST", "/v1/things", `{"id":%d,"name":"n","parent":1}`, "insert"},
			{"POST", "/v1/things", `[{"id":%d,"name":"n"},{"id":-%[1]d,"name":"n","parent":1}]`, "insert"},
			{"POST", "/v1/things", `[{"id":%d,"name":"n"},{"id":-%[1]d,"name":"n"}]`, "commitTransaction"},
			{"DELETE", "/v1/things/2", "", "delete"},
		} {
			// On a machine that is busy the answer can come first: again, then.
			for tries := 1; ; tries++ {
				body := request.body
				if body != "" {
					body = fmt.Sprintf(body, nextThing.Add(1))
				}
				status := f.hangUp(s, request.method, request.path, body, request.command)
				f.heal(&probe{service: s})
				if status == 0 {
					break
				}
				if tries == 20 {
					t.Fatalf("%s, %s %s: answered with %d before the client hung up", name, request.method, body, status)
				}
			}
			awaitNoTransaction(t, f.server.URI())
		}
	}
}

// hangUp sends a request, and leaves when MongoDB is at a command of it.
func (f *failing) hangUp(s *service, method, path, body, command string) (status int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.fail("alwaysOn", bson.D{{Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 300}}, command)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
		if err != nil {
			f.t.Error(err)
			return
		}
		request.Header.Set("Content-Type", "application/json")
		if response, err := s.client.Do(request); err == nil {
			status = response.StatusCode
			_ = response.Body.Close()
		}
	}()
	f.awaitFailPoint()
	cancel()
	<-gone
	return status
}

// awaitFailPoint returns when a command has met the failpoint that was set last.
func (f *failing) awaitFailPoint() {
	f.t.Helper()
	f.entered++
	f.admin(bson.D{{Key: "waitForFailPoint", Value: "failCommand"}, {Key: "timesEntered", Value: f.entered}})
}

// A MongoDB that stands still makes requests fail within their time limit, and
// those that come when it goes on are served by the same process.
func TestAStallOfMongoDBIsOverWhenItIs(t *testing.T) {
	t.Parallel()
	server := startMongod(t)
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(server.PID(), s); err != nil {
			t.Error(err)
		}
	}
	const limit = time.Second
	var clients []*stalled
	for _, separate := range []bool{false, true} {
		s := serveWithin(t, limit, server.URI(), store.Options{NoCoalescing: separate}, map[string]string{"things.yaml": things})
		createThing(s, 1)
		for i := range 8 {
			clients = append(clients, &stalled{service: s, kind: i})
		}
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	for _, c := range clients {
		group.Go(func() { c.work(done) })
	}
	await := func(what string, met func(*stalled) bool) {
		const pause = 10 * time.Millisecond
		for began := time.Now(); ; time.Sleep(pause) {
			if allOf(clients, met) {
				return
			}
			if time.Since(began) > 30*time.Second {
				t.Errorf("not all clients are %s", what)
				return
			}
		}
	}
	await("served", func(c *stalled) bool { return c.served.Load() > 3 })
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	const failures = 2
	await("refused", func(c *stalled) bool { return c.refused.Load() >= failures })
	signal(syscall.SIGCONT)
	for _, c := range clients {
		c.served.Store(0)
	}
	await("served again", func(c *stalled) bool { return c.served.Load() > 3 })
	close(done)
	group.Wait()
}

func allOf(clients []*stalled, met func(*stalled) bool) bool {
	for _, c := range clients {
		if !met(c) {
			return false
		}
	}
	return true
}

// stalled is a client that goes on while MongoDB stands still.
type stalled struct {
	service         *service
	kind            int
	served, refused atomic.Int64
}

func (c *stalled) work(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		got := c.request()
		switch {
		case got.status >= 200 && got.status < 300:
			c.served.Add(1)
		case got.status == 0:
			c.service.t.Errorf("request %d: no answer: %v", c.kind, got.err)
			c.refused.Add(1)
		case c.service.unknown(got):
			c.refused.Add(1)
		default:
			c.service.t.Errorf("request %d: %d %s", c.kind, got.status, got.body)
		}
	}
}

// request sends one of the kinds of requests.
func (c *stalled) request() reply {
	id := nextThing.Add(1)
	switch c.kind % 4 {
	case 0:
		return c.service.do("GET", "/v1/things/1", "")
	case 1:
		return createThing(c.service, id)
	case 2:
		return createChild(c.service, id)
	}
	return createTwo(c.service, id)
}
