package mongod_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.uber.org/goleak"

	"github.com/sheafdb/sheaf/internal/mongod"
)

const patience = time.Minute

// holderEnv makes the test program a Sheaf that holds a server on the folder which it names.
const holderEnv = "MONGOD_TEST_HOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderEnv); dir != "" {
		hold(dir)
	}
	goleak.VerifyTestMain(m)
}

// hold prints the server's process and then waits to be killed.
func hold(dir string) {
	server, err := mongod.Start(context.Background(), on(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.PID())
	select {}
}

func TestServesTransactions(t *testing.T) {
	t.Parallel()
	server := start(t, on(t.TempDir()))
	client := connect(t, server.URI())
	session, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.EndSession(t.Context())
	_, err = session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
		for i := range 2 {
			if _, err := documents(client).InsertOne(ctx, bson.D{{Key: "_id", Value: i}}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		t.Fatalf("transaction: %v", err)
	}
	wantDocuments(t, server.URI(), 2)
}

func TestRestartKeepsDataAndPort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, on(dir))
	insert(t, first.URI(), 1)
	stop(t, first)
	if err := first.Err(); err != nil {
		t.Errorf("Err after Stop = %v, want nil", err)
	}

	second := start(t, on(dir))
	if second.URI() != first.URI() {
		t.Errorf("URI after restart = %s, want that of the first run, %s", second.URI(), first.URI())
	}
	wantDocuments(t, second.URI(), 1)
}

func TestRestartOnOtherPort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, on(dir))
	insert(t, first.URI(), 1)
	stop(t, first)
	taken, err := net.Listen("tcp", first.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	go hangUp(taken)

	second := start(t, on(dir))
	if second.Address() == first.Address() {
		t.Fatalf("the server is on %s, which is taken", second.Address())
	}
	insert(t, second.URI(), 2)
	wantDocuments(t, second.URI(), 2)
}

// hangUp is a program that takes a port and has nothing to say there.
func hangUp(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		conn.Close()
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := start(t, on(dir))
	_, err := mongod.Start(t.Context(), on(dir))
	wantError(t, err, fmt.Sprintf("another Sheaf (process %d) uses the data folder", os.Getpid()), dir, "SHEAF_DATA")
	insert(t, server.URI(), 1)
}

func TestAttach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wantAttach(t, dir, "", false)
	server := start(t, on(dir))
	wantAttach(t, dir, server.URI(), true)
	stop(t, server)
	wantAttach(t, dir, "", false)
	wantAttach(t, filepath.Join(dir, "missing"), "", false)
}

func TestAttachWaitsForStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	type found struct {
		uri string
		ok  bool
		err error
	}
	attached := make(chan found, 1)
	began := on(dir)
	began.Admin = func(ctx context.Context, uri string, command bson.D) (bson.Raw, error) {
		if command[0].Key == "replSetInitiate" {
			go func() {
				uri, ok, err := mongod.Attach(t.Context(), dir)
				attached <- found{uri, ok, err}
			}()
		}
		return admin(ctx, uri, command)
	}
	server := start(t, began)
	if got, want := <-attached, (found{server.URI(), true, nil}); got != want {
		t.Errorf("Attach during a start = %v, want %v", got, want)
	}
}

func TestKilledHolderIsRecovered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, pid := startHolder(t, dir)
	uri, ok, err := mongod.Attach(t.Context(), dir)
	if err != nil || !ok {
		t.Fatalf("Attach = %v, %v", ok, err)
	}
	insert(t, uri, 1)
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // says that it was killed

	server := start(t, on(dir))
	wantDocuments(t, server.URI(), 1)
	waitFor(t, "the first mongod to be gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}

func TestKilledServerIsNoticedAndRecovered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, on(dir))
	insert(t, first.URI(), 1)
	if err := syscall.Kill(first.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Done():
	case <-time.After(patience):
		t.Fatal("Done is not closed though the server was killed")
	}
	wantError(t, first.Err(), "mongod ended: signal: killed", "it wrote last: ", filepath.Join(dir, "mongod.log"))
	stop(t, first)

	second := start(t, on(dir))
	wantDocuments(t, second.URI(), 1)
}

func TestStopTwice(t *testing.T) {
	t.Parallel()
	server := start(t, on(t.TempDir()))
	stop(t, server)
	stop(t, server)
}

func TestStopKillsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, on(dir))
	insert(t, first.URI(), 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, first.Stop(ended), "was killed")

	second := start(t, on(dir))
	wantDocuments(t, second.URI(), 1)
}

func TestFaultyStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*mongod.Options)
		want   []string
	}{
		{"unknown argument", func(o *mongod.Options) { o.Args = []string{"--nonsense"} },
			[]string{"mongod ended: exit status 2", "it wrote last: Error parsing command line", "--nonsense"}},
		{"taken port", func(o *mongod.Options) { o.Port = taken.Addr().(*net.TCPAddr).Port },
			[]string{"mongod ended: exit status 48", "Address already in use"}},
		{"data folder is a file", func(o *mongod.Options) { o.DataDir = file }, []string{"cannot make the data folder", file}},
		{"no data folder", func(o *mongod.Options) { o.DataDir = "" }, []string{"Options.DataDir is required"}},
		{"no admin", func(o *mongod.Options) { o.Admin = nil }, []string{"Options.Admin is required"}},
		{"faulty set", func(o *mongod.Options) { o.Admin = refuseInitiate }, []string{"cannot make the replica set of mongod: refused"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			faulty := on(t.TempDir())
			test.change(&faulty)
			_, err := mongod.Start(t.Context(), faulty)
			wantError(t, err, test.want...)
			wantAttach(t, t.TempDir(), "", false)
		})
	}
}

func TestFolderIsUsableAfterFaultyStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	faulty := on(dir)
	faulty.Admin = refuseInitiate
	_, err := mongod.Start(t.Context(), faulty)
	wantError(t, err, "refused")
	wantAttach(t, dir, "", false)
	insert(t, start(t, on(dir)).URI(), 1)
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancelled := on(t.TempDir())
	reason := errors.New("no longer wanted")
	cancelled.Admin = func(context.Context, string, bson.D) (bson.Raw, error) {
		cancel(reason)
		return nil, reason
	}
	if _, err := mongod.Start(ctx, cancelled); !errors.Is(err, reason) {
		t.Errorf("Start = %v, want %v", err, reason)
	}
	stop(t, start(t, on(cancelled.DataDir)))
}

func TestMembersFormASet(t *testing.T) {
	t.Parallel()
	var uris, hosts []string
	var members bson.A
	for i := range 3 {
		member := on(t.TempDir())
		member.NoInitiate = true
		server := start(t, member)
		uris, hosts = append(uris, server.URI()), append(hosts, server.Address())
		members = append(members, bson.D{{Key: "_id", Value: i}, {Key: "host", Value: server.Address()}})
	}
	config := bson.D{{Key: "_id", Value: "sheaf"}, {Key: "members", Value: members}}
	if _, err := admin(t.Context(), uris[0], bson.D{{Key: "replSetInitiate", Value: config}}); err != nil {
		t.Fatal(err)
	}
	uri := "mongodb://" + strings.Join(hosts, ",") + "/?replicaSet=sheaf"
	insert(t, uri, 1)
	wantDocuments(t, uri, 1)
}

func on(dir string) mongod.Options {
	return mongod.Options{DataDir: dir, Admin: admin, Progress: os.Stderr, OplogSizeMB: 64}
}

func admin(ctx context.Context, uri string, command bson.D) (bson.Raw, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, err
	}
	answer, err := client.Database("admin").RunCommand(ctx, command).Raw()
	return answer, errors.Join(err, disconnect(client))
}

// disconnect does not wait for a server that was stopped.
func disconnect(client *mongo.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return client.Disconnect(ctx)
}

func refuseInitiate(ctx context.Context, uri string, command bson.D) (bson.Raw, error) {
	if command[0].Key == "replSetInitiate" {
		return nil, errors.New("refused")
	}
	return admin(ctx, uri, command)
}

func start(t *testing.T, o mongod.Options) *mongod.Server {
	t.Helper()
	server, err := mongod.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop(context.Background()) })
	return server
}

func stop(t *testing.T, server *mongod.Server) {
	t.Helper()
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// startHolder runs a process that holds a server, and returns the server's process id too.
func startHolder(t *testing.T, dir string) (*exec.Cmd, int) {
	t.Helper()
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holderEnv+"="+dir)
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill() })
	var pid int
	if _, err := fmt.Fscanln(bufio.NewReader(out), &pid); err != nil {
		t.Fatalf("the holder did not start: %v", err)
	}
	return holder, pid
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disconnect(client) })
	return client
}

func documents(client *mongo.Client) *mongo.Collection {
	return client.Database("test").Collection("documents")
}

func insert(t *testing.T, uri string, id int) {
	t.Helper()
	if _, err := documents(connect(t, uri)).InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
		t.Fatalf("insert: %v", err)
	}
}

func wantDocuments(t *testing.T, uri string, want int64) {
	t.Helper()
	got, err := documents(connect(t, uri)).CountDocuments(t.Context(), bson.D{})
	if err != nil || got != want {
		t.Fatalf("documents = %d, %v, want %d", got, err, want)
	}
}

func wantAttach(t *testing.T, dir, wantURI string, wantOK bool) {
	t.Helper()
	uri, ok, err := mongod.Attach(t.Context(), dir)
	if uri != wantURI || ok != wantOK || err != nil {
		t.Errorf("Attach = %q, %v, %v, want %q, %v, nil", uri, ok, err, wantURI, wantOK)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

func waitFor(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
