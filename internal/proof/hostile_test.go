package proof

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// target is a shipped service with short time limits, to be ill-treated.
type target struct {
	*program
	t *testing.T
}

// Clients that are slow, that lie or that break off get an answer that says so, or
// lose their connection, in bounded time; others are served meanwhile, and nothing
// of them stays in the service.
func TestHostileClientsHarmOnlyThemselves(t *testing.T) {
	t.Parallel()
	s := startTarget(t)
	for _, c := range []struct {
		name   string
		attack func(*target) tally
	}{
		{"headers byte by byte", slowHeaders},
		{"bodies byte by byte", slowBodies},
		{"bodies that stop", halfBodies},
		{"half-closed sockets", halfClosed},
		{"answers that nobody reads", unread},
		{"compressed bodies", bombs},
		{"pipelined requests", pipelined},
		{"absurd requests", absurd},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.descriptors()
			during := s.meanwhile(t, func() { t.Log("answers: ", c.attack(&target{s.program, t})) })
			t.Log("others were answered", during, "times")
			awaitTrue(t, "the descriptors of the service are given back", func() bool { return s.descriptors() <= before+poolSize })
		})
	}
}

// Ten thousand connections are answered, and wait for their next requests while
// others come.
func TestTenThousandConnections(t *testing.T) {
	s := startTarget(t)
	const goal, reserve = 10_000, 1000
	count := min(goal, int(openFilesLimit(t))-reserve)
	if count < goal {
		t.Logf("this process may open %d files: %d connections in place of %d", openFilesLimit(t), count, goal)
	}
	conns := make([]net.Conn, count)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	answers := make(tally)
	each := func() {
		var group sync.WaitGroup
		var mu sync.Mutex
		const workers = 64
		for w := range workers {
			group.Go(func() {
				for i := w; i < count; i += workers {
					if conns[i] == nil {
						conns[i] = s.dial()
					}
					status := ask(conns[i], "GET /v1/notes/1 HTTP/1.1\r\nHost: sheaf\r\n\r\n")
					mu.Lock()
					answers[status]++
					mu.Unlock()
				}
			})
		}
		group.Wait()
	}
	before := s.descriptors()
	each()
	each()
	t.Logf("%d connections, two requests each: %v; the service holds %d descriptors and %d MiB", count, answers, s.descriptors(), s.memory()>>20)
	if answers["200"] != 2*count {
		t.Errorf("%d of %d requests were answered well: %v", answers["200"], 2*count, answers)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	awaitTrue(t, "the connections are given up", func() bool { return s.descriptors() <= before+poolSize })
}

// startTarget starts a service whose limits a test can wait for.
func startTarget(t *testing.T) *target {
	t.Helper()
	uri, database := testkit.Mongo(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.yaml"), []byte(notes), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{
		t: t, binary: build(t), listen: "127.0.0.1:0",
		args:    []string{"--schema", folder, "--header-timeout", "2s", "--read-timeout", "4s", "--body-limit", "64KiB"},
		environ: append(os.Environ(), "MONGODB_URI="+uri, "MONGODB_DATABASE="+database, "SHEAF_LOG_LEVEL=error"),
	}
	p.start()
	t.Cleanup(p.kill)
	s := &target{p, t}
	if got := s.status(post(`{"id":"1"}`)); got != "201" {
		t.Fatal("the first note: ", got)
	}
	return s
}

// tally counts answers by their status; "closed" is a connection that the service
// closed without one.
type tally map[string]int

// post returns a request that stores a note, as it goes over the wire.
func post(body string, headers ...string) string {
	lines := append([]string{"POST /v1/notes HTTP/1.1", "Host: sheaf", "Content-Type: application/json", fmt.Sprint("Content-Length: ", len(body))}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// poolSize bounds the connections to MongoDB, which may have become more meanwhile
// and are kept for some time.
const poolSize = 40

const hostileWait = time.Minute // for what the service does within seconds, on a loaded machine

func (s *target) dial() net.Conn {
	c, err := net.Dial("tcp", s.listen)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(hostileWait))
	return c
}

// ask sends a request and returns the status of the answer.
func ask(c net.Conn, request string) string {
	if c == nil {
		return "no connection"
	}
	// The service may close before it has read all, and its answer still counts.
	_, _ = io.WriteString(c, request)
	return answer(bufio.NewReader(c))
}

func answer(r *bufio.Reader) string {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "nothing"
		}
		return "closed"
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return cutOff
	}
	return fmt.Sprint(response.StatusCode)
}

