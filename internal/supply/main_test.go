package main

import (
	"bytes"
	"os"
	"testing"
)

// The page lists the modules that the program is built from, each with a licence
// that is known to allow it.
func TestThePageOfLicencesIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/licences.md")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := run([]string{"licences"}, &want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want.Bytes()) {
		t.Error("docs/licences.md is not what the modules say: run make licences")
	}
}
