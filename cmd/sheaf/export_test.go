package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// mover exports the documents of a collection by this program, as a process of its
// own.
type mover struct {
	*importProcess
	server *mongod.Server
	data   string // the folder of the server
	want   []byte // what a whole export holds
}

// newMover has so many documents of about 1 kB in a database of a server of the
// test's own.
func newMover(t *testing.T, documents int) *mover {
	t.Helper()
	t.Parallel()
	folder := t.TempDir()
	server, err := testkit.StartMongod(folder)
	if err != nil {
		t.Fatal(err)
	}
	m := &mover{importProcess: newImportProcess(t, server.URI(), "moved", "int"), server: server, data: folder}
	t.Cleanup(func() { _ = m.server.Stop(context.Background()) })
	write(t, filepath.Join(m.folder, "numbers.yaml"), "collection: numbers\nid: int\nfields: {n: {type: int}, pad: {type: string}}\n")
	var want bytes.Buffer
	pad := strings.Repeat("x", 900)
	for from := 0; from < documents; from += 1000 {
		var docs []bson.Raw
		for n := from; n < from+1000; n++ {
			raw, err := bson.Marshal(bson.D{{Key: "_id", Value: int64(n)}, {Key: "n", Value: int64(n)}, {Key: "pad", Value: pad}, {Key: "version", Value: int64(1)},
				{Key: "createdAt", Value: bson.DateTime(0)}, {Key: "updatedAt", Value: bson.DateTime(0)}})
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, raw)
			fmt.Fprintf(&want, `{"id":%d,"n":%d,"pad":"%s","version":1,"createdAt":"1970-01-01T00:00:00.000Z","updatedAt":"1970-01-01T00:00:00.000Z"}`+"\n", n, n, pad)
		}
		if failures, err := m.store.InsertMany(t.Context(), "numbers", docs); err != nil || len(failures) > 0 {
			t.Fatal(len(failures), err)
		}
	}
	m.want = want.Bytes()
	return m
}

// export is the command, with its output to where.
func (m *mover) export(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(m.program, append([]string{"export", "numbers"}, args...)...)
	cmd.Dir, cmd.Env = m.folder, m.environ
	output := &bytes.Buffer{}
	cmd.Stderr = output
	return cmd, output
}

// resumed goes on with an export and holds that it comes to be whole.
func (m *mover) resumed(t *testing.T, file string) {
	t.Helper()
	cmd, output := m.export(file, "--resume")
	if err := cmd.Run(); err != nil {
		t.Fatalf("the resumed export printed %s (%v)", output, err)
	}
	m.whole(t, file)
}

// whole holds that an export is all that there is, and that nothing else is left.
func (m *mover) whole(t *testing.T, file string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(m.folder, file))
	if err != nil || !bytes.Equal(got, m.want) {
		t.Errorf("the export has %d bytes, want %d (%v)", len(got), len(m.want), err)
	}
	if left, _ := filepath.Glob(filepath.Join(m.folder, file+".part*")); len(left) > 0 {
		t.Errorf("%s are left", left)
	}
}

// onAFullDisk runs an export to disk/out.ndjson on a tmpfs of 2 MB, which only what
// it starts sees, and prints what the export printed and its exit code; then it
// makes the disk larger and runs the same with --resume.
const onAFullDisk = `mount -t tmpfs -o size=2m sheaf disk || exit 99
"$0" export numbers disk/out.ndjson
echo "exit code $?"
test ! -e disk/out.ndjson || echo "the file has its name already"
mount -o remount,size=64m sheaf disk || exit 99
"$0" export numbers disk/out.ndjson --resume && cp disk/* .`

// TestAnExportOnAFullDisk has a disk that is full where the system lets anybody
// mount one, and a limit of the size of files elsewhere: nothing takes the name of
// the file, and with more room the same command completes it.
func TestAnExportOnAFullDisk(t *testing.T) {
	m := newMover(t, 6000)
	if err := os.Mkdir(filepath.Join(m.folder, "disk"), 0o700); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "sheaf", t.TempDir()).CombinedOutput(); err != nil {
		t.Logf("no disk can be mounted (%v: %s): a limit of the size of files stands in for it", err, bytes.TrimSpace(output))
		m.exportUnderALimit(t)
		return
	}
	cmd := exec.Command("unshare", "--map-root-user", "--mount", "sh", "-c", onAFullDisk, m.program)
	cmd.Dir, cmd.Env = m.folder, m.environ
	output, err := cmd.CombinedOutput()
	if text := string(output); err != nil || !strings.Contains(text, "sheaf: the export cannot be written: write disk/out.ndjson.part: no space left on device") ||
		!strings.Contains(text, "sheaf: stopped after the id ") || !strings.Contains(text, "exit code 1\n") || strings.Contains(text, "already") {
		t.Fatalf("the export printed %s (%v)", output, err)
	}
	m.whole(t, "out.ndjson")
}

