package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// exportFile is what an export is written to: a file beside the one that is asked
// for, which takes its name in the end; or a device, a pipe, or the standard
// output, as it is.
type exportFile struct {
	// path is empty for what is written as it is.
	path, part string
	to         io.Writer
	file       *os.File // nil for the standard output
	encode     func(dst []byte, doc bson.Raw) []byte
	buffer     []byte
	about      exportState
	told       bool

	documents, size int64
	// after and at are where an export goes on.
	after bson.RawValue
	at    bson.Timestamp
}

// exportState is what the file FILE.part.state has: which export FILE.part is of,
// and which moment of the database. How far it came is told by the part itself.
type exportState struct {
	Collection string `json:"collection"`
	Format     string `json:"format"`
	Filter     string `json:"filter,omitempty"`
	Select     string `json:"select,omitempty"`
	Deleted    string `json:"deleted"`
	Seconds    uint32 `json:"seconds"`
	Increment  uint32 `json:"increment"`
}

// same reports whether two are of the same export.
func (s exportState) same(other exportState) bool {
	s.Seconds, s.Increment = other.Seconds, other.Increment
	return s == other
}

var exportForms = map[string]func([]byte, bson.Raw) []byte{"ndjson": bsonjson.AppendDocument, "ejson": bsonjson.AppendExtended}

// open opens what is written to, where it is to be resumed at its end.
func (c *exportCommand) open(a *app, collection *schema.Collection) (*exportFile, error) {
	f := &exportFile{encode: exportForms[c.Format], about: exportState{Collection: c.Collection, Format: c.Format, Filter: c.Filter, Select: c.Select, Deleted: c.Deleted}}
	info, err := os.Stat(c.File)
	asItIs := c.File == "-" || err == nil && !info.Mode().IsRegular()
	switch {
	case err == nil && info.IsDir():
		return nil, usageError(fmt.Sprintf("cannot export to %s: it is a folder", c.File))
	case asItIs && c.Resume:
		return nil, usageError("only an export to a file can be resumed")
	case c.File == "-":
		f.to = a.stdout
		return f, nil
	case asItIs:
		f.file, err = os.OpenFile(c.File, os.O_WRONLY, 0)
	default:
		f.path, f.part = c.File, c.File+".part"
		err = f.openPart(c.Resume, collection)
	}
	f.to = f.file
	if _, ours := errors.AsType[usageError](err); err != nil && !ours {
		err = usageError(fmt.Sprintf("cannot export to %s: %v", c.File, err))
	}
	return f, err
}

func (f *exportFile) openPart(resume bool, collection *schema.Collection) (err error) {
	if !resume {
		if err := os.Remove(f.part + ".state"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f.file, err = os.Create(f.part)
		return err
	}
	before, err := f.before()
	if err != nil {
		return err
	}
	if f.file, err = os.OpenFile(f.part, os.O_RDWR, 0); err != nil {
		return err
	}
	f.at, f.told = bson.Timestamp{T: before.Seconds, I: before.Increment}, true
	return f.goToEnd(collection)
}

// before reads which export stopped.
func (f *exportFile) before() (before exportState, err error) {
	text, err := os.ReadFile(f.part + ".state")
	if errors.Is(err, fs.ErrNotExist) {
		return before, usageError(fmt.Sprintf("there is nothing to resume: %s.state is not there", f.part))
	}
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err == nil && !f.about.same(before) {
		return before, usageError(fmt.Sprintf("%s is of another export: its collection, format, filter or selection is another", f.part))
	}
	return before, err
}

// goToEnd cuts off what is no whole line, and takes the id of the last document.
func (f *exportFile) goToEnd(collection *schema.Collection) error {
	var last, end int64 // where the last whole line begins and ends
	buffer := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := f.file.ReadAt(buffer, at)
		for i := range n {
			if buffer[i] == '\n' {
				last, end, f.documents = end, at+int64(i)+1, f.documents+1
			}
		}
		if at += int64(n); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	f.size = end
	if err := f.file.Truncate(end); err != nil {
		return err
	}
	if _, err := f.file.Seek(end, io.SeekStart); err != nil || end == 0 {
		return err
	}
	line := make([]byte, end-last)
	if _, err := f.file.ReadAt(line, last); err != nil {
		return err
	}
	decoded, err := bsonjson.Decode(bytes.TrimSpace(line), collection.Fields, bsonjson.Options{Extended: true, Exact: true}, new(fault.List))
	if f.after = decoded.System[bsonjson.ID]; err != nil || f.after.Type == 0 {
		return errors.New("the last document of " + f.part + " has no id of the schema; export anew, without --resume")
	}
	return nil
}

const exportChunk = 256 << 10

// write writes documents of a moment of the database.
func (f *exportFile) write(docs []bson.Raw, at bson.Timestamp) error {
	if err := f.note(at); err != nil {
		return err
	}
	for _, doc := range docs {
		f.buffer = append(f.encode(f.buffer, doc), '\n')
		if len(f.buffer) >= exportChunk {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	if err := f.flush(); err != nil {
		return err
	}
	f.documents += int64(len(docs))
	return nil
}

func (f *exportFile) flush() error {
	n, err := f.to.Write(f.buffer)
	f.size, f.buffer = f.size+int64(n), f.buffer[:0]
	if err != nil {
		return fmt.Errorf("the export cannot be written: %w", err)
	}
	return nil
}

// note keeps which moment the documents are of, before the first of them.
func (f *exportFile) note(at bson.Timestamp) error {
	if f.path == "" || f.told && at == f.at {
		return nil
	}
	f.at, f.told = at, true
	f.about.Seconds, f.about.Increment = at.T, at.I
	text, err := json.Marshal(f.about)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.part+".state", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("the export cannot be written: %w", err)
	}
	return nil
}

// resumable reports whether what is there can be gone on with.
func (f *exportFile) resumable() bool { return f.path != "" && f.told }

// finish gives the file its name, once it is on the disk.
func (f *exportFile) finish() error {
	if f.path == "" {
		return nil
	}
	err := errors.Join(f.file.Sync(), f.file.Close())
	if f.file = nil; err == nil {
		err = os.Rename(f.part, f.path)
	}
	if err != nil {
		return fmt.Errorf("the export cannot be written: %w", err)
	}
	syncFolder(filepath.Dir(f.path))
	if err := os.Remove(f.part + ".state"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder makes a new name lasting, where the system can.
func syncFolder(path string) {
	if folder, err := os.Open(path); err == nil {
		_, _ = folder.Sync(), folder.Close()
	}
}

func (f *exportFile) close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
