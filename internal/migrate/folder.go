package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/schema"
)

// fileName is how migration files are called: a number, by which they are in
// order, and a name.
var fileName = regexp.MustCompile(`^([0-9]{4,9})_([a-z0-9][a-z0-9_-]*)\.(yaml|yml)$`)

// maxFileBytes bounds a migration file. One that creates hundreds of collections
// is long.
const maxFileBytes = 4 << 20

// Load reads the migration files of a folder (NNNN_name.yaml), in their order. A
// folder that is not there has none. The error is a *schema.Problems, with all
// faults of all files.
func Load(fsys fs.FS) ([]*Migration, error) {
	var problems schema.Problems
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problems.Note(schema.Problem{Message: "the folder of the migrations cannot be read: " + err.Error()})
	}
	var migrations []*Migration
	for _, e := range entries {
		if e.IsDir() || !isYAML(e.Name()) {
			continue
		}
		if m := loadFile(fsys, e.Name(), &problems); m != nil {
			migrations = append(migrations, m)
		}
	}
	slices.SortStableFunc(migrations, func(a, b *Migration) int { return a.Number - b.Number })
	for i := 1; i < len(migrations); i++ {
		if a, b := migrations[i-1], migrations[i]; a.Number == b.Number {
			problems.Note(schema.Problem{File: b.File, Message: "has the number of " + a.File})
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return migrations, nil
}

func isYAML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return !strings.HasPrefix(name, ".") && (ext == ".yaml" || ext == ".yml")
}

func loadFile(fsys fs.FS, name string, problems *schema.Problems) *Migration {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		problems.Note(schema.Problem{File: name, Message: "must be called NNNN_name.yaml, such as 0002_user_ages.yaml: four digits or more, and a name of lower-case letters, digits, _ and -"})
		return nil
	}
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		problems.Note(schema.Problem{File: name, Message: "the file cannot be read: " + err.Error()})
		return nil
	}
	m := ParseFile(name, src, problems)
	if m != nil {
		m.Number, _ = strconv.Atoi(parts[1])
	}
	return m
}

// NextNumber returns the number that comes after those of some migrations.
func NextNumber(migrations []*Migration) int {
	if len(migrations) == 0 {
		return 1
	}
	return migrations[len(migrations)-1].Number + 1
}

// FileName returns the name of a migration's file.
func FileName(number int, name string) string { return fmt.Sprintf("%04d_%s.yaml", number, name) }
