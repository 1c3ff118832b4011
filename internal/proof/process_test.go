package proof

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// program is a sheaf of its own, to be killed.
type program struct {
	t       *testing.T
	binary  string
	args    []string
	environ []string
	listen  string
	stderr  io.Writer // nil for nobody
	process *exec.Cmd
}

// build compiles the service as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sheaf")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "github.com/sheafdb/sheaf/cmd/sheaf").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return binary
}

// start starts the program, at the address that it had before, and returns its
// URL.
func (p *program) start() string {
	p.t.Helper()
	p.process = exec.Command(p.binary, append([]string{"serve", "--listen", p.listen}, p.args...)...)
	p.process.Env = p.environ
	p.process.Dir = p.t.TempDir()
	p.process.Stderr = p.stderr
	output, err := p.process.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on http://")
	if !ok {
		p.t.Fatalf("the service printed %q: %v", line, err)
	}
	p.listen = address
	return "http://" + address
}

// kill ends the program as a crash would (kill -9).
func (p *program) kill() {
	p.t.Helper()
	if err := p.process.Process.Kill(); err != nil {
		p.t.Error(err)
	}
	_ = p.process.Wait() // says that it was killed
}

// Writes with keys are carried out exactly once while the service is killed and
// comes back, be it before the commit, between that and the answer, or after.
func TestNothingIsDoneTwiceByAServiceThatIsKilled(t *testing.T) {
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(t.Context()) })
	// What a killed service leaves open is in the way until MongoDB ends it.
	if _, err := store.Admin(t.Context(), server.URI(), bson.D{{Key: "setParameter", Value: 1}, {Key: "transactionLifetimeLimitSeconds", Value: 2}}); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range bankFiles {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &program{
		t: t, binary: build(t), listen: "127.0.0.1:0", args: []string{"--schema", folder, "--session-lifetime", "1s", "--session-idle-timeout", "1s"},
		environ: append(os.Environ(), "MONGODB_URI="+server.URI(), "MONGODB_DATABASE=proof", "SHEAF_LOG_LEVEL=error"),
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	s := &service{t: t, url: p.start(), client: &http.Client{Transport: transport, Timeout: 2 * requestLimit}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		p.kill()
	})
	b := newBank(t, s, true)
	b.run(func() {
		for range 5 {
			b.await(150)
			p.kill()
			p.start()
		}
		b.await(50)
	})
}
