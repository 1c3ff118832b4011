// Package testkit is the harness of the tests: a real mongod a test program, a
// database a test, and HTTP scenarios whose every exchange is held against the
// OpenAPI document.
package testkit

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
)

// Main runs the tests of a package, stops the mongod that they used, and fails
// where a goroutine is left. A package whose tests call Mongo has
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a package whose TestMain has more to do. It returns the exit
// code.
func Run(m *testing.M) int {
	shared.managed = true
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = max(code, 1)
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = 1
	}
	return code
}

// Mongo returns the connection string of the test program's mongod, a replica
// set of one with test commands, and the name of a database that no other test
// uses. The database is gone when the test ends.
func Mongo(t testing.TB) (uri, database string) {
	t.Helper()
	if !shared.managed {
		t.Fatal("testkit.Mongo needs a TestMain that calls testkit.Main")
	}
	server, err := shared.start()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { drop(t, server.URI(), name) })
	return server.URI() + patience, name
}

// patience is for machines that have other work too, on which a server can take long
// to answer the first time.
const patience = "&serverSelectionTimeoutMS=30000&connectTimeoutMS=20000"

// startLimit bounds the start, a download of mongod included.
const startLimit = 10 * time.Minute

// sharedServer is the mongod of the test program, started by the first test
// that asks for it.
type sharedServer struct {
	managed bool

	once   sync.Once
	server *mongod.Server
	folder string
	err    error
}

var shared sharedServer

func (s *sharedServer) start() (*mongod.Server, error) {
	s.once.Do(func() {
		s.folder, s.err = os.MkdirTemp("", "sheaf-test-")
		if s.err != nil {
			return
		}
		s.server, s.err = StartMongod(s.folder)
	})
	return s.server, s.err
}

func (s *sharedServer) stop() error {
	var err error
	if s.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = s.server.Stop(ctx)
	}
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
	return err
}

// StartMongod starts a mongod of the caller's own on a data folder, with further
// arguments, for tests that stop or kill it.
func StartMongod(folder string, args ...string) (*mongod.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	options := mongodOptions(folder)
	options.Args = append(options.Args, args...)
	return mongod.Start(ctx, options)
}

func mongodOptions(folder string) mongod.Options {
	return mongod.Options{
		DataDir:     folder,
		CacheDir:    os.Getenv("SHEAF_CACHE"),
		Binary:      os.Getenv("SHEAF_MONGOD"),
		Admin:       store.Admin,
		Progress:    os.Stderr,
		OplogSizeMB: 64,
		Args:        []string{"--setParameter", "enableTestCommands=1", "--setParameter", "diagnosticDataCollectionEnabled=false"},
	}
}

func drop(t testing.TB, uri, database string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := store.Drop(ctx, uri, database); err != nil {
		t.Errorf("drop the test's database: %v", err)
	}
}
