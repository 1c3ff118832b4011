package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/joho/godotenv"
)

// maxEnvFile is the largest .env file in bytes; a larger one is another file.
const maxEnvFile = 64 << 10

// readDotenv reads the variables of a .env file. Errors name a line and never
// show it: it can hold a secret.
func readDotenv(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxEnvFile {
		return nil, errors.New("is no .env file")
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	variables, ok := parseDotenv(src)
	if !ok {
		return nil, fmt.Errorf("line %d is not of the form NAME=value", faultyLine(src))
	}
	return variables, nil
}

// parseDotenv is the parser of godotenv, and refuses the names with blanks and
// the like that it takes: they come from lines without an equals sign.
func parseDotenv(src []byte) (map[string]string, bool) {
	variables, err := godotenv.UnmarshalBytes(src)
	if err != nil {
		return nil, false
	}
	for name := range variables {
		if !variableName.MatchString(name) {
			return nil, false
		}
	}
	return variables, true
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// faultyLine returns the number of the line where the fault begins, which the
// parser does not say: the one after the longest beginning that is sound.
func faultyLine(src []byte) int {
	lines := bytes.SplitAfter(src, []byte("\n"))
	for n := len(lines) - 1; n > 0; n-- {
		if _, ok := parseDotenv(bytes.Join(lines[:n], nil)); ok {
			return n + 1
		}
	}
	return 1
}

// reason is an error of a file without the file's name, which stands before it.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
