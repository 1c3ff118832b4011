package keepalive

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// holding is a service whose requests to /held are under way until their context
// ends. It tells of both.
type holding struct {
	*service
	began, ended chan struct{}
}

func startHolding(t *testing.T) *holding {
	h := &holding{began: make(chan struct{}), ended: make(chan struct{})}
	h.service = startHandler(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/held" {
			h.began <- struct{}{}
			<-r.Context().Done()
			h.ended <- struct{}{}
		}
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
	})
	return h
}

func await(t *testing.T, what string, happens <-chan struct{}) {
	t.Helper()
	select {
	case <-happens:
	case <-time.After(patience):
		t.Fatalf("%s: not in %v", what, patience)
	}
}

func TestARequestEndsWithItsClient(t *testing.T) {
	for name, request := range map[string]string{
		"no body":      "GET /held HTTP/1.1\r\nHost: x\r\n\r\n",
		"body":         "POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		"chunked body": "POST /held HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	} {
		for before, requests := range map[string]int{"first": 0, "later": 3} {
			for how, hangUp := range map[string]func(*net.TCPConn) error{
				"closed":          (*net.TCPConn).Close,
				"no more to send": (*net.TCPConn).CloseWrite,
				"reset": func(c *net.TCPConn) error {
					_ = c.SetLinger(0)
					return c.Close()
				},
			} {
				t.Run(name+", "+before+", "+how, func(t *testing.T) {
					h := startHolding(t)
					c := h.dial()
					for range requests {
						c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
						c.expect("GET /a ")
					}
					c.send(request)
					await(t, "the request", h.began)
					if err := hangUp(c.Conn.(*net.TCPConn)); err != nil {
						t.Fatal(err)
					}
					await(t, "the end of its context", h.ended)
				})
			}
		}
	}
}

func TestARequestEndsWithItsServer(t *testing.T) {
	h := startHolding(t)
	h.dial().send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
	await(t, "the request", h.began)
	go func() { _ = h.Close() }()
	await(t, "the end of its context", h.ended)
}

// A connection that the system cannot be asked about is net/http's to watch.
func TestARequestOfAnyConnectionEndsWithItsClient(t *testing.T) {
	near, far := net.Pipe()
	ended := make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		go func() { _ = near.Close() }()
		<-r.Context().Done()
		close(ended)
	})}
	l := &one{conn: far, closed: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- Serve(server, l) }()
	defer func() {
		_ = server.Close()
		<-served
	}()
	if _, err := io.WriteString(near, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the request", ended)
}

// one is a listener with one connection.
type one struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *one) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *one) Close() error {
	close(l.closed)
	return nil
}

func (l *one) Addr() net.Addr { return &net.TCPAddr{} }

// What a client sends while its request is under way is its next request, not its
// end, and none of it is lost.
func TestARequestBehindAnotherIsAnswered(t *testing.T) {
	looked := make(chan struct{})
	s := startHandler(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			<-looked
		}
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request ends early: %v", err)
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	c := s.dial()
	c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	waitUntil(t, "the first request is read", func() bool { return s.bytes.Load() > 0 })
	c.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	time.AfterFunc(5*lookAfter, func() { close(looked) })
	c.expect("/a")
	c.expect("/b")
}

// A request that is answered at once costs one read of its connection.
func TestARequestIsReadAtOnce(t *testing.T) {
	const requests = 20
	s := start(t, time.Hour)
	c := s.dial()
	for range requests {
		c.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		c.expect("POST /a {}")
	}
	if reads := s.reads.Load(); reads > requests+1 { // one waits for the next
		t.Errorf("%d requests took %d reads", requests, reads)
	}
}

// Where one byte is wanted of a request, in the room that is left in net/http's
// buffer of 4,096, that read is not taken for a watch.
func TestTheLastByteOfABufferIsRead(t *testing.T) {
	const buffer = 4096
	s := start(t, time.Hour)
	c := s.dial()
	head := "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
	trailer := "A: " + strings.Repeat("a", buffer-len("A: \r\n\r\n")) + "\r\n\r\n"
	for range 2 {
		read := s.bytes.Load()
		for _, part := range []string{head, trailer[:buffer-1], trailer[buffer-1:]} {
			c.send(part)
			read += int64(len(part))
			waitUntil(t, "a part of the request is read", func() bool { return s.bytes.Load() == read })
		}
		c.expect("POST /a {}")
	}
}
