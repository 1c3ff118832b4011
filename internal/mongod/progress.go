package mongod

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	lineInterval = 3 * time.Second
	barInterval  = 100 * time.Millisecond
	megabyte     = 1e6
)

// progress tells a person what takes long.
type progress struct{ to io.Writer }

func (p progress) say(line string) { fmt.Fprintln(p.to, line) }

// meter starts to tell of a download; size is in bytes, -1 when it is not known.
func (p progress) meter(name string, size int64) *meter {
	m := &meter{to: p.to, name: name, size: size, started: time.Now()}
	m.told = m.started
	if file, ok := p.to.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		m.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(p.to), progressbar.OptionSetDescription(name),
			progressbar.OptionShowBytes(true), progressbar.OptionThrottle(barInterval), progressbar.OptionSetWidth(30))
	}
	return m
}

// meter counts the bytes that are written to it.
type meter struct {
	to      io.Writer
	name    string
	size    int64
	started time.Time
	bar     *progressbar.ProgressBar // nil when not on a terminal

	mu   sync.Mutex
	done int64
	told time.Time
}

func (m *meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(m.done + int64(len(p)))
	return len(p), nil
}

// set says how many bytes there are by now; it never goes back.
func (m *meter) set(done int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size > 0 {
		done = min(done, m.size)
	}
	m.advance(max(done, m.done))
}

// finish leaves the last state standing.
func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar == nil {
		m.line()
		return
	}
	_ = m.bar.Exit()
	fmt.Fprintln(m.to)
}

func (m *meter) advance(done int64) {
	m.done = done
	if m.bar != nil {
		_ = m.bar.Set64(done)
		return
	}
	if time.Since(m.told) >= lineInterval {
		m.line()
	}
}

func (m *meter) line() {
	m.told = time.Now()
	of := ""
	if m.size > 0 {
		of = fmt.Sprintf(" of %.1f", float64(m.size)/megabyte)
	}
	rate := float64(m.done) / megabyte / max(time.Since(m.started).Seconds(), 0.001)
	fmt.Fprintf(m.to, "%s: %.1f%s MB, %.1f MB/s\n", m.name, float64(m.done)/megabyte, of, rate)
}
