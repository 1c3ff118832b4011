package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
)

// TransferLimits bound exports and imports, whose bodies are not bounded by the
// limits of other requests. A field that is zero has its default.
type TransferLimits struct {
	// Open is how many may be under way on this instance: 8 by default.
	Open int
	// Idle is how long one waits for its client to send or take more: 30 s by
	// default.
	Idle time.Duration
	// ImportBytes is the size of the largest body of an import: 16 GiB by default.
	ImportBytes int64
}

const (
	defaultTransfers   = 8
	defaultIdle        = 30 * time.Second
	defaultImportBytes = 16 << 30
)

func (l TransferLimits) withDefaults() TransferLimits {
	if l.Open == 0 {
		l.Open = defaultTransfers
	}
	if l.Idle == 0 {
		l.Idle = defaultIdle
	}
	if l.ImportBytes == 0 {
		l.ImportBytes = defaultImportBytes
	}
	return l
}

// transfer is a request that lasts for as long as its client goes on sending or
// taking. It reads the body and writes the answer.
type transfer struct {
	exchange *exchange
	control  *http.ResponseController
	idle     time.Duration
	// ctx ends when the client hangs up, and not at the time limit of a request.
	ctx    context.Context
	cancel context.CancelFunc

	mu   sync.Mutex
	over bool
	// reading is held while the body is read, ended is set at its end.
	reading sync.Mutex
	ended   bool
	// duplex is set where the answer began before the end of the body.
	duplex bool
}

// transfer makes one of the request, unless there are as many as there may be. It
// is to be closed.
func (x *exchange) transfer() (*transfer, error) {
	select {
	case x.service.transfers <- struct{}{}:
	default:
		return nil, fault.New(fault.Overloaded, "%d exports and imports are under way, and this instance takes no more at once", cap(x.service.transfers))
	}
	t := &transfer{exchange: x, control: http.NewResponseController(x.ResponseWriter), idle: x.service.options.Transfers.Idle}
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(x.request.Context()))
	context.AfterFunc(x.client, t.cancel)
	return t, nil
}

// close takes the limits of the transfer off the connection.
func (t *transfer) close() {
	t.cancel()
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	if !t.reading.TryLock() {
		_ = t.control.SetReadDeadline(time.Unix(1, 0)) // who reads is to end
		t.reading.Lock()
	}
	defer t.reading.Unlock()
	switch {
	case t.ended || t.exchange.request.Body == http.NoBody:
		_ = t.control.SetReadDeadline(time.Time{})
	case t.duplex && !t.drain():
		t.exchange.broken = true
	case !t.duplex:
		_ = t.control.SetReadDeadline(time.Now().Add(dropTime))
	}
	_ = t.control.SetWriteDeadline(time.Time{}) // what writes no connection has none
	<-t.exchange.service.transfers
}

// drain reads the rest of the body, if that is little: net/http does not bear that
// the end is met after the handler of an answer in full duplex.
func (t *transfer) drain() bool {
	_ = t.control.SetReadDeadline(time.Now().Add(dropTime))
	_, err := io.CopyN(io.Discard, t.exchange.request.Body, drainBytes)
	return errors.Is(err, io.EOF)
}

const drainBytes = 256 << 10

// Read reads the body. It fails where nothing comes for too long.
func (t *transfer) Read(p []byte) (int, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	t.mu.Lock()
	if t.over { // the connection may serve the next request
		t.mu.Unlock()
		return 0, io.ErrClosedPipe
	}
	_ = t.control.SetReadDeadline(time.Now().Add(t.idle))
	t.mu.Unlock()
	n, err := t.exchange.request.Body.Read(p)
	t.ended = errors.Is(err, io.EOF)
	return n, err
}

// errTransferGone tells that the client takes no more.
var errTransferGone = errors.New("the client took no more of the answer")

// Write sends a part of the answer. It fails where the client takes nothing for
// too long, or is gone.
func (t *transfer) Write(p []byte) (int, error) {
	_ = t.control.SetWriteDeadline(time.Now().Add(t.idle))
	n, err := t.exchange.Write(p)
	if err == nil {
		err = t.control.Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return n, errors.Join(errTransferGone, err)
	}
	return n, nil
}
