//go:build unix && !linux

package mongod

import (
	"errors"
	"os/exec"
	"strconv"
	"syscall"
)

// childAttributes keep a Ctrl-C at the terminal from the child: the service has requests to finish first.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// commandLine is the command line of a process, its arguments apart by blanks; empty when the process has ended.
func commandLine(pid int) (string, error) {
	line, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", nil
	}
	return firstLine(string(line)) + " ", err
}
