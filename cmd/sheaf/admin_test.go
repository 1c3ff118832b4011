package main

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/metrics"
)

func TestOperatorsGetMetricsAndProfiles(t *testing.T) {
	admin, err := startAdmin(t.Context(), "127.0.0.1:0", metrics.New("test").Handler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	}()
	for path, want := range map[string]struct {
		status int
		has    string
	}{
		"/metrics":                       {200, "sheaf_build_info"},
		"/debug/pprof/":                  {200, "heap"},
		"/debug/pprof/goroutine?debug=1": {200, "goroutine profile"},
		"/debug/pprof/cmdline":           {404, ""},
		"/v1/users":                      {404, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+admin.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != want.status || !strings.Contains(string(body), want.has) {
			t.Errorf("%s: status %d, %v: %s", path, response.StatusCode, err, body)
		}
	}
}

func TestAnAddressOfOperatorsThatIsTaken(t *testing.T) {
	log, handler := slog.New(slog.DiscardHandler), http.NotFoundHandler()
	admin, err := startAdmin(t.Context(), "127.0.0.1:0", handler, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	if _, err := startAdmin(t.Context(), admin.address, handler, log); err == nil || !strings.Contains(err.Error(), "SHEAF_ADMIN_LISTEN") {
		t.Errorf("error %v", err)
	}
}
