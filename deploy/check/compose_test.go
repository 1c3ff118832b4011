package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads the compose file as docker compose config does.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	folder, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: folder, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(folder, "docker-compose.yml")}},
	}, func(o *loader.Options) { o.SetProjectName("sheaf", true) })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeFile(t *testing.T) {
	project := loadCompose(t)
	for name, service := range project.Services {
		holdComposeService(t, name, service)
		for other, dependency := range service.DependsOn {
			holdDependency(t, name, project.Services[other], dependency.Condition)
		}
	}
	for _, name := range []string{"sheaf-1", "sheaf-2"} {
		holdInstance(t, name, project.Services[name])
	}
	if proxy := project.Services["proxy"]; len(proxy.Ports) != 1 || proxy.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("the proxy listens at %v", proxy.Ports)
	}
	if !project.Networks["database"].Internal {
		t.Error("the network of the database leads elsewhere")
	}
}

func holdComposeService(t *testing.T, name string, s types.ServiceConfig) {
	t.Helper()
	if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.User == "" || s.Privileged {
		t.Errorf("%s is not confined", name)
	}
	if strings.HasPrefix(s.User, "0") && s.NetworkMode != "none" {
		t.Errorf("%s is root, and has a network", name)
	}
	if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
		t.Errorf("%s: the image %s may be any", name, s.Image)
	}
	if len(s.Ports) > 0 && name != "proxy" {
		t.Errorf("%s has ports of the machine", name)
	}
	for _, volume := range s.Volumes {
		if _, err := os.Stat(volume.Source); volume.Type == types.VolumeTypeBind && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for variable, value := range s.Environment {
		if strings.Contains(strings.ToLower(variable), "password") || value != nil && strings.Contains(*value, "@") {
			t.Errorf("%s: %s may hold a secret", name, variable)
		}
	}
}

// holdDependency asks that who waits for a service can: it ends, or tells that it is
// healthy.
func holdDependency(t *testing.T, name string, on types.ServiceConfig, condition string) {
	t.Helper()
	checked := on.HealthCheck != nil && len(on.HealthCheck.Test) > 1
	ends := on.Restart == "" || on.Restart == "on-failure"
	if condition == types.ServiceConditionHealthy && !checked || condition == types.ServiceConditionCompletedSuccessfully && !ends || condition == types.ServiceConditionStarted {
		t.Errorf("%s waits for %s until it is %s", name, on.Name, condition)
	}
}

func holdInstance(t *testing.T, name string, s types.ServiceConfig) {
	t.Helper()
	values := map[string]string{}
	for variable, value := range s.Environment {
		holdSetting(t, name, variable)
		values[variable] = *value
	}
	if values["SHEAF_INSTANCE"] != name {
		t.Errorf("%s is called %s", name, values["SHEAF_INSTANCE"])
	}
	if s.StopGracePeriod == nil {
		t.Fatalf("%s: the grace period is left open", name)
	}
	holdGrace(t, name, time.Duration(*s.StopGracePeriod), values)
	if _, err := os.Stat(filepath.Join(root, s.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

// The proxy, the scripts of the replica set and the compose file speak of the same
// services.
func TestComposeFilesAgree(t *testing.T) {
	project := loadCompose(t)
	var instances, members []string
	for _, name := range project.ServiceNames() {
		if strings.HasPrefix(name, "sheaf-") {
			instances = append(instances, name)
		}
		if strings.HasPrefix(name, "mongodb-") {
			members = append(members, name)
		}
	}
	proxy := read(t, "deploy/compose/haproxy.cfg")
	var servers []string
	for _, line := range regexp.MustCompile(`(?m)^  server (\S+) (\S+):8080$`).FindAllStringSubmatch(proxy, -1) {
		servers = append(servers, line[1])
		if line[1] != line[2] || !strings.Contains(proxy, "use-server "+line[1]+" if { req.hdr(Sheaf-Instance) -m str "+line[1]+" }") {
			t.Errorf("the proxy brings no sessions to %s", line[1])
		}
	}
	if !slices.Equal(servers, instances) {
		t.Errorf("the proxy has %v, the compose file %v", servers, instances)
	}
	holdRoute(t, "the proxy", regexp.MustCompile(`httpchk GET (\S+)`).FindStringSubmatch(proxy)[1])
	if want := `members="` + strings.Join(members, " ") + `"`; !strings.Contains(read(t, "deploy/compose/secrets.sh"), want) {
		t.Errorf("secrets.sh lacks %s", want)
	}
	if want := strings.Join(members, ":27017,") + ":27017"; !strings.Contains(read(t, "deploy/compose/initiate.js"), want) {
		t.Errorf("initiate.js lacks %s", want)
	}
	for _, name := range members {
		if !slices.Contains(project.Services[name].Command, "--tlsCertificateKeyFile=/secrets/"+name+".pem") {
			t.Errorf("%s has another's certificate", name)
		}
	}
}

// docker-compose reads it too, where there is one.
func TestDockerComposeReadsTheFile(t *testing.T) {
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Log("no docker-compose on the PATH: read by its loader alone")
		return
	}
	command := exec.CommandContext(t.Context(), program, "config", "-q")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
