package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sheafdb/sheaf/internal/importer"
)

// refusedFile holds the refused documents of one import. It comes to be with
// the first of them.
type refusedFile struct {
	path string
	// named is set where the caller chose the path.
	named  bool
	file   *os.File
	buffer *bufio.Writer
	lines  *json.Encoder
}

func (r *refusedFile) add(refusal importer.Refusal) error {
	if r.file == nil {
		file, err := os.Create(r.path)
		if err != nil {
			return fmt.Errorf("cannot keep the refused documents: %w", err)
		}
		r.file, r.buffer = file, bufio.NewWriter(file)
		r.lines = json.NewEncoder(r.buffer)
		r.lines.SetEscapeHTML(false)
	}
	if err := r.lines.Encode(refusal); err != nil {
		return fmt.Errorf("cannot keep the refused documents: %w", err)
	}
	return nil
}

// close ends the file. Where a whole import refused nothing, the file that an
// earlier one has left is out of date and goes, unless the caller named it: then
// it could be anything.
func (r *refusedFile) close(whole bool) error {
	if r.file != nil {
		return errors.Join(r.buffer.Flush(), r.file.Close())
	}
	if !whole || r.named {
		return nil
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

const (
	importLineInterval = 3 * time.Second
	importBarInterval  = 100 * time.Millisecond
)

// importMeter shows how far an import is: by a bar on a terminal, else by a line
// now and then.
type importMeter struct {
	to         io.Writer
	collection string
	size       int64
	started    time.Time
	told       time.Time
	bar        *progressbar.ProgressBar // nil when not on a terminal
}

func newImportMeter(to io.Writer, collection string, size int64) *importMeter {
	m := &importMeter{to: to, collection: collection, size: size, started: time.Now()}
	m.told = m.started
	if isTerminal(to) {
		m.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(collection),
			progressbar.OptionShowBytes(true), progressbar.OptionThrottle(importBarInterval), progressbar.OptionSetWidth(20))
	}
	return m
}

func (m *importMeter) show(n importer.Counts) {
	if m.bar != nil {
		m.bar.Describe(m.text(n))
		_ = m.bar.Set64(n.Bytes)
		return
	}
	if time.Since(m.told) >= importLineInterval {
		m.told = time.Now()
		_, _ = fmt.Fprintf(m.to, "%s%s\n", m.text(n), m.share(n))
	}
}

func (m *importMeter) finish() {
	if m.bar != nil {
		_ = m.bar.Exit()
		_, _ = fmt.Fprintln(m.to)
	}
}

func (m *importMeter) text(n importer.Counts) string {
	rate := float64(n.Read) / max(time.Since(m.started).Seconds(), 0.001)
	return fmt.Sprintf("%s: %d documents, %.0f/s, %d refused", m.collection, n.Read, rate, n.Refused)
}

func (m *importMeter) share(n importer.Counts) string {
	if m.size <= 0 {
		return ""
	}
	return fmt.Sprintf(", %d%%", 100*n.Bytes/m.size)
}

// isTerminal reports whether a writer is a person's terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
