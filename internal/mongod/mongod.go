// Package mongod runs a private MongoDB server for a Sheaf that was given no connection string: it finds or fetches the
// mongod program, starts it as a replica set of one on a loopback port, and stops it with the service.
//
// A data folder holds the lock that keeps a second Sheaf out, the state file through which other commands find the
// server, the server's log and its database files:
//
//	lock         held while a Sheaf uses the folder; names its process
//	mongod.json  the server that runs, or the port that the last one used
//	mongod.log   the server's log; mongod.log.1 is the one before
//	db/          the database files
package mongod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	defaultReplicaSet  = "sheaf"
	defaultCacheSizeGB = 0.25 // the least that mongod takes
	defaultOplogSizeMB = 256

	startLimit  = time.Minute
	stopLimit   = 20 * time.Second
	portRetries = 3
)

// Admin runs an administrative command on the admin database of the server at the URI and returns its answer. An error
// that the server answers with must have a method HasErrorCode(int) bool, as the errors of the MongoDB driver do.
type Admin func(ctx context.Context, uri string, command bson.D) (bson.Raw, error)

// Options say which server to run and where. DataDir and Admin are required.
type Options struct {
	DataDir  string // folder of the lock, the state, the log and the database files; made when missing
	CacheDir string // folder of fetched programs; sheaf in the user's cache folder when empty
	Binary   string // the program to run; looked for and fetched when empty

	Admin    Admin
	Log      *slog.Logger // none when nil
	Progress io.Writer    // shows how a download goes: a bar on a terminal, otherwise lines; none when nil

	ReplicaSet  string   // "sheaf" when empty
	Port        int      // on 127.0.0.1; the port of the last run, or else any free one, when 0
	NoInitiate  bool     // leave the replica set alone: the member is to join a set that the caller makes
	CacheSizeGB float64  // memory for WiredTiger's cache in GiB; 0.25 when 0
	OplogSizeMB int      // disk for the oplog in MiB, fixed at the first start in a data folder; 256 when 0
	Args        []string // more arguments of mongod, such as --setParameter enableTestCommands=1

	ArchiveURL string // where the official archives are; the vendor's host when empty
}

// Server is a mongod that Start has started. Its methods may be called concurrently.
type Server struct {
	options Options
	folder  *folder
	binary  Binary
	log     *slog.Logger

	process *process
	port    int

	stop    sync.Once
	stopErr error
	done    chan struct{}
	mu      sync.Mutex // guards stopped and err
	stopped bool
	err     error
}

// Start starts a mongod on the data folder and returns once it is the writable primary of its set (with NoInitiate,
// once it takes commands). The context bounds the start alone; a download may take as long as the context allows.
// The errors are plain sentences for the person at the terminal.
func Start(ctx context.Context, options Options) (*Server, error) {
	if !supported {
		return nil, errUnsupported
	}
	options = options.withDefaults()
	folder, err := openFolder(options.DataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, folder: folder, log: options.Log, done: make(chan struct{})}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, folder.close())
	}
	go s.watch()
	s.log.Info("mongod ready", "pid", s.PID(), "port", s.port, "version", s.binary.Version, "data", folder.path)
	return s, nil
}

// URI is a connection string for the server: of its replica set, or of the server alone with NoInitiate.
func (s *Server) URI() string {
	if s.options.NoInitiate {
		return s.directURI()
	}
	return "mongodb://" + s.Address() + "/?replicaSet=" + s.options.ReplicaSet
}

// Address is the host and port that the server listens on.
func (s *Server) Address() string { return net.JoinHostPort(loopback, strconv.Itoa(s.port)) }

// PID is the server's process id.
func (s *Server) PID() int { return s.process.pid() }

// Binary is the program that runs.
func (s *Server) Binary() Binary { return s.binary }

// Done is closed when the server has ended, by Stop or on its own.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended on its own, with the end of its log. It is nil while the server runs and after Stop.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Stop shuts the server down and frees the data folder. A server that has not ended when the context does, or after
// 20 seconds, is killed; what it acknowledged with w:majority is kept all the same. Further calls wait for the first.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		err := s.process.end(ctx)
		<-s.done
		s.stopErr = errors.Join(err, s.folder.close())
		s.log.Info("mongod stopped", "pid", s.PID())
	})
	return s.stopErr
}

