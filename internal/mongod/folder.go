package mongod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errUnsupported = errors.New("there is no private mongod on this operating system; set MONGODB_URI to a MongoDB that runs")

const (
	// Attach tests the lock by taking it for a moment, which must not look like a second Sheaf.
	lockPatience   = 250 * time.Millisecond
	orphanPatience = 10 * time.Second
)

// folder is a data folder that this process holds.
type folder struct {
	path string // absolute, without symbolic links
	lock *os.File
}

func openFolder(path string) (*folder, error) {
	if path == "" {
		return nil, errors.New("mongod: Options.DataDir is required")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the data folder: %w", err)
	}
	path, err := absolute(path)
	if err != nil {
		return nil, fmt.Errorf("cannot use the data folder: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, lock: lock}
	if err := os.MkdirAll(f.dbDir(), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make the data folder: %w", err), f.close())
	}
	return f, nil
}

// close frees the folder. The lock file stays, because a name that comes and goes cannot be locked safely.
func (f *folder) close() error {
	if err := errors.Join(f.lock.Truncate(0), f.lock.Close()); err != nil {
		return fmt.Errorf("cannot free the data folder: %w", err)
	}
	return nil
}

func (f *folder) dbDir() string   { return filepath.Join(f.path, "db") }
func (f *folder) logFile() string { return filepath.Join(f.path, "mongod.log") }

// args are the arguments by which a server of this folder can be known.
func (f *folder) args() []string {
	return []string{"--dbpath", f.dbDir(), "--logpath", f.logFile(), "--logappend"}
}

func takeLock(path string) (*os.File, error) {
	lock, err := os.OpenFile(lockPath(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the data folder: %w", err)
	}
	if err := waitForLock(lock, path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := writeHolder(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the data folder: %w", err), lock.Close())
	}
	return lock, nil
}

func waitForLock(lock *os.File, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	err := poll(ctx, func() (bool, error) { return lockFile(lock, true) })
	if errors.Is(err, context.DeadlineExceeded) {
		return heldError(path)
	}
	return err
}

func writeHolder(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func heldError(path string) error {
	holder := "another Sheaf"
	if pid, ok := readPID(lockPath(path)); ok {
		holder = fmt.Sprintf("another Sheaf (process %d)", pid)
	}
	return fmt.Errorf("%s uses the data folder %s; stop it, or give this one a folder of its own by --data or SHEAF_DATA", holder, path)
}

func lockPath(path string) string { return filepath.Join(path, "lock") }

func readPID(path string) (int, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid, err == nil && pid > 0
}

// state is the content of the state file.
type state struct {
	PID     int    `json:"pid,omitempty"` // 0 when no server runs
	Port    int    `json:"port"`
	URI     string `json:"uri,omitempty"`
	Binary  string `json:"binary"`
	Version string `json:"version"`
	Ready   bool   `json:"ready"`
}

// ended is what remains of a state: the next start prefers its port.
func (s state) ended() state {
	return state{Port: s.Port, Binary: s.Binary, Version: s.Version}
}

func statePath(path string) string { return filepath.Join(path, "mongod.json") }

// readState is the zero state when there is none, or none that can be read: all it tells is a preference.
func (f *folder) readState() state {
	s, err := readState(f.path)
	if err != nil {
		return state{}
	}
	return s
}

func readState(path string) (state, error) {
	var s state
	text, err := os.ReadFile(statePath(path))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// writeState replaces the state file whole.
func (f *folder) writeState(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temporary := statePath(f.path) + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, statePath(f.path))
}

// Attach finds the server that a running Sheaf holds on the data folder, and waits for it while it is still starting.
// It is false when none runs there.
func Attach(ctx context.Context, dataDir string) (uri string, ok bool, err error) {
	err = poll(ctx, func() (bool, error) {
		held, err := isHeld(dataDir)
		if err != nil || !held {
			return true, err
		}
		s, err := readState(dataDir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("cannot read the state of the private mongod: %w", err)
		}
		uri, ok = s.URI, s.Ready
		return ok, nil
	})
	if err != nil {
		return "", false, err
	}
	return uri, ok, nil
}

// isHeld says whether a running Sheaf holds the folder.
func isHeld(path string) (bool, error) {
	lock, err := os.Open(lockPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look into the data folder: %w", err)
	}
	defer lock.Close()
	free, err := lockFile(lock, false)
	return !free, err
}

// endOrphan ends a server that outlived the Sheaf which started it. Nothing is signalled on the word of a file alone:
// the process must hold the lock of the database files, and its command line must be that of a server of this folder.
func (f *folder) endOrphan(ctx context.Context, log *slog.Logger) error {
	if err := f.forgetServer(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*orphanPatience, errors.New("a mongod left by an earlier run does not end; its files are in "+f.path))
	defer cancel()
	var signalled syscall.Signal
	started := time.Now()
	return poll(ctx, func() (bool, error) {
		pid, held, err := databaseHolder(filepath.Join(f.dbDir(), "mongod.lock"))
		if err != nil || !held {
			return true, err
		}
		signal := syscall.SIGTERM
		if time.Since(started) > orphanPatience {
			signal = syscall.SIGKILL
		}
		if signal == signalled {
			return false, nil
		}
		ours, err := f.isServer(pid)
		if err != nil || !ours {
			return false, err
		}
		log.Warn("ending a mongod left by an earlier run", "pid", pid)
		signalled = signal
		return false, signalPID(pid, signal)
	})
}

// forgetServer keeps Attach from a server of an earlier run.
func (f *folder) forgetServer() error {
	last := f.readState()
	if last == (state{}) {
		return nil
	}
	return f.writeState(last.ended())
}

// isServer is false for a process that has just ended, and fails for one that Sheaf did not start.
func (f *folder) isServer(pid int) (bool, error) {
	line, err := commandLine(pid)
	if err != nil {
		return false, fmt.Errorf("cannot look at process %d, which uses %s: %w", pid, f.dbDir(), err)
	}
	if strings.TrimSpace(line) == "" {
		return false, nil
	}
	if !strings.Contains(line, " "+strings.Join(f.args(), " ")+" ") {
		return false, fmt.Errorf("a mongod that Sheaf did not start (process %d) uses %s; stop it first", pid, f.dbDir())
	}
	return true, nil
}

// databaseHolder finds the process that holds the lock which mongod keeps on its database files.
func databaseHolder(path string) (pid int, held bool, err error) {
	lock, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("cannot use the data folder: %w", err)
	}
	defer lock.Close()
	free, err := lockFile(lock, true)
	if err != nil || free {
		return 0, false, err
	}
	pid, ok := readPID(path)
	if !ok {
		return 0, false, fmt.Errorf("some process holds %s; stop it first", path)
	}
	return pid, true, nil
}
