package check

import (
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// workload is what runs Pods of one kind.
type workload struct {
	name   string
	labels map[string]string
	pod    core.PodSpec
	// serves tells a service from a job.
	serves bool
}

func (c *cluster) workloads() (list []workload) {
	for _, d := range c.deployments {
		list = append(list, workload{"Deployment " + d.Name, d.Spec.Template.Labels, d.Spec.Template.Spec, true})
	}
	for _, j := range c.jobs {
		list = append(list, workload{"Job " + j.Name, j.Spec.Template.Labels, j.Spec.Template.Spec, false})
	}
	return list
}

// hold checks that what the manifests say of each other is so. External are the
// names of Secrets and ConfigMaps that somebody else makes.
func (c *cluster) hold(external ...string) {
	c.t.Helper()
	if len(c.deployments) != 1 || len(c.services) != 1 {
		c.t.Fatalf("%d deployments, %d services, want one of each", len(c.deployments), len(c.services))
	}
	for _, w := range c.workloads() {
		c.holdConfined(w)
		c.holdAccount(w)
		c.holdSources(w, external)
		c.holdEnvironment(w)
		c.holdProbes(w)
	}
	c.holdSelectors()
	c.holdNetwork()
	c.holdScaling()
	c.holdMonitors()
	d := c.deployments[0].Spec.Template.Spec
	if d.TerminationGracePeriodSeconds == nil {
		c.t.Error("the deployment leaves the grace period open")
		return
	}
	holdGrace(c.t, "Deployment", time.Duration(*d.TerminationGracePeriodSeconds)*time.Second, c.environment(d.Containers[0]))
}

// holdConfined asks for what the restricted profile of Kubernetes does, and a file
// system that cannot be written.
func (c *cluster) holdConfined(w workload) {
	c.t.Helper()
	p := w.pod.SecurityContext
	if p == nil || p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.RunAsUser == nil || *p.RunAsUser == 0 ||
		p.SeccompProfile == nil || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		c.t.Errorf("%s: runs as root, or without a seccomp profile", w.name)
	}
	for _, container := range w.pod.Containers {
		s := container.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			c.t.Errorf("%s: the container %s is not confined", w.name, container.Name)
		}
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
			c.t.Errorf("%s: the container %s requests nothing, or has no limit", w.name, container.Name)
		}
		if _, tag, _ := strings.Cut(path.Base(container.Image), ":"); tag == "latest" {
			c.t.Errorf("%s: the image %s may be any", w.name, container.Image)
		}
	}
}

func (c *cluster) holdAccount(w workload) {
	c.t.Helper()
	if w.pod.AutomountServiceAccountToken == nil || *w.pod.AutomountServiceAccountToken {
		c.t.Errorf("%s: gets a token of the cluster", w.name)
	}
	if w.pod.EnableServiceLinks == nil || *w.pod.EnableServiceLinks {
		c.t.Errorf("%s: gets variables of services, which look like settings", w.name)
	}
	for _, account := range c.serviceAccounts {
		if account.Name == w.pod.ServiceAccountName {
			return
		}
	}
	if len(c.serviceAccounts) > 0 {
		c.t.Errorf("%s: there is no service account %s", w.name, w.pod.ServiceAccountName)
	}
}

// keys returns what a ConfigMap or Secret has, and whether it is there.
func (c *cluster) keys(kind, name string) (list []string, found bool) {
	for _, m := range c.configMaps {
		if kind == "ConfigMap" && m.Name == name {
			for key := range m.Data {
				list, found = append(list, key), true
			}
		}
	}
	for _, s := range c.secrets {
		if kind == "Secret" && s.Name == name {
			for key := range s.Data {
				list = append(list, key)
			}
			for key := range s.StringData {
				list = append(list, key)
			}
			found = true
		}
	}
	return list, found
}

