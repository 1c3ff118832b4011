package check

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestContainerFile(t *testing.T) {
	text := read(t, "deploy/Dockerfile")
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(text, -1)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want a build and a bare one", len(stages))
	}
	for _, stage := range stages {
		if _, tag, _ := strings.Cut(stage[1], ":"); tag == "" || tag == "latest" {
			t.Errorf("the image %s may be any", stage[1])
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "USER 65532", `"sheaf", "health"`, "ENTRYPOINT"} {
		if !strings.Contains(strings.ReplaceAll(text, "/usr/local/bin/", ""), want) {
			t.Errorf("the container file lacks %s", want)
		}
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	if !strings.Contains(text, "golang:"+goVersion) {
		t.Errorf("the container file does not build with Go %s", goVersion)
	}
	for _, name := range regexp.MustCompile(`(SHEAF_[A-Z_]+)=`).FindAllStringSubmatch(text, -1) {
		holdSetting(t, "the container file", name[1])
	}
	holdCopied(t, text)
}

// holdCopied asks that what is copied into the image, and what that is built from, is
// there.
func holdCopied(t *testing.T, text string) {
	t.Helper()
	for _, line := range regexp.MustCompile(`(?m)^COPY ((?:[a-z./]+ )+)\S+$`).FindAllStringSubmatch(text, -1) {
		for source := range strings.FieldsSeq(line[1]) {
			if _, err := os.Stat(filepath.Join(root, source)); err != nil {
				t.Error(err)
			}
		}
	}
}
