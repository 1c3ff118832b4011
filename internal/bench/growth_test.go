package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// grownFake takes the documents of ids, and finds only those that it took.
func grownFake(t *testing.T) (s *Service, documents func() int) {
	t.Helper()
	var (
		mu      sync.Mutex
		emails  = map[string]bool{}
		present = map[string]bool{}
	)
	store := func(collection string, body []byte) int {
		var docs []struct {
			ID    json.Number
			Email string
		}
		if body[0] != '[' {
			body = append(append([]byte{'['}, body...), ']')
		}
		if err := json.Unmarshal(body, &docs); err != nil {
			return http.StatusBadRequest
		}
		for _, d := range docs {
			at := collection + "/" + d.ID.String()
			if present[at] || emails[collection+d.Email] {
				return http.StatusConflict
			}
			present[at], emails[collection+d.Email] = true, true
		}
		return http.StatusCreated
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		switch {
		case r.Method == http.MethodPost:
			w.WriteHeader(store(path, body))
		case strings.Contains(path, "/") && !present[path]:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	s, err := At(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() int { return len(present) }
}

func TestGrowthFillsEveryCollectionOnceAndAsksForWhatIsThere(t *testing.T) {
	service, documents := grownFake(t)
	g := &Growth{Rounds: 1, Duration: 20 * time.Millisecond}
	grown := g.Of(service, 3, 0)
	for _, n := range []int{10, 2500} {
		rows, err := grown.Measure(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Figures.Errors > 0 || row.Figures.Rate == 0 {
				t.Errorf("%s of %d: %+v", row.Operation, n, row.Figures)
			}
		}
	}
	if documents() < 3*2500 {
		t.Errorf("%d documents, want 2,500 in each of 3 collections, and what was created", documents())
	}
}

func TestIdleConnectionsAreAnsweredAndHeld(t *testing.T) {
	service, _ := grownFake(t)
	grown := (&Growth{}).Of(service, 1, 0)
	if err := grown.fill(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	opened, err := grown.open(t.Context(), 50)
	if err != nil || len(opened) != 50 {
		t.Fatalf("%d connections, %v", len(opened), err)
	}
	for _, c := range opened {
		c.close()
	}
}

func TestGrowthRequestsAreValidHTTP(t *testing.T) {
	s := &Service{Name: sheafName}
	for _, op := range grownOperations {
		parsed, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(op.request(nil, s, (&Growth{}).Of(s, 2, 10), 3))))
		if err != nil || !strings.HasPrefix(parsed.URL.Path, "/v1/bench_grown_001") {
			t.Errorf("%s: %v, %v", op.name, parsed, err)
		}
	}
}

func TestGrowthSchemaDiffersByNameAlone(t *testing.T) {
	folder := t.TempDir()
	if err := WriteGrowthSchema(folder, 12); err != nil {
		t.Fatal(err)
	}
	written, err := fs.Glob(os.DirFS(folder), "*.yaml")
	if err != nil || len(written) != 12 {
		t.Fatalf("%v, %v", written, err)
	}
	text, err := os.ReadFile(folder + "/bench_grown_011.yaml")
	if err != nil || !bytes.Contains(text, []byte("collection: bench_grown_011\n")) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAGrowthReportIsTablesAndJSON(t *testing.T) {
	row := GrowthRow{Collections: 50, Documents: 1000, Operation: "get", Figures: Figures{P50: 0.25}}
	r := GrowthReport{Machine: ThisMachine(), Rounds: 1, Documents: []GrowthRow{row}, Collections: []GrowthRow{row},
		Starts: []StartRow{{Collections: 50, FirstStart: 1.5}}, Idle: []IdleRow{{Connections: 10_000, Memory: 150, Each: 13}}}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"documents  operation", "1000        get    0.25", "first start s", "10000      150.0"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