// holdSources looks for what is mounted, and that all that is there is.
func (c *cluster) holdSources(w workload, external []string) {
	c.t.Helper()
	mounted := map[string]bool{}
	for _, container := range w.pod.Containers {
		for _, mount := range container.VolumeMounts {
			mounted[mount.Name] = true
		}
		for _, from := range container.EnvFrom {
			if _, ok := c.keys("ConfigMap", from.ConfigMapRef.Name); !ok {
				c.t.Errorf("%s: there is no ConfigMap %s", w.name, from.ConfigMapRef.Name)
			}
		}
	}
	for _, volume := range w.pod.Volumes {
		kind, name := source(volume)
		if _, ok := c.keys(kind, name); !ok && kind != "" && !slices.Contains(external, name) {
			c.t.Errorf("%s: there is no %s %s", w.name, kind, name)
		}
		if !mounted[volume.Name] {
			c.t.Errorf("%s: the volume %s is not mounted", w.name, volume.Name)
		}
		delete(mounted, volume.Name)
	}
	for name := range mounted {
		c.t.Errorf("%s: there is no volume %s", w.name, name)
	}
}

func source(volume core.Volume) (kind, name string) {
	switch {
	case volume.ConfigMap != nil:
		return "ConfigMap", volume.ConfigMap.Name
	case volume.Secret != nil:
		return "Secret", volume.Secret.SecretName
	}
	return "", ""
}

// environment is what a container's is, without what is of the Pod.
func (c *cluster) environment(container core.Container) map[string]string {
	values := map[string]string{}
	for _, from := range container.EnvFrom {
		for _, m := range c.configMaps {
			if m.Name == from.ConfigMapRef.Name {
				for name, value := range m.Data {
					values[name] = value
				}
			}
		}
	}
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}
	return values
}

// holdEnvironment holds names against the settings, and paths against what is
// mounted.
func (c *cluster) holdEnvironment(w workload) {
	c.t.Helper()
	for _, container := range w.pod.Containers {
		values := c.environment(container)
		for name, value := range values {
			holdSetting(c.t, w.name, name)
			if strings.HasPrefix(value, "/") && (name != "SHEAF_MIGRATIONS" || !w.serves) {
				c.holdMounted(w, container, name, value)
			}
		}
		if values["SHEAF_ENV"] != "production" {
			c.t.Errorf("%s: the profile is %q", w.name, values["SHEAF_ENV"])
		}
	}
}

func (c *cluster) holdMounted(w workload, container core.Container, name, file string) {
	c.t.Helper()
	for _, mount := range container.VolumeMounts {
		if mount.MountPath == file {
			return
		}
		if mount.MountPath != path.Dir(file) {
			continue
		}
		for _, volume := range w.pod.Volumes {
			keys, found := c.keys(source(volume))
			if volume.Name == mount.Name && (!found || slices.Contains(keys, path.Base(file))) {
				return
			}
		}
	}
	c.t.Errorf("%s: nothing is mounted at %s, which is %s", w.name, file, name)
}

func (c *cluster) holdProbes(w workload) {
	c.t.Helper()
	if !w.serves {
		return
	}
	for _, container := range w.pod.Containers {
		for name, probe := range map[string]*core.Probe{"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe} {
			if probe == nil || probe.HTTPGet == nil {
				c.t.Errorf("%s: there is no %s probe", w.name, name)
				continue
			}
			holdRoute(c.t, w.name, probe.HTTPGet.Path)
			if !hasPort(w.pod, probe.HTTPGet.Port) {
				c.t.Errorf("%s: the %s probe asks the port %v, which no container has", w.name, name, &probe.HTTPGet.Port)
			}
		}
		// An instance whose database is gone must not be killed for it.
		if container.LivenessProbe.HTTPGet.Path != "/livez" || container.ReadinessProbe.HTTPGet.Path != "/readyz" {
			c.t.Errorf("%s: liveness is asked at %s, readiness at %s", w.name, container.LivenessProbe.HTTPGet.Path, container.ReadinessProbe.HTTPGet.Path)
		}
	}
}

func hasPort(pod core.PodSpec, port intstr.IntOrString) bool {
	for _, container := range pod.Containers {
		for _, p := range container.Ports {
			if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.ContainerPort == port.IntVal {
				return true
			}
		}
	}
	return false
}

// selects tells which workloads a selector selects.
func (c *cluster) selects(selector *meta.LabelSelector) (serving, others int) {
	c.t.Helper()
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		c.t.Error(err)
	}
	for _, w := range c.workloads() {
		if s.Matches(labels.Set(w.labels)) && w.serves {
			serving++
		} else if s.Matches(labels.Set(w.labels)) {
			others++
		}
	}
	return serving, others
}

