package keepalive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long a test waits for what must come.
const patience = 30 * time.Second

// service is a server behind Serve.
type service struct {
	*http.Server
	t       *testing.T
	address string
	// closed counts the connections that were closed for good; reads and bytes what
	// was read from all.
	closed, reads, bytes atomic.Int64
	ended                chan error
}

func start(t *testing.T, timeout time.Duration) *service {
	t.Helper()
	return startHandler(t, timeout, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
	})
}

func startHandler(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *service {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, address: inner.Addr().String(), ended: make(chan error, 1)}
	s.Server = &http.Server{ReadHeaderTimeout: patience, IdleTimeout: timeout, Handler: handler}
	go func() { s.ended <- Serve(s.Server, counted{inner, s}) }()
	t.Cleanup(s.stop)
	return s
}

func (s *service) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.t.Error(err)
	}
	if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
		s.t.Errorf("Serve ended with %v", err)
	}
}

// counted counts what its connections do.
type counted struct {
	net.Listener
	s *service
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{c.(*net.TCPConn), l.s}, nil
}

type countedConn struct {
	*net.TCPConn
	s *service
}

func (c countedConn) Read(p []byte) (int, error) {
	c.s.reads.Add(1)
	n, err := c.TCPConn.Read(p)
	c.s.bytes.Add(int64(n))
	return n, err
}

func (c countedConn) Close() error {
	c.s.closed.Add(1)
	return c.TCPConn.Close()
}

// client is one connection.
type client struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func (s *service) dial() *client {
	s.t.Helper()
	c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { _ = c.Close() })
	return &client{c, s.t, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(want string) {
	c.t.Helper()
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got, err := io.ReadAll(response.Body); err != nil || string(got) != want {
		c.t.Errorf("%q %v, want %q", got, err, want)
	}
}

// waitUntil polls for a state of the listener.
func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in %v", what, patience)
		}
	}
}

// parked counts what the listener holds. It is asked for by the goroutines that
// hold: the listener itself is Serve's.
func parked() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "keepalive.(*listener).park(")
}

func TestAParkedConnectionIsAnsweredAgain(t *testing.T) {
	s := start(t, time.Hour)
	c := s.dial()
	for i := range 2 {
		path := fmt.Sprintf("/%d", i)
		c.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		c.expect("POST " + path + " {}")
		waitUntil(t, "the connection is parked", func() bool { return parked() == 1 })
	}
	if s.closed.Load() != 0 {
		t.Error("the connection was closed")
	}
}

// What a client sent of its next request before the connection would be parked
// must not be lost.
func TestABegunRequestIsNotParked(t *testing.T) {
	const first, second = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"
	s := start(t, time.Hour)
	var clients []*client
	for begun := 5; begun >= 0; begun-- { // of which net/http takes the first two for the end of a body
		c := s.dial()
		c.send(first + second[:begun])
		c.expect("POST /a {}")
		clients = append(clients, c)
	}
	waitUntil(t, "the last, with nothing begun, is parked", func() bool { return parked() > 0 })
	for i, c := range clients {
		c.send(second[5-i:])
		c.expect("GET /b ")
	}
}

func TestAConnectionIsClosedWhenItIsIdleForTooLong(t *testing.T) {
	s := start(t, parkAfter+time.Millisecond)
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	c.expect("GET /a ")
	if _, err := c.reader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("reading gives %v, want the end", err)
	}
}

func TestAParkedConnectionEndsWithItsClient(t *testing.T) {
	s := start(t, time.Hour)
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	c.expect("GET /a ")
	waitUntil(t, "the connection is parked", func() bool { return parked() == 1 })
	_ = c.Close()
	waitUntil(t, "the connection is closed", func() bool { return s.closed.Load() == 1 })
}

func TestShutdownClosesWhatIsParked(t *testing.T) {
	s := start(t, time.Hour)
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	c.expect("GET /a ")
	waitUntil(t, "the connection is parked", func() bool { return parked() == 1 })
	go func() { _ = s.Close() }()
	if _, err := c.reader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("reading gives %v, want the end", err)
	}
}
