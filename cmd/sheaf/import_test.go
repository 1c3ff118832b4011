package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// killed is how many documents the import of the test has.
const killed = 8000

// TestAKilledImportGoesOn kills imports half way, by a signal that nothing can
// catch, and holds that the same command then completes them.
func TestAKilledImportGoesOn(t *testing.T) {
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, kind := range []string{"objectId", "uuid", "increment"} {
		t.Run(kind, func(t *testing.T) {
			p := newImportProcess(t, server.URI(), "import_"+kind, kind)
			for part := 1; part <= 3; part++ {
				p.killAfter(t, part*killed/4)
			}
			output, err := p.command(p.file).CombinedOutput()
			if err != nil || !strings.Contains(string(output), fmt.Sprintf("read %d, ", killed)) || !strings.Contains(string(output), "refused 0, ") {
				t.Fatalf("the last run printed %s (%v)", output, err)
			}
			if got := p.numbers(t); !slices.Equal(got, upTo(killed)) {
				t.Errorf("there are %d documents, and not each of the %d once", len(got), killed)
			}
		})
	}
}

// importProcess runs this program's import as a process of its own.
type importProcess struct {
	program, folder, file string
	environ               []string
	store                 *store.Store
}

func newImportProcess(t *testing.T, uri, database, kind string) *importProcess {
	t.Helper()
	p := &importProcess{folder: t.TempDir()}
	p.program, p.file = filepath.Join(p.folder, "sheaf"), filepath.Join(p.folder, "numbers.ndjson")
	test, err := os.Executable()
	if err == nil {
		err = os.Symlink(test, p.program)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.folder, "numbers.yaml"), "collection: numbers\nid: "+kind+"\nfields:\n  n: {type: int, required: true}\n")
	write(t, p.file, numberLines(killed))
	p.environ = append(os.Environ(), "MONGODB_URI="+uri, "MONGODB_DATABASE="+database, "SHEAF_SCHEMA="+p.folder)
	p.store, err = store.Open(t.Context(), store.Options{URI: uri, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.store.Close(context.Background()) })
	return p
}

func (p *importProcess) command(file string) *exec.Cmd {
	cmd := exec.Command(p.program, "import", "numbers", file)
	cmd.Dir, cmd.Env = p.folder, p.environ
	return cmd
}

// killAfter feeds an import so many documents and no end, and kills it as soon
// as there are more in the database than before.
func (p *importProcess) killAfter(t *testing.T, count int) {
	t.Helper()
	before := len(p.numbers(t))
	cmd := p.command("-")
	feed, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(feed, numberLines(count)) }()
	for deadline := time.Now().Add(time.Minute); len(p.numbers(t)) == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the import stores nothing")
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}

// numbers returns what is stored, sorted.
func (p *importProcess) numbers(t *testing.T) []int64 {
	t.Helper()
	projection, _ := bson.Marshal(bson.D{{Key: "n", Value: 1}})
	rows, err := p.store.Find(t.Context(), store.Query{Collection: "numbers", Projection: projection})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var numbers []int64
	for rows.Next() {
		numbers = append(numbers, rows.Document().Lookup("n").AsInt64())
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(numbers)
	return numbers
}

func upTo(n int) []int64 {
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	return numbers
}

func numberLines(count int) string {
	var text strings.Builder
	for n := range count {
		fmt.Fprintf(&text, "{\"n\":%d}\n", n)
	}
	return text.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTheStopOfAnInterruptedImport holds that SIGINT ends one that waits for its
// input, and that what it has is counted.
func TestTheStopOfAnInterruptedImport(t *testing.T) {
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	p := newImportProcess(t, server.URI(), "import_interrupted", "objectId")
	cmd := p.command("-")
	feed, feedErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if feedErr != nil || outErr != nil {
		t.Fatal(feedErr, outErr)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(feed, numberLines(1500)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(p.numbers(t)) < 1000 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Wait()
	stored := len(p.numbers(t))
	if code := cmd.ProcessState.ExitCode(); code != exitFailure || stored < 1000 || !strings.HasPrefix(line, fmt.Sprintf("read %d, imported %d, ", stored, stored)) {
		t.Errorf("exit code %d, printed %q, and %d documents are stored", code, line, stored)
	}
}