func (s *target) status(request string) string {
	c := s.dial()
	if c == nil {
		return "no connection"
	}
	defer func() { _ = c.Close() }()
	return ask(c, request)
}

// each runs an attack on several connections at once.
func (s *target) each(n int, attack func(c net.Conn) string) tally {
	counts := make(tally)
	var mu sync.Mutex
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			c := s.dial()
			if c == nil {
				return
			}
			defer func() { _ = c.Close() }()
			got := attack(c)
			mu.Lock()
			defer mu.Unlock()
			counts[got]++
		})
	}
	group.Wait()
	return counts
}

// only holds that an attack met nothing but the answers named.
func (s *target) only(got tally, allowed ...string) tally {
	s.t.Helper()
	for status, n := range got {
		if !slices.Contains(allowed, status) {
			s.t.Errorf("%d answers are %q; allowed are %q", n, status, allowed)
		}
	}
	return got
}

// meanwhile sends requests of a good client until an attack is over, of which each
// must be answered well.
func (s *target) meanwhile(t *testing.T, attack func()) (answered int) {
	over := make(chan struct{})
	go func() { defer close(over); attack() }()
	for {
		if got := s.status(post(fmt.Sprintf(`{"id":"good-%d"}`, nextThing.Add(1)), "Connection: close")); got != "201" {
			t.Errorf("a good client got %q", got)
		}
		answered++
		select {
		case <-over:
			return answered
		case <-time.After(5 * time.Millisecond):
		}
	}
}

const (
	attackers = 200
	drip      = 50 * time.Millisecond
)

// dripping sends a text byte by byte until it is sent or the other side closed, and
// returns the answer.
func dripping(c net.Conn, text string) string {
	got := make(chan string, 1)
	go func() { got <- answer(bufio.NewReader(c)) }()
	ticker := time.NewTicker(drip)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case status := <-got:
			return status
		case <-ticker.C:
			if i < len(text) {
				_, _ = c.Write([]byte{text[i]})
			}
		}
	}
}

// cutOff is an answer that ends before it is whole.
const cutOff = "half an answer"

func slowHeaders(s *target) tally {
	headers := "GET /v1/notes/1 HTTP/1.1\r\nHost: sheaf\r\n" + strings.Repeat("X-Slow: 1\r\n", 1000)
	// A byte that comes after the close resets the connection, and cuts the answer off.
	return s.only(s.each(attackers, func(c net.Conn) string { return dripping(c, headers) }), "closed", "400", cutOff)
}

func slowBodies(s *target) tally {
	body := `{"text":"` + strings.Repeat("x", 10_000) + `"}`
	head := strings.TrimSuffix(post(body), body)
	return s.only(s.each(attackers, func(c net.Conn) string {
		_, _ = io.WriteString(c, head)
		return dripping(c, body)
	}), "504", "closed")
}

func halfBodies(s *target) tally {
	whole := post(`{"text":"` + strings.Repeat("x", 1000) + `"}`)
	return s.only(s.each(attackers, func(c net.Conn) string {
		_, _ = io.WriteString(c, whole[:len(whole)-500])
		_ = c.(*net.TCPConn).CloseWrite()
		return answer(bufio.NewReader(c))
	}), "400", "closed")
}

// halfClosed sends whole requests over sockets that send no more. net/http takes
// that for a client that hung up, so a request that it notices before the answer
// ends without one.
func halfClosed(s *target) tally {
	return s.only(s.each(attackers, func(c net.Conn) string {
		_, _ = io.WriteString(c, post(fmt.Sprintf(`{"id":"half-%d"}`, nextThing.Add(1)), "Connection: close"))
		_ = c.(*net.TCPConn).CloseWrite()
		return answer(bufio.NewReader(c))
	}), "201", "closed")
}

