package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Service is a service under load.
type Service struct {
	// Name is what the report calls it.
	Name string

	address string
	tls     bool
	// header is sent with every request: whole lines.
	header string
	// process is nil for a service that somebody else runs; mongo is the process
	// id of the database, 0 where it is not known.
	process *exec.Cmd
	mongo   int
	ready   time.Duration

	// What seed made: the ids of items, and the cursor of a page far back.
	items  []string
	cursor string
}

// At returns the service at a URL, http or https. Headers are lines such as
// "Authorization: Bearer …".
func At(rawURL string, headers []string) (*Service, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not the URL of a service, such as http://127.0.0.1:8080", rawURL)
	}
	s := &Service{Name: sheafName, address: u.Host, tls: u.Scheme == "https"}
	if u.Port() == "" {
		s.address = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[s.tls])
	}
	return s, s.send(headers)
}

// send adds headers to every request.
func (s *Service) send(headers []string) error {
	for _, line := range headers {
		if !strings.Contains(line, ": ") || strings.ContainsAny(line, "\r\n") {
			return fmt.Errorf("%q is not a header, such as \"Authorization: Bearer …\"", line)
		}
		s.header += line + "\r\n"
	}
	return nil
}

// Start runs a program and waits for its line "listening on URL". Its log is
// discarded, but written. Headers are those of every request, as for At. mongo is the process id of the database that it uses.
func Start(ctx context.Context, name, program string, args, headers, environ []string, mongo int) (*Service, error) {
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
		return nil, errors.Join(fmt.Errorf("%s did not start: it printed %q; run it by hand to see why", program, line), command.Process.Kill(), command.Wait())
	}
	s := &Service{Name: name, address: address, process: command, mongo: mongo, ready: time.Since(began)}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return s, s.send(headers)
}

// Ready is how long it took from the start to the first line.
func (s *Service) Ready() time.Duration { return s.ready }

// Stop ends a service that Start began, as an orchestrator would.
func (s *Service) Stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.process.Wait()
}

// Memory returns the resident memory in MB, 0 where the system does not tell.
func (s *Service) Memory() float64 {
	const kBPerMB = 1024
	if s.process == nil {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kB, _ := strconv.ParseFloat(fields[1], 64)
			return kB / kBPerMB
		}
	}
	return 0
}

// usage is the processor time that was used since the start.
type usage struct{ service, mongo time.Duration }

// usage returns zeros where the system does not tell.
func (s *Service) usage() usage {
	if s.process == nil {
		return usage{}
	}
	return usage{service: processorTime(s.process.Process.Pid), mongo: processorTime(s.mongo)}
}

// processorTime reads the user and system time of a process out of Linux's
// /proc: the fields utime and stime, in ticks of a hundredth of a second.
func processorTime(pid int) time.Duration {
	const tick, utime, stime = 10 * time.Millisecond, 11, 12
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name of the program, in parentheses, may hold spaces.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) <= stime {
		return 0
	}
	user, _ := strconv.ParseInt(fields[utime], 10, 64)
	system, _ := strconv.ParseInt(fields[stime], 10, 64)
	return time.Duration(user+system) * tick
}
