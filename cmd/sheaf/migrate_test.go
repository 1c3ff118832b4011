package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// counted is how many documents the migration of the tests counts up.
const counted = 4000

// rate is how many documents a second it goes over; a range is a quarter of that.
const rate = 2000

// migrateProcess runs this program's migrate as a process of its own.
type migrateProcess struct {
	t               *testing.T
	program, folder string
	environ         []string
	store           *store.Store
}

func newMigrateProcess(t *testing.T, server *mongod.Server) *migrateProcess {
	t.Helper()
	p := &migrateProcess{t: t, folder: t.TempDir()}
	p.program = filepath.Join(p.folder, "sheaf")
	test, err := os.Executable()
	if err == nil {
		err = os.Symlink(test, p.program)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(p.folder, "migrations"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.folder, "migrations", "0001_count.yaml"), "up:\n  - update: numbers\n    pipeline:\n      - $set: {n: {$add: [$n, 1]}}\n")
	p.connect(server)
	p.fill()
	return p
}

// connect makes a mongod the one whose database is migrated.
func (p *migrateProcess) connect(server *mongod.Server) {
	p.t.Helper()
	const database = "migrated"
	p.environ = append(os.Environ(), "MONGODB_URI="+server.URI(), "MONGODB_DATABASE="+database, fmt.Sprint("SHEAF_MIGRATE_RATE=", rate), "SHEAF_SERVER_SELECTION_TIMEOUT=1s")
	s, err := store.Open(p.t.Context(), store.Options{URI: server.URI(), Database: database})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = s.Close(context.Background()) })
	p.store = s
}

func (p *migrateProcess) fill() {
	p.t.Helper()
	docs := make([]bson.Raw, counted)
	for i := range docs {
		docs[i], _ = bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "n", Value: 0}})
	}
	if _, err := p.store.InsertMany(p.t.Context(), "numbers", docs); err != nil {
		p.t.Fatal(err)
	}
}

func (p *migrateProcess) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.program, append([]string{"migrate"}, args...)...)
	cmd.Dir, cmd.Env = p.folder, p.environ
	return cmd
}

// start starts a run, and waits until it has gone over some documents more.
func (p *migrateProcess) start(output *strings.Builder) *exec.Cmd {
	p.t.Helper()
	before := p.read()
	cmd := p.command("up")
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); p.read() <= before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatal("the run goes over no documents")
		}
	}
	return cmd
}

// read is how many documents the runs went over.
func (p *migrateProcess) read() int64 {
	p.t.Helper()
	record, err := p.store.Migration(p.t.Context(), "0001_count")
	if err != nil {
		p.t.Fatal(err)
	}
	if record.Point == nil {
		return 0
	}
	return record.Point.Read
}

// finish runs the same again, and holds that every document was counted once.
func (p *migrateProcess) finish() {
	p.t.Helper()
	output, err := p.command("up", "--migrate-rate", "0").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "applied 0001_count\n") {
		p.t.Errorf("the last run printed %s (%v)", output, err)
	}
	once, _ := bson.Marshal(bson.D{{Key: "n", Value: 1}, {Key: "version", Value: 1}})
	if n, err := p.store.Count(p.t.Context(), "numbers", once); err != nil || n != counted {
		p.t.Errorf("%d of %d documents were counted once (%v)", n, counted, err)
	}
}

// point is what a run says of where it stopped.
var point = regexp.MustCompile(`stopped in 0001_count at step 1 of 1, update numbers: pipeline, after (\d+) of about 4000 documents, the last with id (\d+)( \(or a range further, of which the answer was lost\))?: (.*); what is done stays, and the same command again goes on from there`)

// stoppedAt holds that a run says the exact point that it reached, and returns why it
// stopped there. mended is called before the record is read; nil for nothing.
func (p *migrateProcess) stoppedAt(cmd *exec.Cmd, output *strings.Builder, mended func()) string {
	p.t.Helper()
	_ = cmd.Wait()
	if mended != nil {
		mended()
	}
	said := point.FindStringSubmatch(output.String())
	if code := cmd.ProcessState.ExitCode(); code != exitFailure || said == nil {
		p.t.Fatalf("exit code %d, printed %s", code, output)
	}
	after, _ := strconv.ParseInt(said[1], 10, 64)
	if read := p.read(); read != after && (said[3] == "" || read != after+rate/4) {
		p.t.Errorf("the run says that it stopped after %s documents%s, and the record says %d", said[1], said[3], read)
	}
	return said[4]
}

// A run is killed, or interrupted, and the next goes on from the exact point.
func TestAStoppedMigrationGoesOn(t *testing.T) {
	t.Parallel()
	p := newMigrateProcess(t, startMongod(t, t.TempDir()))
	var output strings.Builder

	cmd := p.start(&output)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	output.Reset()
	cmd = p.start(&output)
	status, err := p.command("status").CombinedOutput()
	if err != nil || !regexp.MustCompile(`half applied since .* next is step 1 of 1, (?s).* runs migrations since `).Match(status) {
		t.Errorf("the status beside a run is %s (%v)", status, err)
	}
	if other, err := p.command("up").CombinedOutput(); err == nil || !strings.Contains(string(other), "another run is under way: ") {
		t.Errorf("a run beside another printed %s (%v)", other, err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if why := p.stoppedAt(cmd, &output, nil); why != "interrupted" {
		t.Errorf("an interrupted run stopped since %s", why)
	}
	p.finish()
}

// A run that loses its database waits for it for a while, and tells the exact point
// when it gives up.
func TestAMigrationThatLosesItsDatabaseGoesOn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	server := startMongod(t, folder)
	p := newMigrateProcess(t, server)
	var output strings.Builder
	cmd := p.start(&output)
	if err := server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	why := p.stoppedAt(cmd, &output, func() { p.connect(startMongod(t, folder)) })
	if !strings.HasPrefix(why, "the database cannot be reached") && !strings.HasPrefix(why, "the database did not answer") {
		t.Errorf("the run stopped since %s", why)
	}
	p.finish()
}

func startMongod(t *testing.T, folder string) *mongod.Server {
	t.Helper()
	server, err := testkit.StartMongod(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) }) // some are stopped already
	return server
}
