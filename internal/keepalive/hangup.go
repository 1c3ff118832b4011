package keepalive

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// How long a request runs until its connection is first looked at, and the longest
// pause between two looks: they grow with the time that the request takes.
const (
	lookAfter = 50 * time.Millisecond
	lookMost  = time.Second
)

// watch ends the requests of a connection whose client hung up.
//
// net/http has a goroutine read from the connection while a request is answered, to
// cancel its context where that read ends. Every request pays for it, with a system
// call that finds nothing, a deadline in the past to end it, and two changes of
// goroutine: up to a tenth of what a read by id costs. A watch looks at the
// connection from time to time instead, without reading from it, so that a request
// that is answered at once pays next to nothing.
type watch struct {
	raw syscall.RawConn
	// cancel ends the context of all requests of the connection.
	cancel context.CancelFunc

	mu sync.Mutex
	// on says that a request is under way.
	on bool
	// timer is nil when no look is to come. It goes on into the next request rather
	// than to be stopped and started by each.
	timer *time.Timer
	pause time.Duration
}

// begin watches until end. It reports false where the connection cannot be watched.
func (w *watch) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.raw == nil {
		return false
	}
	w.on = true
	if w.timer == nil {
		w.pause = lookAfter
		w.timer = time.AfterFunc(w.pause, w.look)
	}
	return true
}

// end says that nothing is under way.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = false
}

// close ends the watch for good.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.raw = false, nil
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.cancel != nil { // nil where the server was shut down before it saw the connection
		w.cancel()
	}
}

// look cancels what is under way if the client hung up, and looks again later if not.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on && hungUp(w.raw) {
		w.on = false
		w.cancel()
	}
	if !w.on {
		w.timer = nil
		return
	}
	w.timer.Reset(w.pause)
	w.pause = min(2*w.pause, lookMost)
}

// rawOf returns the connection that can be looked at, or nil.
func rawOf(c net.Conn) syscall.RawConn {
	if c, ok := c.(syscall.Conn); ok && canLook {
		if raw, err := c.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}
