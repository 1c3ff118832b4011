package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"

	"github.com/sheafdb/sheaf/internal/fault"
)

// queries returns what the dashboard and the alerts ask Prometheus, by where it
// stands.
func queries(t *testing.T) map[string]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	read(t, "../../deploy/monitoring/dashboard.json", json.Unmarshal, &dashboard)
	read(t, "../../deploy/monitoring/alerts.yaml", func(text []byte, into any) error { return yaml.Unmarshal(text, into) }, &alerts)
	list := map[string]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			list["dashboard: "+panel.Title+": "+target.Expr] = target.Expr
		}
	}
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			list["alert "+rule.Alert] = rule.Expr
		}
	}
	return list
}

func read(t *testing.T, path string, parse func([]byte, any) error, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = parse(content, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

var (
	metricName = regexp.MustCompile(`\b(?:sheaf|go|process)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b((?:sheaf|go|process)_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	ofTarget   = []string{"job", "instance"} // Prometheus adds them itself
)

// familyOf returns the metric that a name in a query is of.
func familyOf(families map[string]*dto.MetricFamily, name string) *dto.MetricFamily {
	if family := families[name]; family != nil {
		return family
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, ok := strings.CutSuffix(name, suffix)
		if family := families[base]; ok && family != nil && family.GetType() == dto.MetricType_HISTOGRAM {
			return family
		}
	}
	return nil
}

func TestQueriesAskForMetricsThatAreThere(t *testing.T) {
	families, asked := gathered(t), map[string]bool{}
	all := queries(t)
	if len(all) < 20 {
		t.Fatalf("%d queries were found", len(all))
	}
	for where, query := range all {
		labels := slices.Clone(ofTarget)
		for _, name := range metricName.FindAllString(query, -1) {
			family := familyOf(families, name)
			if family == nil {
				t.Errorf("%s: there is no metric %s", where, name)
				continue
			}
			asked[family.GetName()] = true
			labels = append(append(labels, labelsOf(family)...), "le")
		}
		for _, group := range grouping.FindAllStringSubmatch(query, -1) {
			for label := range strings.SplitSeq(group[1], ",") {
				if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
					t.Errorf("%s: no metric has the label %s", where, label)
				}
			}
		}
		checkSelectors(t, families, where, query)
	}
	for name := range families {
		if strings.HasPrefix(name, "sheaf_") && name != "sheaf_build_info" && !asked[name] {
			t.Errorf("neither the dashboard nor an alert shows %s", name)
		}
	}
}

// checkSelectors holds the labels in braces.
func checkSelectors(t *testing.T, families map[string]*dto.MetricFamily, where, query string) {
	t.Helper()
	for _, found := range selector.FindAllStringSubmatch(query, -1) {
		family := familyOf(families, found[1])
		if family == nil {
			continue // told already
		}
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains(ofTarget, label[1]) && !slices.Contains(labelsOf(family), label[1]) {
				t.Errorf("%s: %s has no label %s", where, found[1], label[1])
			}
		}
	}
}

// TestCodesInQueriesAreCodes holds the codes that queries name.
func TestCodesInQueriesAreCodes(t *testing.T) {
	named := regexp.MustCompile(`\bcode!?="([^"]+)"`)
	for where, query := range queries(t) {
		for _, found := range named.FindAllStringSubmatch(query, -1) {
			if code := fault.Code(found[1]); fault.Lookup(code).Code != code {
				t.Errorf("%s: %s is no code", where, found[1])
			}
		}
	}
}

// TestAlertsAreExplained holds the alerts against the table of docs/operations.md.
func TestAlertsAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for where := range queries(t) {
		if name, ok := strings.CutPrefix(where, "alert "); ok && !strings.Contains(string(text), "| `"+name+"` |") {
			t.Errorf("docs/operations.md does not say what to do about %s", name)
		}
	}
}
