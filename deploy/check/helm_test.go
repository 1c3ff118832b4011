package check

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(filepath.Join(root, "deploy", "helm", "sheaf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// render returns what helm install would send, for values as YAML.
func render(t *testing.T, values string) (string, error) {
	t.Helper()
	c := loadChart(t)
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	options := chartutil.ReleaseOptions{Name: "shop", Namespace: "shops", Revision: 7, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, given, options, chartutil.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c, all)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			text.WriteString("---\n" + files[name] + "\n")
		}
	}
	return text.String(), nil
}

// valueSets are values, and the names of what others make.
var valueSets = []struct {
	values   string
	external []string
}{
	{"mongodb: {uri: 'mongodb+srv://db.example.com/'}", nil},
	{"mongodb: {existingSecret: db, ca: true, ports: [27017, 27018]}\nserviceMonitor: {enabled: true, labels: {release: prometheus}}", []string{"db"}},
	{"mongodb: {existingSecret: db}\nschema: {existingConfigMap: files, files: {}}\nmigrations: {existingConfigMap: steps}", []string{"db", "files", "steps"}},
	{"mongodb: {existingSecret: db}\nmigrations: {enabled: false}\nautoscaling: {enabled: false}\nreplicas: 1\ndisruptionBudget: {enabled: false}\nnetworkPolicy: {enabled: false}\nserviceAccount: {create: false}", []string{"db"}},
	{"mongodb: {existingSecret: db}\ndrainDelaySeconds: 60\nshutdownTimeoutSeconds: 120\nsettings: {SHEAF_POOL_MAX: 50, SHEAF_COALESCE: false}\nfullnameOverride: documents", []string{"db"}},
	{`
mongodb: {existingSecret: db}
image: {repository: registry.example.com/a/sheaf, tag: "2.0.0", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
service: {type: LoadBalancer, port: 8080, annotations: {a: b}}
serviceAccount: {name: other, annotations: {a: b}}
networkPolicy: {from: [{podSelector: {matchLabels: {app: shop}}}], egress: [{ports: [{port: 4318, protocol: TCP}]}]}
podAnnotations: {a: b}
podLabels: {team: shop}
nodeSelector: {kubernetes.io/arch: arm64}
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
nameOverride: store
`, []string{"db"}},
}

func TestChart(t *testing.T) {
	for _, set := range valueSets {
		text, err := render(t, set.values)
		if err != nil {
			t.Errorf("%v, for the values\n%s", err, set.values)
			continue
		}
		c := decode(t, []byte(text))
		c.hold(set.external...)
		if t.Failed() {
			t.Fatalf("with the values\n%s", set.values)
		}
	}
	text, err := render(t, valueSets[0].values)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, []byte(text)).holdWhole()
}

func TestChartRefusesValues(t *testing.T) {
	for values, want := range map[string]string{
		"{}":                                    "set mongodb.existingSecret, or mongodb.uri",
		"mongodb: {existingSecret: db, url: x}": "url",
		"mongodb: {uri: 'postgres://db'}":       "uri",
		"mongodb: {existingSecret: db}\nreplicas: many":                  "replicas",
		"mongodb: {existingSecret: db}\nsettings: {SHEAF_SCHEMA: /else}": "SHEAF_SCHEMA",
		"mongodb: {existingSecret: db}\nsettings: {MONGODB_URI: x}":      "MONGODB_URI",
		"mongodb: {existingSecret: db}\nschema: {files: {a.txt: b}}":     "a.txt",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want one that has %q", values, err, want)
		}
	}
}

// Every value is in values.yaml, with what it means, and in values.schema.json.
func TestValuesAreDocumented(t *testing.T) {
	folder := filepath.Join(root, "deploy", "helm", "sheaf")
	var values map[string]any
	var schema struct {
		Properties map[string]struct{ Properties map[string]any }
	}
	text, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(folder, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(rules, &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema.Properties, "global") // Helm's own
	sameNames(t, "values", slices.Collect(maps.Keys(values)), slices.Collect(maps.Keys(schema.Properties)))
	for name, property := range schema.Properties {
		if len(property.Properties) > 0 {
			inner, _ := values[name].(map[string]any)
			sameNames(t, name, slices.Collect(maps.Keys(inner)), slices.Collect(maps.Keys(property.Properties)))
		}
	}
}

func sameNames(t *testing.T, where string, values, schema []string) {
	t.Helper()
	slices.Sort(values)
	slices.Sort(schema)
	if !slices.Equal(values, schema) {
		t.Errorf("%s: values.yaml has %v, values.schema.json %v", where, values, schema)
	}
}
