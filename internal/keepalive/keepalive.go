// Package keepalive has HTTP connections cost little. net/http keeps a goroutine
// with a grown stack and two buffers for each that waits for its next request, some
// 18 kB; here one that has been idle for a moment is taken from it and parked, and
// handed back as if it were new once it has something to read. While a request is
// answered, its connection is watched without a read.
package keepalive

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// parkAfter is how long a connection is idle before it is parked. To take it up
// again costs about as much as to begin a connection does, once a second at most.
const parkAfter = time.Second

// Serve answers the connections of a listener by a server until that is shut
// down. It parks those that are idle, and closes them when they have been so for
// the server's IdleTimeout. The context of a request is cancelled when its client
// hangs up, within a second. Serve owns IdleTimeout, ConnState and ConnContext from
// then on.
func Serve(server *http.Server, inner net.Listener) error {
	timeout := cmp.Or(server.IdleTimeout, server.ReadTimeout) // as net/http has it
	l := &listener{Listener: inner, timeout: timeout, ready: make(chan accepted), done: make(chan struct{}), parked: make(map[*conn]struct{})}
	if l.parksIdle() {
		server.IdleTimeout = parkAfter
	}
	server.ConnState, server.ConnContext = noteState, noteContext
	l.quiet = time.AfterFunc(returnAfter, l.returnMemory)
	go l.acceptNew()
	return server.Serve(l)
}

// noteState tells a connection whether it waits for a request.
func noteState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*conn); ok {
		c.idle.Store(state == http.StateIdle)
		c.begins.Store(state == http.StateActive)
		if state != http.StateActive {
			c.watch.end()
		}
	}
}

// noteContext gives a connection what ends its requests.
func noteContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		ctx, c.watch.cancel = context.WithCancel(ctx)
	}
	return ctx
}

// listener accepts connections: new ones and those that were parked.
type listener struct {
	net.Listener
	// timeout is how long a connection is idle before it is closed; 0 for ever.
	timeout time.Duration
	ready   chan accepted
	// done is closed with the listener.
	done chan struct{}
	once sync.Once

	mu     sync.Mutex
	parked map[*conn]struct{}
	// unreturned counts the connections that were parked since memory was given
	// back, and quiet runs out when none was for a moment.
	unreturned int
	quiet      *time.Timer
}

type accepted struct {
	conn net.Conn
	err  error
}

// parksIdle reports whether an idle connection is to be parked before it is closed.
func (l *listener) parksIdle() bool { return l.timeout == 0 || l.timeout > parkAfter }

// Accept returns the next connection that has or will have a request.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case next := <-l.ready:
		return next.conn, next.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// acceptNew hands new connections on until the listener is closed.
func (l *listener) acceptNew() {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			c = l.newConn(c, nil)
		}
		select {
		case l.ready <- accepted{c, err}:
		case <-l.done:
			if err == nil {
				_ = c.Close()
			}
			return
		}
	}
}

// Close closes the listener and what is parked.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet.Stop()
	for c := range l.parked {
		_ = c.Conn.Close()
	}
	return l.Listener.Close()
}

// park holds a connection until it has something to read, and hands it on then.
func (l *listener) park(c *conn) {
	l.hold(c)
	var first [1]byte
	n, _ := c.Conn.Read(first[:])
	for skipped := 0; skipped < len("\r\n") && n > 0 && (first[0] == '\r' || first[0] == '\n'); skipped++ {
		n, _ = c.Conn.Read(first[:]) // an empty line before a request is to be ignored: RFC 9112 section 2.2
	}
	l.release(c)
	if n == 0 { // closed by either side, or idle for too long
		_ = c.Conn.Close()
		return
	}
	select {
	case l.ready <- accepted{conn: l.newConn(c.Conn, first[:])}:
	case <-l.done:
		_ = c.Conn.Close()
	}
}

// After returnAfter with no more than what is parked already, what returnFrom
// connections or more took before is given back to the system: the runtime would
// keep it for the next burst.
const (
	returnAfter = parkAfter / 2
	returnFrom  = 500
)

// returnMemory gives back what net/http had for connections that are parked now.
func (l *listener) returnMemory() {
	l.mu.Lock()
	enough := l.unreturned >= returnFrom
	if enough {
		l.unreturned = 0
	}
	l.mu.Unlock()
	if enough {
		debug.FreeOSMemory()
	}
}

// hold notes a connection that is parked, and closes it where the listener is
// closed.
func (l *listener) hold(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parked[c] = struct{}{}
	l.unreturned++
	l.quiet.Reset(returnAfter)
	select {
	case <-l.done:
		_ = c.Conn.Close()
	default:
	}
}

func (l *listener) release(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.parked, c)
}

// conn is a connection as net/http has it.
type conn struct {
	net.Conn
	listener *listener
	// idle says that net/http waits for a request, and begins that it has one and did
	// not watch for its client to hang up yet.
	idle, begins atomic.Bool
	watch        watch
	// first was read while the connection was parked.
	first []byte
	// room is that of net/http's empty buffer. parks is set when the connection is
	// to be parked where net/http closes it.
	room  int
	parks atomic.Bool
}

func (l *listener) newConn(c net.Conn, first []byte) *conn {
	return &conn{Conn: c, listener: l, first: first, watch: watch{raw: rawOf(c)}}
}

// Read reads for net/http. The first read of one byte while it has a request is its
// watch for a client that hangs up: it is told that there is nothing yet, which ends
// it. Where it was a read of the request after all, it comes again.
//
// An idle connection whose time is up is parked, by telling net/http so, which closes
// it then. Where a part of the next request is in net/http's buffer already it cannot
// be taken from there: that is when less than the whole buffer is to be filled.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		return c.readOn(p)
	}
	if len(p) == 1 && c.begins.Swap(false) && c.watch.begin() {
		return 0, nil
	}
	c.room = max(c.room, len(p))
	n, err := c.Conn.Read(p)
	if n > 0 || !c.listener.parksIdle() || !c.idle.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if err := c.SetReadDeadline(c.listener.deadline()); err != nil {
		return 0, err
	}
	if len(p) < c.room {
		return c.Conn.Read(p)
	}
	c.parks.Store(true)
	return 0, err
}

// readOn returns what was read before with what comes after it.
func (c *conn) readOn(p []byte) (int, error) {
	n := copy(p, c.first)
	if c.first = c.first[n:]; n == len(p) {
		return n, nil
	}
	c.room = max(c.room, len(p))
	more, err := c.Conn.Read(p[n:])
	if more == 0 && err != nil {
		return n, nil // comes again with the next read
	}
	return n + more, err
}

// deadline is when a connection that is to be parked has been idle for too long.
func (l *listener) deadline() time.Time {
	if l.timeout == 0 {
		return time.Time{}
	}
	return time.Now().Add(l.timeout - parkAfter)
}

// Close closes the connection, or parks it.
func (c *conn) Close() error {
	c.watch.close()
	if !c.parks.Swap(false) {
		return c.Conn.Close()
	}
	go c.listener.park(c)
	return nil
}

// CloseWrite ends what is sent. net/http does so before it closes a connection
// whose client still sends.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
