package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sheafdb/sheaf/internal/importer"
)

const (
	meterLineInterval = 3 * time.Second
	meterBarInterval  = 100 * time.Millisecond
)

// meter shows how far documents are moved: by a bar on a terminal, else by a
// line now and then.
type meter struct {
	to         io.Writer
	collection string
	// size is the whole of what is done, -1 where it is not known.
	size    int64
	started time.Time
	told    time.Time
	// first is how much was done when it was told for the first time.
	first int64
	begun bool
	bar   *progressbar.ProgressBar // nil when not on a terminal
}

func newMeter(to io.Writer, collection string, size int64, options ...progressbar.Option) *meter {
	m := &meter{to: to, collection: collection, size: size, started: time.Now()}
	m.told = m.started
	if isTerminal(to) {
		options = append(options, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(collection),
			progressbar.OptionThrottle(meterBarInterval), progressbar.OptionSetWidth(20))
		m.bar = progressbar.NewOptions64(size, options...)
	}
	return m
}

// show tells of documents, and of how much of the size is done. further is what
// else there is to say.
func (m *meter) show(documents, done int64, further string) {
	if !m.begun {
		m.first, m.begun = done, true
	}
	if m.bar != nil {
		m.bar.Describe(m.text(documents, further))
		_ = m.bar.Set64(done)
		return
	}
	if time.Since(m.told) >= meterLineInterval {
		m.told = time.Now()
		_, _ = fmt.Fprintf(m.to, "%s%s\n", m.text(documents, further), m.share(done))
	}
}

func (m *meter) finish() {
	if m.bar != nil {
		_ = m.bar.Exit()
		_, _ = fmt.Fprintln(m.to)
	}
}

func (m *meter) text(documents int64, further string) string {
	rate := float64(documents) / max(time.Since(m.started).Seconds(), 0.001)
	return fmt.Sprintf("%s: %d documents, %.0f/s%s", m.collection, documents, rate, further)
}

func (m *meter) share(done int64) string {
	if m.size <= 0 {
		return ""
	}
	return fmt.Sprintf(", %d%%%s", 100*min(done, m.size)/m.size, m.left(done))
}

// left is how long the rest takes at the rate up to now.
func (m *meter) left(done int64) string {
	if done <= m.first || done >= m.size {
		return ""
	}
	each := float64(time.Since(m.started)) / float64(done-m.first)
	return fmt.Sprintf(", %s left", time.Duration(each*float64(m.size-done)).Round(time.Second))
}

// showImport returns what shows the counts of an import.
func showImport(m *meter) func(importer.Counts) {
	return func(n importer.Counts) { m.show(n.Read, n.Bytes, fmt.Sprintf(", %d refused", n.Refused)) }
}

// isTerminal reports whether a writer is a person's terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
