//go:build !unix

package mongod

import (
	"errors"
	"os"
	"syscall"
)

const (
	supported    = false
	reopenSignal = syscall.SIGHUP
)

func lockFile(*os.File, bool) (bool, error) { return false, errUnsupported }

func childAttributes() *syscall.SysProcAttr { return nil }

func commandLine(int) (string, error) { return "", errUnsupported }

func signalPID(int, syscall.Signal) error { return errUnsupported }

func isGone(err error) bool { return errors.Is(err, os.ErrProcessDone) }

func isBusy(error) bool { return false }
