package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMonitoring(t *testing.T) {
	tests := []struct {
		name     string
		set      []string
		address  string
		want     Problems
		warnings int
	}{
		{"off", nil, "", nil, 0},
		{"loopback where no host is named", []string{"SHEAF_ADMIN_LISTEN=:9090"}, "127.0.0.1:9090", nil, 0},
		{"beyond loopback", []string{"SHEAF_ADMIN_LISTEN=0.0.0.0:9090"}, "0.0.0.0:9090", nil, 1},
		{"no address", []string{"SHEAF_ADMIN_LISTEN=9090"}, "9090", Problems{
			`SHEAF_ADMIN_LISTEN: must be host:port, such as 127.0.0.1:9090, or :9090 for that (it is "9090")`,
		}, 0},
		{"receiver", []string{"SHEAF_OTLP_ENDPOINT=https://traces.example.com/otlp"}, "", nil, 0},
		{"no URL", []string{"SHEAF_OTLP_ENDPOINT=localhost:4318"}, "", Problems{
			`SHEAF_OTLP_ENDPOINT: must be a URL such as http://localhost:4318 (it is "localhost:4318")`,
		}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, report := read(t, input{environment: append([]string{"SHEAF_AUTH=required"}, test.set...)})
			report.CheckAuth()
			if diff := cmp.Diff(test.want, report.problems); diff != "" {
				t.Error(diff)
			}
			if len(report.warnings) != test.warnings || c.Monitoring.AdminAddress() != test.address {
				t.Errorf("%d warnings, address %q", len(report.warnings), c.Monitoring.AdminAddress())
			}
		})
	}
}
