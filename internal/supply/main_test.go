package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

// The SBOM of the program says what it is and of what it was built, with the modules
// that the page of licences has.
func TestTheSBOMListsWhatIsInTheProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sheaf")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "github.com/sheafdb/sheaf/cmd/sheaf").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	page, err := os.ReadFile("../../docs/licences.md")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := run([]string{"sbom", "1.2.3", "1700000000", program}, &text); err != nil {
		t.Fatal(err)
	}
	var document struct {
		BOMFormat, SpecVersion string
		Version                int
		Metadata               struct {
			Timestamp string
			Component component
		}
		Components []component
	}
	if err := json.Unmarshal(text.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	about := document.Metadata
	if document.BOMFormat != "CycloneDX" || document.SpecVersion != "1.5" || document.Version != 1 || about.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("it begins with %+v", document)
	}
	if about.Component.Type != "application" || about.Component.PURL != "pkg:golang/github.com/sheafdb/sheaf@1.2.3" {
		t.Errorf("it is of %+v", about.Component)
	}
	refs := map[string]bool{about.Component.Ref: true}
	for _, c := range document.Components {
		if refs[c.Ref] || c.Type != "library" || c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%+v is twice there, or wrong", c)
		}
		refs[c.Ref] = true
		if c.Name != "stdlib" && !strings.Contains(string(page), "| "+c.Name+" | "+c.Version+" |") {
			t.Errorf("docs/licences.md has no %s %s", c.Name, c.Version)
		}
	}
	if len(refs) < 20 {
		t.Errorf("it lists %d components", len(document.Components))
	}
}

// The settings that the threat model goes by are there.
func TestTheThreatModelNamesSettingsThatExist(t *testing.T) {
	model, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`SHEAF_[A-Z_]+`).FindAllString(string(model), -1)
	if len(names) < 15 {
		t.Errorf("it names %d settings", len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(settings), "`"+name+"`") {
			t.Errorf("there is no setting %s", name)
		}
	}
}
