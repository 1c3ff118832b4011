package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Load compiles the schema files (*.yaml, *.yml, *.json) at the top of a folder.
// The error is a *Problems, with all faults of all files.
func Load(fsys fs.FS) (*Model, error) {
	c := &compiler{}
	for _, name := range schemaFiles(fsys, &c.problems) {
		if src, ok := readFile(fsys, name, &c.problems); ok {
			c.files = append(c.files, File{Name: name, Text: src})
		}
	}
	return c.load()
}

// LoadFiles compiles schema files that were read already, as Load does.
func LoadFiles(files []File) (*Model, error) {
	c := &compiler{files: files}
	return c.load()
}

// load compiles the files of the compiler.
func (c *compiler) load() (*Model, error) {
	for _, file := range c.files {
		if root := parse(file.Name, file.Text, collectionContent, &c.problems); root != nil {
			c.declare(root)
		}
	}
	model := c.compile()
	if err := c.problems.err(); err != nil {
		return nil, err
	}
	return model, nil
}

// schemaFiles lists the files of a folder that are schema files by their name.
func schemaFiles(fsys fs.FS, problems *Problems) []string {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		problems.note(Problem{Message: "the schema folder cannot be read: " + reason(err)})
		return nil
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && isSchemaFile(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		problems.note(Problem{Message: "the schema folder holds no schema file (*.yaml, *.yml or *.json)"})
	}
	return names
}

func isSchemaFile(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, ext)
}

func readFile(fsys fs.FS, name string, problems *Problems) (src []byte, ok bool) {
	info, err := fs.Stat(fsys, name)
	if err == nil && info.Size() > maxFileBytes {
		problems.note(Problem{File: name, Message: fmt.Sprintf("the file is over the limit of %d KiB", maxFileBytes>>10)})
		return nil, false
	}
	src, err = fs.ReadFile(fsys, name)
	if err != nil {
		problems.note(Problem{File: name, Message: "the file cannot be read: " + reason(err)})
	}
	return src, err == nil
}

// reason is an error of a file without the file's name, which stands before it.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
