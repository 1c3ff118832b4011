package mongod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// Exit status of mongod when its port is taken, and when its data were written by a version that it cannot follow.
const (
	exitPortTaken    = 48
	exitWrongVersion = 62
)

var errPortTaken = errors.New("the port is taken")

// process is a running mongod.
type process struct {
	cmd    *exec.Cmd
	output output
	ended  context.Context // cancelled when the process has ended; the cause is how
}

func startProcess(path string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...)}
	p.cmd.SysProcAttr = childAttributes()
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	var end context.CancelCauseFunc
	p.ended, end = context.WithCancelCause(context.Background())
	started := make(chan error)
	go p.run(started, end)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", path, err)
	}
	return p, nil
}

// run keeps its thread until the process has ended: Linux sends the child its parent-death signal when the thread that
// started it ends, not when the whole program does.
func (p *process) run(started chan<- error, end context.CancelCauseFunc) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		end(err)
		return
	}
	end(p.outcome(p.cmd.Wait()))
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) done() <-chan struct{} { return p.ended.Done() }

// failure says how the process ended, and whether it has.
func (p *process) failure() (error, bool) {
	return context.Cause(p.ended), p.ended.Err() != nil
}

// bound returns a context that ends with the process too.
func (p *process) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(p.ended, cancel)
	return ctx, func() { unhook(); cancel() }
}

// end asks the process to shut down, and kills it when it takes too long.
func (p *process) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done():
		return nil
	case <-ctx.Done():
	}
	return errors.Join(fmt.Errorf("mongod did not shut down in time and was killed: %w", ctx.Err()), p.kill())
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done()
	return nil
}

func (p *process) reopenLog() error { return p.signal(reopenSignal) }

// signal does nothing when the process has ended already.
func (p *process) signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && p.ended.Err() == nil && !isGone(err) {
		return fmt.Errorf("cannot signal mongod: %w", err)
	}
	return nil
}

// outcome turns the result of Wait into an error, also for a process that ended without one.
func (p *process) outcome(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &exitError{status: "exit status 0", output: p.output.String()}
	case errors.As(err, &exit):
		status, _ := exit.Sys().(syscall.WaitStatus)
		return &exitError{
			status: exit.Error(),
			code:   exit.ExitCode(),
			killed: status.Signaled() && status.Signal() == syscall.SIGKILL,
			output: p.output.String(),
		}
	}
	return err
}

// exitError is how a mongod ended.
type exitError struct {
	status string // such as "exit status 48" or "signal: killed"
	code   int
	killed bool
	output string // what it wrote before it opened its log
}

func (e *exitError) Error() string { return e.status }

// Is makes an end for want of the port recognizable.
func (e *exitError) Is(target error) bool { return target == errPortTaken && e.code == exitPortTaken }

const outputLimit = 4 << 10

// output keeps the first of what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := outputLimit - o.buf.Len(); room > 0 {
		o.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
