package proof

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/testkit"
)

const notes = `
collection: notes
id: string
fields:
  count: {type: int, default: 0}
  text: {type: string}
`

// Two instances on one replica set are restarted one after the other while clients
// work, of which none sends a request twice. Every request is answered as it
// should be.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	uri, binary, folder := testkit.StartReplicaSet(t).URI(), build(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes.yaml"), []byte(notes), 0o600); err != nil {
		t.Fatal(err)
	}
	var programs []*program
	var addresses []string
	for range 2 {
		p := &program{
			t: t, binary: binary, listen: "127.0.0.1:0", args: []string{"--schema", folder, "--drain-delay", "3s"},
			environ: append(os.Environ(), "MONGODB_URI="+uri, "MONGODB_DATABASE=proof", "SHEAF_LOG_LEVEL=error"),
		}
		p.start()
		t.Cleanup(p.kill)
		programs, addresses = append(programs, p), append(addresses, p.listen)
	}
	b := startBalancer(t, addresses...)
	c := startCrowd(t, b.listener.Addr().String())
	for i, p := range programs {
		b.await(b.instances[i], true)
		c.await(500)
		p.terminate()
		b.await(b.instances[i], false)
		p.start()
		b.await(b.instances[i], true)
		taken := b.instances[i].taken.Load()
		awaitTrue(t, "the new instance has clients", func() bool { return b.instances[i].taken.Load() > taken+10 })
	}
	c.await(500)
	c.end()
}

// terminate ends the program as a platform does (SIGTERM), and holds that it takes
// that well.
func (p *program) terminate() {
	p.t.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	if err := p.process.Wait(); err != nil {
		p.t.Errorf("the service ends with %v", err)
	}
}

// crowd is clients that send one request after another, each by a connection of
// its own.
type crowd struct {
	t        *testing.T
	address  string
	answered atomic.Int64
	stop     chan struct{}
	clients  sync.WaitGroup
}

const crowdSize = 8

func startCrowd(t *testing.T, address string) *crowd {
	t.Helper()
	c := &crowd{t: t, address: address, stop: make(chan struct{})}
	for id := range crowdSize {
		c.clients.Go(func() { (&visitor{crowd: c, id: fmt.Sprint(id)}).work() })
	}
	return c
}

// await returns when some more requests are answered.
func (c *crowd) await(more int64) {
	c.t.Helper()
	before := c.answered.Load()
	awaitTrue(c.t, "requests are answered", func() bool { return c.answered.Load() >= before+more || c.t.Failed() })
}

// end has the clients look at what they stored, and go.
func (c *crowd) end() {
	close(c.stop)
	c.clients.Wait()
	c.t.Logf("%d requests were answered", c.answered.Load())
}

// visitor is a client that repeats nothing.
type visitor struct {
	crowd  *crowd
	id     string
	conn   net.Conn
	reader *bufio.Reader
	// sent counts the requests of the connection, counted what was added to the
	// visitor's note.
	sent, counted int
}

// perConnection is how many requests a visitor sends before it takes another
// connection.
const perConnection = 40

// work sends requests until the crowd is to end, and then looks whether each was
// carried out once.
func (v *visitor) work() {
	defer v.leave()
	note := "/v1/notes/" + v.id
	v.must(201, "POST", "/v1/notes", fmt.Sprintf(`{"id":%q}`, v.id))
	for n := 0; !v.over(); n++ {
		other := fmt.Sprintf("%s-%d", v.id, n)
		v.must(200, "GET", note, "")
		v.must(201, "POST", "/v1/notes", fmt.Sprintf(`{"id":%q,"text":"t"}`, other))
		v.must(200, "PATCH", note, `{"$inc":{"count":1}}`)
		v.must(200, "POST", "/v1/_transactions", fmt.Sprintf(`{"operations":[{"update":"notes","id":%q,"change":{"$inc":{"count":1}}},{"delete":"notes","id":%q}]}`, v.id, other))
		v.must(200, "GET", "/v1/notes?limit=3", "")
		v.counted += 2
	}
	if got := v.must(200, "GET", note, ""); !v.crowd.t.Failed() && !strings.Contains(got, fmt.Sprintf(`"count":%d,`, v.counted)) {
		v.crowd.t.Errorf("%d was added to the note, which is %s", v.counted, got)
	}
}

func (v *visitor) over() bool {
	select {
	case <-v.crowd.stop:
		return true
	default:
		return v.crowd.t.Failed()
	}
}

// must sends a request once and fails the test where it is not answered with a
// status.
func (v *visitor) must(status int, method, path, body string) string {
	began := time.Now()
	response, content, err := v.send(method, path, body)
	if err != nil {
		v.crowd.t.Errorf("%s %s, request %d of its connection, got no answer after %v: %v", method, path, v.sent, time.Since(began), err)
		v.leave()
		return ""
	}
	if response.StatusCode != status {
		v.crowd.t.Errorf("%s %s got %d, want %d: %s", method, path, response.StatusCode, status, content)
	}
	if response.Close || v.sent == perConnection {
		v.leave()
	}
	v.crowd.answered.Add(1)
	return content
}

func (v *visitor) send(method, path, body string) (*http.Response, string, error) {
	if err := v.enter(); err != nil {
		return nil, "", err
	}
	request, err := http.NewRequestWithContext(v.crowd.t.Context(), method, "http://sheaf"+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/vnd.sheaf.update+json")
	}
	v.sent++
	if err := request.Write(v.conn); err != nil {
		return nil, "", err
	}
	response, err := http.ReadResponse(v.reader, request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response, string(content), err
}

// enter makes a connection where there is none.
func (v *visitor) enter() (err error) {
	if v.conn != nil {
		return nil
	}
	if v.conn, err = net.Dial("tcp", v.crowd.address); err != nil {
		v.conn = nil
		return err
	}
	v.reader, v.sent = bufio.NewReader(v.conn), 0
	return v.conn.SetDeadline(time.Now().Add(time.Minute))
}

func (v *visitor) leave() {
	if v.conn != nil {
		_ = v.conn.Close()
		v.conn = nil
	}
}
