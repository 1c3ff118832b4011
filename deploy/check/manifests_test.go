package check

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	stream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// cluster is what manifests would put into one.
type cluster struct {
	t               tester
	namespaces      []core.Namespace
	serviceAccounts []core.ServiceAccount
	configMaps      []core.ConfigMap
	secrets         []core.Secret
	services        []core.Service
	deployments     []apps.Deployment
	jobs            []batch.Job
	autoscalers     []autoscaling.HorizontalPodAutoscaler
	budgets         []policy.PodDisruptionBudget
	policies        []networking.NetworkPolicy
	monitors        []monitoring.ServiceMonitor
}

// place returns where objects of a kind are kept.
func (c *cluster) place(kind meta.TypeMeta) any {
	return map[meta.TypeMeta]any{
		{APIVersion: "v1", Kind: "Namespace"}:                            &c.namespaces,
		{APIVersion: "v1", Kind: "ServiceAccount"}:                       &c.serviceAccounts,
		{APIVersion: "v1", Kind: "ConfigMap"}:                            &c.configMaps,
		{APIVersion: "v1", Kind: "Secret"}:                               &c.secrets,
		{APIVersion: "v1", Kind: "Service"}:                              &c.services,
		{APIVersion: "apps/v1", Kind: "Deployment"}:                      &c.deployments,
		{APIVersion: "batch/v1", Kind: "Job"}:                            &c.jobs,
		{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}:  &c.autoscalers,
		{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}:           &c.budgets,
		{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}:      &c.policies,
		{APIVersion: "monitoring.coreos.com/v1", Kind: "ServiceMonitor"}: &c.monitors,
	}[kind]
}

// decode reads documents of YAML strictly into the types of the API server: a field
// that it does not know is an error, and so is one that is there twice.
func decode(t tester, text []byte) *cluster {
	t.Helper()
	c := &cluster{t: t}
	documents := stream.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return c
		}
		if err != nil {
			t.Fatal(err)
		}
		c.add(document)
	}
}

func (c *cluster) add(document []byte) {
	c.t.Helper()
	var kind meta.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		c.t.Errorf("%v:\n%s", err, document)
		return
	}
	if kind == (meta.TypeMeta{}) {
		return // comments alone
	}
	place := c.place(kind)
	if place == nil {
		c.t.Errorf("%v is not a kind that is expected", kind)
		return
	}
	list := reflect.ValueOf(place).Elem()
	object := reflect.New(list.Type().Elem())
	if err := yaml.UnmarshalStrict(document, object.Interface()); err != nil {
		c.t.Errorf("%v:\n%s", err, document)
	}
	list.Set(reflect.Append(list, object.Elem()))
}
