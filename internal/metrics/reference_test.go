package metrics

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

var update = flag.Bool("update", false, "write the table of metrics in docs/operations.md anew")

// gathered returns every metric, each with a value.
func gathered(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	m := watchedMetrics()
	o, ctx := observe.New(m.Subscriber()), t.Context()
	o.Request(ctx, observe.Request{Status: 200})
	o.Command(ctx, observe.Command{Err: fault.New(fault.Timeout, "late")})
	o.Batches("read")(1)
	o.Retry(ctx)
	o.Denial(ctx, observe.Denial{})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, family := range families {
		byName[family.GetName()] = family
	}
	return byName
}

func labelsOf(family *dto.MetricFamily) []string {
	var names []string
	for _, pair := range family.GetMetric()[0].GetLabel() {
		names = append(names, pair.GetName())
	}
	return names
}

func TestDocumentListsTheMetrics(t *testing.T) {
	const path, from, to = "../../docs/operations.md", "<!-- metrics: made by go test ./internal/metrics -update -->\n", "<!-- end of metrics -->"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), from)
	got, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	want := table(gathered(t))
	if *update {
		if err := os.WriteFile(path, []byte(before+from+want+to+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is out of date; run go test ./internal/metrics -update\n%s", path, diff)
	}
}

// table is that of the service's own metrics.
func table(families map[string]*dto.MetricFamily) string {
	var lines []string
	for name, family := range families {
		if strings.HasPrefix(name, "sheaf_") {
			kind := strings.ToLower(family.GetType().String())
			lines = append(lines, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labelsOf(family), ", "), family.GetHelp()))
		}
	}
	slices.Sort(lines)
	return "| Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n" + strings.Join(lines, "")
}
