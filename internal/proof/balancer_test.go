package proof

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// balancer gives connections to instances in turn, as a Service of Kubernetes
// does: a new one goes to an instance that said last that it is ready, one that is
// there stays where it is.
type balancer struct {
	t         *testing.T
	listener  net.Listener
	instances []*instance
	// next counts the turns; connections are given out side by side.
	next    atomic.Int64
	running sync.WaitGroup
	done    chan struct{}
}

// instance is where a balancer can send connections.
type instance struct {
	address string
	ready   atomic.Bool
	// taken counts the connections that were given to it.
	taken atomic.Int64
}

func startBalancer(t *testing.T, addresses ...string) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{t: t, listener: listener, done: make(chan struct{})}
	for _, address := range addresses {
		i := &instance{address: address}
		b.instances = append(b.instances, i)
		b.running.Go(func() { b.watch(i) })
	}
	b.running.Go(b.accept)
	t.Cleanup(func() {
		close(b.done)
		_ = listener.Close()
		b.running.Wait()
	})
	return b
}

// watch asks an instance again and again whether it is ready.
func (b *balancer) watch(i *instance) {
	const period = 50 * time.Millisecond
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Timeout: time.Second, Transport: transport}
	for {
		select {
		case <-b.done:
			return
		case <-time.After(period):
			response, err := client.Get("http://" + i.address + "/readyz")
			i.ready.Store(err == nil && response.StatusCode == http.StatusOK)
			if err == nil {
				_ = response.Body.Close()
			}
		}
	}
}

func (b *balancer) accept() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.running.Go(func() { b.carry(client, b.pick()) })
	}
}

// pick returns the instance whose turn it is, nil when the test is over.
func (b *balancer) pick() *instance {
	const pause = 10 * time.Millisecond
	for ; ; time.Sleep(pause) {
		for range b.instances {
			if i := b.instances[b.next.Add(1)%int64(len(b.instances))]; i.ready.Load() {
				i.taken.Add(1)
				return i
			}
		}
		select {
		case <-b.done:
			return nil
		default:
		}
	}
}

// carry passes on what both ends of a connection send, until one closes it.
func (b *balancer) carry(client net.Conn, to *instance) {
	defer func() { _ = client.Close() }()
	if to == nil {
		return
	}
	server, err := net.Dial("tcp", to.address)
	if err != nil {
		return // the client finds its connection closed, and tells
	}
	defer func() { _ = server.Close() }()
	ended := make(chan struct{}, 2)
	for from, into := range map[net.Conn]net.Conn{client: server, server: client} {
		go func() {
			_, _ = io.Copy(into, from)
			ended <- struct{}{}
		}()
	}
	<-ended
}

// await returns when an instance is ready, or is not.
func (b *balancer) await(i *instance, ready bool) {
	b.t.Helper()
	awaitTrue(b.t, "the balancer knows", func() bool { return i.ready.Load() == ready })
}

// awaitTrue returns when a condition holds.
func awaitTrue(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const pause, limit = 10 * time.Millisecond, time.Minute
	for began := time.Now(); !holds(); time.Sleep(pause) {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
