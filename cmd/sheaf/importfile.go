package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

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

// told keeps a document where it is refused.
func (r *refusedFile) told(result importer.Result) error {
	if result.Outcome != importer.Refused {
		return nil
	}
	if r.file == nil {
		file, err := os.Create(r.path)
		if err != nil {
			return fmt.Errorf("cannot keep the refused documents: %w", err)
		}
		r.file, r.buffer = file, bufio.NewWriter(file)
		r.lines = json.NewEncoder(r.buffer)
		r.lines.SetEscapeHTML(false)
	}
	if err := r.lines.Encode(result.Refusal()); err != nil {
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
