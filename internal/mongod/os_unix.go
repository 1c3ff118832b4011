//go:build unix

package mongod

import (
	"errors"
	"os"
	"syscall"
)

const (
	supported    = true
	reopenSignal = syscall.SIGUSR1
)

// lockFile takes the lock of an open file if it is free. Only an exclusive lock keeps other exclusive ones out, and
// closing the file frees it.
func lockFile(file *os.File, exclusive bool) (bool, error) {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, &os.PathError{Op: "lock", Path: file.Name(), Err: err}
		}
	}
}

func signalPID(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !isGone(err) {
		return err
	}
	return nil
}

func isGone(err error) bool {
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}

// isBusy is true for a program that cannot be run because some process still has it open for writing.
func isBusy(err error) bool { return errors.Is(err, syscall.ETXTBSY) }
