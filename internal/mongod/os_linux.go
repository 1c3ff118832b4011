package mongod

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// childAttributes have the child end with its parent even if that is killed, and keep a Ctrl-C at the terminal from
// it: the service has requests to finish first.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// commandLine is the command line of a process, its arguments apart by blanks; empty when the process has ended.
func commandLine(pid int) (string, error) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if errors.Is(err, fs.ErrNotExist) || isGone(err) {
		return "", nil
	}
	return string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), err
}