// exportUnderALimit is the same with files that may be of 2.5 MB.
func (m *mover) exportUnderALimit(t *testing.T) {
	t.Helper()
	output := &bytes.Buffer{}
	// The limit is that of the shell and what it starts, in blocks of 512 bytes.
	cmd := exec.Command("sh", "-c", `ulimit -f 5000; exec "$0" "$@"`, m.program, "export", "numbers", "out.ndjson")
	cmd.Dir, cmd.Env, cmd.Stderr = m.folder, m.environ, output
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != exitFailure || !strings.Contains(output.String(), "sheaf: the export cannot be written: write out.ndjson.part: file too large") ||
		!strings.Contains(output.String(), "sheaf: stopped after the id ") {
		t.Fatalf("the export printed %s (%v)", output, err)
	}
	if _, err := os.Stat(filepath.Join(m.folder, "out.ndjson")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file has its name already: %v", err)
	}
	m.resumed(t, "out.ndjson")
}

// awaitPart waits until an export has written something.
func (m *mover) awaitPart(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(filepath.Join(m.folder, file)); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the export writes nothing")
		}
	}
}

// TestAnExportThatIsStopped is stopped by Ctrl-C, and killed: both go on from the
// point that they reached. The database is slow, so that they are stopped midway.
func TestAnExportThatIsStopped(t *testing.T) {
	m := newMover(t, 12_000)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		m.slowDown(t, 400)
		cmd, output := m.export("out.ndjson")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		m.awaitPart(t, "out.ndjson.part")
		if err := cmd.Process.Signal(signal); err != nil {
			t.Error(err)
		}
		err := cmd.Wait()
		if err == nil {
			t.Fatalf("the export was not stopped: %s", output)
		}
		if text := output.String(); signal == syscall.SIGINT && (!strings.Contains(text, "sheaf: interrupted") || !strings.Contains(text, "the same command with --resume goes on from there")) {
			t.Errorf("the export printed %s", text)
		}
		m.slowDown(t, 0)
		m.resumed(t, "out.ndjson")
		if err := os.Remove(filepath.Join(m.folder, "out.ndjson")); err != nil {
			t.Error(err)
		}
	}
}

// slowDown makes every next batch of a cursor take so many milliseconds more.
func (m *mover) slowDown(t *testing.T, milliseconds int) {
	t.Helper()
	m.delay(t, "getMore", milliseconds)
}

// delay makes a command take so many milliseconds more, each time.
func (m *mover) delay(t *testing.T, command string, milliseconds int) {
	t.Helper()
	mode, data := any("off"), bson.D{}
	if milliseconds > 0 {
		mode = "alwaysOn"
		data = bson.D{{Key: "failCommands", Value: bson.A{command}}, {Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: milliseconds}}
	}
	_, err := store.Admin(t.Context(), m.server.URI(), bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}, {Key: "data", Value: data}})
	if err != nil {
		t.Fatal(err)
	}
}

// killServer kills the mongod as nothing can catch.
func (m *mover) killServer(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(m.server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-m.server.Done()
	_ = m.server.Stop(context.Background()) // gives the folder back
}

// startAgain starts a mongod on the data of the one that was killed.
func (m *mover) startAgain(t *testing.T) {
	t.Helper()
	server, err := testkit.StartMongod(m.data)
	if err != nil {
		t.Fatal(err)
	}
	m.server = server
	m.environ = append(m.environ, "MONGODB_URI="+server.URI())
}

// TestWhatIsMovedWhileTheDatabaseIsLost kills the mongod in the middle of an export
// and of an import. Both wait for it, tell up to where they came, and once it is
// there again the same commands complete them.
func TestWhatIsMovedWhileTheDatabaseIsLost(t *testing.T) {
	m := newMover(t, 12_000)
	imported := newImportProcess(t, m.server.URI(), "lost", "int")
	input := imported.command("-")
	printed := &bytes.Buffer{}
	input.Stdout, input.Stderr = printed, printed
	feed, err := input.StdinPipe()
	if err == nil {
		err = input.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := func(n int) string { return fmt.Sprintf("{\"id\":%d,\"n\":%d}\n", n, n) }
	for n := range 2500 {
		_, _ = io.WriteString(feed, line(n))
	}
	for deadline := time.Now().Add(time.Minute); len(imported.numbers(t)) < 2000 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	m.slowDown(t, 400)
	cmd, output := m.export("out.ndjson")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.awaitPart(t, "out.ndjson.part")
	m.killServer(t)
	for n := 2500; n < 4000; n++ {
		_, _ = io.WriteString(feed, line(n))
	}
	_ = feed.Close()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailure ||
		!strings.Contains(output.String(), "sheaf: the database cannot be reached") || !strings.Contains(output.String(), "goes on from there") {
		t.Errorf("the export printed %s (%v)", output, err)
	}
	if err := input.Wait(); err == nil || !strings.Contains(printed.String(), "sheaf: the database cannot be reached") ||
		!strings.Contains(printed.String(), "sheaf: stopped after line 2000, byte ") || !strings.Contains(printed.String(), "read 2000, imported 2000, ") {
		t.Errorf("the import printed %s (%v)", printed, err)
	}
	m.startAgain(t)
	m.resumed(t, "out.ndjson")
	var text strings.Builder
	for n := range 4000 {
		text.WriteString(line(n))
	}
	write(t, imported.file, text.String())
	imported.environ = append(imported.environ, "MONGODB_URI="+m.server.URI())
	if again, err := imported.command(imported.file).CombinedOutput(); err != nil || !strings.Contains(string(again), "read 4000, imported 2000, already there 2000, ") {
		t.Errorf("the second run printed %s (%v)", again, err)
	}
}
