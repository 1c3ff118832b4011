package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a service under test.
type process struct {
	command *exec.Cmd
	address string
	// ready is how long it took from its start to its first line.
	ready time.Duration
}

// startService starts a program and waits for its line "listening on URL". Its
// log is discarded, but written.
func startService(ctx context.Context, program string, args, environ []string) (*process, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(), environ...)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	command.Stderr = null
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on http://")
	if err != nil || !ok {
		_ = command.Process.Kill()
		return nil, fmt.Errorf("%s did not start: it printed %q; run it by hand to see why", program, line)
	}
	ready := time.Since(began)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return &process{command: command, address: address, ready: ready}, nil
}

func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.command.Wait()
}

// memory returns the resident memory in MB, 0 where the system does not tell.
func (p *process) memory() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kB, _ := strconv.ParseFloat(fields[1], 64)
			return kB / 1024
		}
	}
	return 0
}
