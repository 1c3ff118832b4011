package check

import (
	"path/filepath"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// build returns what kubectl kustomize makes of a folder of deploy/kubernetes.
func build(t *testing.T, folder string) string {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy", "kubernetes", folder))
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestKustomizations(t *testing.T) {
	base := decode(t, []byte(build(t, "base")))
	base.hold("sheaf-mongodb")
	base.holdWhole()
	example := decode(t, []byte(build(t, "overlays/example")))
	example.hold()
	example.holdWhole()
	if len(example.monitors) != 1 {
		t.Errorf("%d monitors", len(example.monitors))
	}
	holdNamespace(t, example)
}

// holdWhole fails where a kind is missing.
func (c *cluster) holdWhole() {
	c.t.Helper()
	for kind, n := range map[string]int{
		"service accounts": len(c.serviceAccounts), "jobs": len(c.jobs), "autoscalers": len(c.autoscalers),
		"disruption budgets": len(c.budgets), "network policies": len(c.policies),
	} {
		if n != 1 {
			c.t.Errorf("%d %s, want one", n, kind)
		}
	}
}

func holdNamespace(t *testing.T, c *cluster) {
	t.Helper()
	if len(c.namespaces) != 1 || c.deployments[0].Namespace != c.namespaces[0].Name || c.jobs[0].Namespace != c.namespaces[0].Name {
		t.Errorf("the objects are not in the namespace %v", c.namespaces)
	}
}
