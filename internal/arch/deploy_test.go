package arch

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// service is what the checks need of a service of the compose file.
type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Environment map[string]string
	Volumes     []string
	Networks    []string
	ReadOnly    bool `yaml:"read_only"`
	User        string
	CapDrop     []string `yaml:"cap_drop"`
	Healthcheck struct{ Test []string }
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

func TestComposeFile(t *testing.T) {
	var file struct {
		Services          map[string]service
		Volumes, Networks map[string]any
	}
	if err := yaml.Unmarshal(read(t, "docker-compose.yml"), &file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		if len(s.Healthcheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, ok := file.Volumes[source]; !ok && !strings.HasPrefix(source, ".") {
				t.Errorf("%s: the volume %s is not declared", name, source)
			}
		}
		for _, network := range s.Networks {
			if _, ok := file.Networks[network]; !ok && network != "default" {
				t.Errorf("%s: the network %s is not declared", name, network)
			}
		}
	}
	sheaf := file.Services["sheaf"]
	if !sheaf.ReadOnly || !slices.Contains(sheaf.CapDrop, "ALL") || strings.HasPrefix(sheaf.User, "0") || sheaf.User == "" {
		t.Error("sheaf is not confined: read_only, cap_drop ALL and a user that is not root are wanted")
	}
	if sheaf.DependsOn["mongodb"].Condition != "service_healthy" {
		t.Error("sheaf does not wait for MongoDB")
	}
	if _, err := os.Stat("../../" + sheaf.Build.Dockerfile); err != nil {
		t.Error(err)
	}
	documented := string(read(t, "docs/configuration.md"))
	for name := range sheaf.Environment {
		if !strings.Contains(documented, name) {
			t.Errorf("sheaf has no setting %s", name)
		}
	}
}

func TestContainerFile(t *testing.T) {
	text := string(read(t, "deploy/Dockerfile"))
	stages := regexp.MustCompile(`(?m)^FROM `).FindAllString(text, -1)
	if len(stages) != 2 {
		t.Errorf("%d stages, want a build and a bare one", len(stages))
	}
	for _, want := range []string{"CGO_ENABLED=0", "USER 65532", `"sheaf", "health"`, "ENTRYPOINT"} {
		if !strings.Contains(strings.ReplaceAll(text, "/usr/local/bin/", ""), want) {
			t.Errorf("the container file lacks %s", want)
		}
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(read(t, "go.mod")))[1]
	if !strings.Contains(text, "golang:"+goVersion) {
		t.Errorf("the container file does not build with Go %s", goVersion)
	}
	for _, copied := range regexp.MustCompile(`(?m)^COPY (?:--\S+ )*([a-z./]+)`).FindAllStringSubmatch(text[:strings.Index(text, "distroless")], -1) {
		if _, err := os.Stat("../../" + copied[1]); err != nil {
			t.Error(err)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
