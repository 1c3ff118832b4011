package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sow is the seed of seed.txt, which has no name of a file of the schema.
func (m *mover) sow() (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(m.program, "seed", "seed.txt")
	cmd.Dir, cmd.Env = m.folder, m.environ
	output := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	return cmd, output
}

// sowUntil begins a seed, and does what stops it as soon as it has stored two
// transactions, of which it knows the first at least. It returns what the seed printed.
func (m *mover) sowUntil(t *testing.T, stop func(*exec.Cmd)) string {
	t.Helper()
	before := len(m.numbers(t))
	cmd, output := m.sow()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(m.numbers(t)) < before+2000; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the seed does not get on")
			break
		}
	}
	stop(cmd)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailure {
		t.Errorf("the seed was not stopped: %s (%v)", output, err)
	}
	return output.String()
}

// TestASeedThatIsStopped is stopped by Ctrl-C, and by the loss of the database, each
// between two of its transactions, which are slow. It tells how far it came, and the
// same command completes it.
func TestASeedThatIsStopped(t *testing.T) {
	m := newMover(t, 0)
	text := strings.Builder{}
	text.WriteString("numbers:\n")
	for n := range 10_000 {
		fmt.Fprintf(&text, "  n%d: {id: %d, n: %d}\n", n, n, n)
	}
	write(t, filepath.Join(m.folder, "seed.txt"), text.String())
	m.environ = append(m.environ, "SHEAF_SERVER_SELECTION_TIMEOUT=2s")
	m.delay(t, "commitTransaction", 500)
	point := regexp.MustCompile(`^sheaf: interrupted; [1-9]000 of 10000 documents were seen to, and the same command again does the others\n$`)
	if printed := m.sowUntil(t, func(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGINT) }); !point.MatchString(printed) {
		t.Errorf("the seed printed %s", printed)
	}
	point = regexp.MustCompile(`^sheaf: the database cannot be reached: .*; [1-9]000 of 10000 documents were seen to \(or a transaction more, of which the answer was lost\), and the same command again does the others\n$`)
	if printed := m.sowUntil(t, func(*exec.Cmd) { m.killServer(t) }); !point.MatchString(printed) {
		t.Errorf("the seed printed %s", printed)
	}
	m.startAgain(t)
	for _, want := range []string{`^[1-9]000 created, 0 updated, [1-9]000 unchanged\n$`, `^0 created, 0 updated, 10000 unchanged\n$`} {
		cmd, output := m.sow()
		if err := cmd.Run(); err != nil || !regexp.MustCompile(want).MatchString(output.String()) {
			t.Errorf("the seed printed %s (%v)", output, err)
		}
	}
}
