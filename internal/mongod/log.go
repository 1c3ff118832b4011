package mongod

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	logLimit         = 16 << 20 // bytes; with the log before, twice this much stays on disk
	logCheckInterval = time.Minute
	logTail          = 64 << 10 // bytes
	logTailLines     = 3
)

// rotateLog moves a full log away, over the one before.
func (f *folder) rotateLog() error {
	if f.logSize() < logLimit {
		return nil
	}
	return os.Rename(f.logFile(), f.logFile()+".1")
}

func (f *folder) logSize() int64 {
	info, err := os.Stat(f.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// explainEnd says in words how a server ended: what it wrote last, and what to do where that is known. last is the state
// of the run before.
func (f *folder) explainEnd(failure error, logStart int64, last state) error {
	text := "mongod ended: " + failure.Error()
	var exit *exitError
	if errors.As(failure, &exit) {
		text += exit.hint(last)
	}
	if said := f.lastWords(failure, logStart); said != "" {
		text += "; it wrote last: " + said
	}
	return &endError{text: text + "; its log is " + f.logFile(), failure: failure}
}

// hint is what the person at the terminal may want to know of the end.
func (e *exitError) hint(last state) string {
	switch {
	case e.killed:
		return " (from outside, perhaps for want of memory)"
	case e.code == exitWrongVersion && last.Version != "":
		return fmt.Sprintf(" (its data were last used by version %s, %s; name such a program by SHEAF_MONGOD)", last.Version, last.Binary)
	}
	return ""
}

// endError is how a server ended, in words.
type endError struct {
	text    string
	failure error
}

func (e *endError) Error() string { return e.text }
func (e *endError) Unwrap() error { return e.failure }

// lastWords are the errors at the end of the log, or else its last lines, or else what the process printed.
func (f *folder) lastWords(failure error, logStart int64) string {
	entries := f.logEntries(logStart)
	words := slices.DeleteFunc(slices.Clone(entries), func(e logEntry) bool { return e.Severity != "E" && e.Severity != "F" })
	if len(words) == 0 {
		words = entries
	}
	if len(words) > logTailLines {
		words = words[len(words)-logTailLines:]
	}
	lines := make([]string, len(words))
	for i, entry := range words {
		lines[i] = entry.String()
	}
	var exit *exitError
	if len(lines) == 0 && errors.As(failure, &exit) {
		return firstLine(exit.output)
	}
	return strings.Join(lines, "; ")
}

// logEntry is a line of mongod's log.
type logEntry struct {
	Severity   string `json:"s"`
	Message    string `json:"msg"`
	Attributes struct {
		Error   any `json:"error"`
		Reason  any `json:"reason"`
		Message any `json:"message"`
	} `json:"attr"`
}

func (e logEntry) String() string {
	for _, detail := range []any{e.Attributes.Error, e.Attributes.Reason, e.Attributes.Message} {
		if detail != nil {
			return fmt.Sprintf("%s: %s", e.Message, detailText(detail))
		}
	}
	return e.Message
}

func detailText(detail any) string {
	if text, ok := detail.(string); ok {
		return firstLine(text)
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return ""
	}
	return string(text)
}

// logEntries reads the end of the log, from no earlier than the given size of it.
func (f *folder) logEntries(from int64) []logEntry {
	file, err := os.Open(f.logFile())
	if err != nil {
		return nil
	}
	defer file.Close()
	size := f.logSize()
	if from > size {
		from = 0 // the log was rotated in between
	}
	if _, err := file.Seek(max(from, size-logTail), io.SeekStart); err != nil {
		return nil
	}
	return parseLog(file)
}

// parseLog leaves out the lines that are no entries, such as a first one that is cut.
func parseLog(r io.Reader) []logEntry {
	var entries []logEntry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, logTail)
	for lines.Scan() {
		var entry logEntry
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Message != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}