func (o Options) withDefaults() Options {
	if o.ReplicaSet == "" {
		o.ReplicaSet = defaultReplicaSet
	}
	if o.CacheSizeGB == 0 {
		o.CacheSizeGB = defaultCacheSizeGB
	}
	if o.OplogSizeMB == 0 {
		o.OplogSizeMB = defaultOplogSizeMB
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

func (s *Server) start(ctx context.Context) error {
	if s.options.Admin == nil {
		return errors.New("mongod: Options.Admin is required")
	}
	if err := s.folder.endOrphan(ctx, s.log); err != nil {
		return err
	}
	binary, err := Find(ctx, s.options)
	if err != nil {
		return err
	}
	s.binary = binary
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("mongod was not ready within %v; its log is %s", startLimit, s.folder.logFile()))
	defer cancel()
	return s.launch(ctx)
}

// launch starts the process, again on another port when some other process took the chosen one in between.
func (s *Server) launch(ctx context.Context) error {
	for try := 1; ; try++ {
		err := s.launchOnce(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errPortTaken) || s.options.Port != 0 || try == portRetries {
			return err
		}
	}
}

func (s *Server) launchOnce(ctx context.Context) error {
	last := s.folder.readState()
	port, err := choosePort(s.options.Port, last.Port)
	if err != nil {
		return err
	}
	s.port = port
	if err := s.folder.rotateLog(); err != nil {
		return err
	}
	logStart := s.folder.logSize()
	if s.process, err = startProcess(s.binary.Path, s.args()); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		err = s.startError(ctx, err, logStart, last)
		return errors.Join(err, s.process.kill(), s.folder.writeState(last.ended()))
	}
	return nil
}

// settle brings the started process to the point where it serves.
func (s *Server) settle(ctx context.Context) error {
	ctx, cancel := s.process.bound(ctx)
	defer cancel()
	if err := s.folder.writeState(s.state(false)); err != nil {
		return err
	}
	if err := s.awaitCommands(ctx); err != nil {
		return err
	}
	if !s.options.NoInitiate {
		if err := s.awaitPrimary(ctx); err != nil {
			return err
		}
	}
	return s.folder.writeState(s.state(true))
}

// startError prefers what ended the process or the context to the failure that this caused.
func (s *Server) startError(ctx context.Context, err error, logStart int64, last state) error {
	if failure, ended := s.process.failure(); ended {
		return s.folder.explainEnd(failure, logStart, last)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *Server) args() []string {
	args := []string{
		"--port", strconv.Itoa(s.port),
		"--bind_ip", loopback,
		"--replSet", s.options.ReplicaSet,
		"--oplogSize", strconv.Itoa(s.options.OplogSizeMB),
		"--wiredTigerCacheSizeGB", strconv.FormatFloat(s.options.CacheSizeGB, 'f', -1, 64),
		// Without this an empty database takes 300 MB of journal. The first four values are mongod's own: a group in
		// the engine's configuration replaces the whole group.
		"--wiredTigerEngineConfigString", "log=(enabled=true,remove=true,path=journal,compressor=snappy,prealloc=false,file_max=32MB)",
		"--logRotate", "reopen",
		"--quiet",
		"--nounixsocket",
		"--setParameter", "diagnosticDataCollectionEnabled=false",
		// There is no other member to hand over to, so a stop need not wait for one.
		"--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100",
	}
	return append(append(s.folder.args(), args...), s.options.Args...)
}

func (s *Server) directURI() string { return "mongodb://" + s.Address() + "/?directConnection=true" }

func (s *Server) state(ready bool) state {
	return state{PID: s.PID(), Port: s.port, URI: s.URI(), Binary: s.binary.Path, Version: s.binary.Version, Ready: ready}
}

// watch sees to the log and notices the end of the process.
func (s *Server) watch() {
	defer close(s.done)
	ticker := time.NewTicker(logCheckInterval)
	defer ticker.Stop()
	logStart := s.folder.logSize()
	for {
		select {
		case <-ticker.C:
			if err := s.turnLog(); err != nil {
				s.log.Warn("cannot rotate the log of mongod", "error", err)
			}
		case <-s.process.done():
			s.ended(logStart)
			return
		}
	}
}

// turnLog moves a full log away and makes the server open a new one.
func (s *Server) turnLog() error {
	if s.folder.logSize() < logLimit {
		return nil
	}
	if err := s.folder.rotateLog(); err != nil {
		return err
	}
	return s.process.reopenLog()
}

func (s *Server) ended(logStart int64) {
	state := s.state(true)
	if err := s.folder.writeState(state.ended()); err != nil {
		s.log.Warn("cannot write the state of mongod", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	failure, _ := s.process.failure()
	s.err = s.folder.explainEnd(failure, logStart, state)
	s.log.Error("mongod ended on its own", "pid", s.PID(), "error", s.err)
}

const loopback = "127.0.0.1"

// choosePort returns the fixed port, or else the last one if it is free, or else any free one.
func choosePort(fixed, last int) (int, error) {
	if fixed != 0 {
		return fixed, nil
	}
	if port, err := freePort(last); last != 0 && err == nil {
		return port, nil
	}
	return freePort(0)
}

func freePort(port int) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("no port for mongod: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// absolute resolves symbolic links too, so that a folder has one name.
func absolute(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