// unread sends requests and goes without a look at the answers.
func unread(s *target) tally {
	return s.each(attackers, func(c net.Conn) string {
		_, _ = io.WriteString(c, strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: sheaf\r\n\r\n", 20))
		_ = c.(*net.TCPConn).SetLinger(0) // the connection is reset
		return "left"
	})
}

// bombs sends what would be far over the limit if it were unpacked.
func bombs(s *target) tally {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.Copy(w, io.LimitReader(zeros{}, 32<<20))
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	request := post(packed.String(), "Content-Encoding: gzip")
	return s.only(s.each(attackers, func(c net.Conn) string { return ask(c, request) }), "415")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// pipelined sends many requests at once, whose answers come in their order.
func pipelined(s *target) tally {
	const pipe = 50
	return s.only(s.each(20, func(c net.Conn) string {
		var requests strings.Builder
		for i := range pipe {
			fmt.Fprintf(&requests, "GET /v1/%s HTTP/1.1\r\nHost: sheaf\r\n\r\n", []string{"notes?limit=1", "notes/none"}[i%2])
		}
		go func() { _, _ = io.WriteString(c, requests.String()) }()
		r := bufio.NewReader(c)
		for i := range pipe {
			if got, want := answer(r), []string{"200", "404"}[i%2]; got != want {
				return fmt.Sprintf("answer %d is %s", i, got)
			}
		}
		return "in order"
	}), "in order")
}

// absurd sends requests that no client means, each of which has its answer.
func absurd(s *target) tally {
	const get = "GET /v1/notes/1 HTTP/1.1\r\nHost: sheaf\r\n"
	counts := make(tally)
	for _, a := range []struct{ name, request, want string }{
		{"a header of 2 MiB", get + "X-Long: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "431"},
		{"200,000 headers", get + strings.Repeat("X-Many: 1\r\n", 200_000) + "\r\n", "431"},
		{"a path of 2 MiB", "GET /v1/notes/" + strings.Repeat("x", 2<<20) + " HTTP/1.1\r\nHost: sheaf\r\n\r\n", "431"},
		{"a name with a blank", get + "X Bad: 1\r\n\r\n", "400"},
		{"a zero byte", get + "X-Zero: \x00\r\n\r\n", "400"},
		{"no host", "GET /v1/notes/1 HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", get + "Host: other\r\n\r\n", "400"},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		{"HTTP of tomorrow", "GET / HTTP/9.9\r\nHost: sheaf\r\n\r\n", "505"},
		{"two lengths", get + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
		{"a negative length", get + "Content-Length: -1\r\n\r\n", "400"},
		{"a length beyond all bounds", get + "Content-Length: 99999999999999999999\r\n\r\n", "400"},
		{"an unknown transfer", get + "Transfer-Encoding: chunked, identity\r\n\r\n", "501"},
		{"chunks without end", strings.Replace(post(""), "Content-Length: 0", "Transfer-Encoding: chunked", 1) + strings.Repeat("4000\r\n"+strings.Repeat("x", 0x4000)+"\r\n", 100), "413"},
		{"a chunk that is none", strings.Replace(post(""), "Content-Length: 0", "Transfer-Encoding: chunked", 1) + "zz\r\n\r\n", "400"},
		{"a length over the limit", strings.Replace(post(""), "Content-Length: 0", "Content-Length: 1000000000", 1), "413"},
		{"an array of arrays", post(strings.Repeat("[", 60_000)), "400"},
		{"an unknown method", "BREW /v1/notes/1 HTTP/1.1\r\nHost: sheaf\r\n\r\n", "405"},
		{"a way out", "GET /v1/../../etc/passwd HTTP/1.1\r\nHost: sheaf\r\n\r\n", "404"},
		{"10,000 parameters", "GET /v1/notes?" + strings.Repeat("a=1&", 10_000) + " HTTP/1.1\r\nHost: sheaf\r\n\r\n", "400"},
	} {
		got := s.status(a.request)
		counts[got]++
		// What is much too long may not all be sent when the service closes, and the
		// answer is lost then.
		if got != a.want && (got != "closed" || len(a.request) < 1<<16) {
			s.t.Errorf("%s: %s, want %s", a.name, got, a.want)
		}
	}
	return counts
}

func openFilesLimit(t *testing.T) uint64 {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return limit.Cur
}