// holdServing fails for a selector that does not select the service alone.
func (c *cluster) holdServing(what string, selector *meta.LabelSelector) {
	c.t.Helper()
	if serving, others := c.selects(selector); serving != 1 || others != 0 {
		c.t.Errorf("%s selects %d deployments and %d jobs", what, serving, others)
	}
}

func (c *cluster) holdSelectors() {
	c.t.Helper()
	service, deployment := c.services[0], c.deployments[0]
	c.holdServing("the service", &meta.LabelSelector{MatchLabels: service.Spec.Selector})
	c.holdServing("the deployment", deployment.Spec.Selector)
	for _, b := range c.budgets {
		c.holdServing("the disruption budget", b.Spec.Selector)
	}
	for _, spread := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		c.holdServing("the spread over "+spread.TopologyKey, spread.LabelSelector)
	}
	for _, port := range service.Spec.Ports {
		if !hasPort(deployment.Spec.Template.Spec, port.TargetPort) {
			c.t.Errorf("the service sends to the port %v, which no container has", &port.TargetPort)
		}
	}
}

// holdNetwork asks that policies hold all Pods, and let requests in.
func (c *cluster) holdNetwork() {
	c.t.Helper()
	for _, p := range c.policies {
		if serving, others := c.selects(&p.Spec.PodSelector); serving != 1 || others != len(c.jobs) {
			c.t.Errorf("the network policy selects %d deployments and %d of %d jobs", serving, others, len(c.jobs))
		}
		for _, rule := range p.Spec.Ingress {
			for _, port := range rule.Ports {
				if !hasPort(c.deployments[0].Spec.Template.Spec, *port.Port) {
					c.t.Errorf("the network policy lets requests to the port %v in, which no container has", port.Port)
				}
			}
		}
		if len(p.Spec.Egress) < 2 {
			c.t.Error("the network policy does not let MongoDB be reached")
		}
	}
}

func (c *cluster) holdScaling() {
	c.t.Helper()
	for _, a := range c.autoscalers {
		target, d := a.Spec.ScaleTargetRef, c.deployments[0]
		if target.Kind != "Deployment" || target.Name != d.Name || target.APIVersion != "apps/v1" {
			c.t.Errorf("the autoscaler scales %v", target)
		}
		if d.Spec.Replicas != nil {
			c.t.Error("the deployment says how many instances there are, and so does the autoscaler")
		}
		if *a.Spec.MinReplicas > a.Spec.MaxReplicas {
			c.t.Errorf("the autoscaler wants %d to %d instances", *a.Spec.MinReplicas, a.Spec.MaxReplicas)
		}
	}
}

func (c *cluster) holdMonitors() {
	c.t.Helper()
	service := c.services[0]
	for _, m := range c.monitors {
		s, err := meta.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil || !s.Matches(labels.Set(service.Labels)) {
			c.t.Errorf("the monitor does not select the service (%v)", err)
		}
		for _, endpoint := range m.Spec.Endpoints {
			if !slices.ContainsFunc(service.Spec.Ports, func(p core.ServicePort) bool { return p.Name == endpoint.Port }) {
				c.t.Errorf("the monitor asks the port %s, which the service does not have", endpoint.Port)
			}
		}
	}
}

// Faults that are put into manifests are found: what holds them is worth something.
func TestFaultsOfManifestsAreFound(t *testing.T) {
	text := build(t, "overlays/example")
	for what, change := range map[string][2]string{
		"an unknown field":        {"minReadySeconds:", "minReadySecond:"},
		"a port":                  {"targetPort: http", "targetPort: web"},
		"a path of a probe":       {"path: /readyz", "path: /ready"},
		"a setting":               {"SHEAF_LOG_LEVEL:", "SHEAF_LOGLEVEL:"},
		"a Secret":                {"secretName: sheaf-mongodb", "secretName: mongodb"},
		"a grace period":          {"terminationGracePeriodSeconds: 35", "terminationGracePeriodSeconds: 20"},
		"a root file system":      {"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
		"a target of the scaling": {"kind: Deployment\n    name: sheaf", "kind: Deployment\n    name: other"},
	} {
		if !strings.Contains(text, change[0]) {
			t.Errorf("the manifests lack %q", change[0])
			continue
		}
		if faults(strings.ReplaceAll(text, change[0], change[1])) == 0 {
			t.Errorf("%s: not found", what)
		}
	}
}
