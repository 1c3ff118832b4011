package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

func TestQuantilesAreRightToTheWidthOfABucket(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	values := make([]time.Duration, 10_000)
	for i := range values {
		values[i] = time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		h.add(values[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
		want := values[int(q*float64(len(values)))]
		got := h.quantile(q)
		if got > want || float64(got) < float64(want)*(1-1.0/(1<<octaveBits))-1 {
			t.Errorf("quantile %g is %v, want %v less at most a bucket", q, got, want)
		}
	}
}

func TestBucketsRiseAndKeepTheirLowest(t *testing.T) {
	last := -1
	for n := uint64(0); n < 1<<41; n += n/50 + 1 {
		bucket := bucketOf(n)
		if bucket < last || lowest(bucket) > n || bucketOf(lowest(bucket)) != bucket {
			t.Fatalf("%d is in bucket %d (of %d on), after bucket %d", n, bucket, lowest(bucket), last)
		}
		last = bucket
	}
}

// The generator writes its requests by hand: net/http must read them.
func TestEveryRequestIsValidHTTP(t *testing.T) {
	s := &Service{Name: sheafName, items: []string{"6561f1f2c3a4b5d6e7f80910"}, cursor: "abc", header: "Authorization: Bearer x\r\n"}
	for _, op := range operations {
		for _, make := range []request{op.sheaf, op.hand, op.base} {
			if make == nil {
				continue
			}
			src := make(nil, s, 3)
			reader := bufio.NewReader(bytes.NewReader(src))
			parsed, err := http.ReadRequest(reader)
			if err != nil {
				t.Errorf("%s: %v\n%s", op.name, err, src)
				continue
			}
			body, err := io.ReadAll(parsed.Body)
			if err != nil || parsed.ContentLength != int64(len(body)) || reader.Buffered() > 0 || parsed.Header.Get("Authorization") != "Bearer x" {
				t.Errorf("%s: length %d, body %q, error %v\n%s", op.name, parsed.ContentLength, body, err, src)
			}
			if len(body) > 0 && !json.Valid(body) {
				t.Errorf("%s: the body is no JSON: %s", op.name, body)
			}
		}
	}
}

// fake answers every fourth request with an error, and the others in both forms
// that an answer has.
func fake(t *testing.T) *Service {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n.Add(1) % 4 {
		case 0:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case 1:
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
			_ = http.NewResponseController(w).Flush()
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
	t.Cleanup(server.Close)
	s, err := At(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.items = []string{"1"}
	return s
}

func TestALoadCountsWhatCameAndWhatWasWrong(t *testing.T) {
	for name, rate := range map[string]float64{"closed": 0, "open": 500} {
		t.Run(name, func(t *testing.T) {
			l := &load{contestant: contestant{fake(t), getItem, http.StatusOK}, connections: 3, duration: 200 * time.Millisecond, rate: rate}
			sample, err := l.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if sample.Answers == 0 || sample.Errors != sample.Answers/4 || !strings.Contains(sample.FirstError, "busy") {
				t.Errorf("sample %+v", sample)
			}
			if want := int64(rate * l.duration.Seconds()); rate > 0 && sample.Answers != want {
				t.Errorf("%d answers, want %d: an open loop sends all that is due", sample.Answers, want)
			}
		})
	}
}

// A profile is of the time of the measurements, and tells nothing of the machine.
func TestAProfileIsOfWhatIsMeasured(t *testing.T) {
	operators := http.NewServeMux()
	operators.HandleFunc("/debug/pprof/profile", pprof.Profile)
	server := httptest.NewServer(operators)
	defer server.Close()
	s, p := fake(t), &Profiler{URL: server.URL}
	r := runner{options: Options{Duration: time.Second, Profiler: p}, profiled: s}
	busy := contestant{s, getItem, http.StatusOK}
	if _, err := r.measure(t.Context(), pair{operation: operations[0], connections: 4}, busy); err != nil {
		t.Fatal(err)
	}
	taken, err := p.Profile()
	if err != nil {
		t.Fatal(err)
	}
	got, err := profile.ParseData(taken)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Sample) == 0 || got.DurationNanos < int64(time.Second) {
		t.Errorf("%d samples of %v", len(got.Sample), time.Duration(got.DurationNanos))
	}
	for _, m := range got.Mapping {
		if strings.Contains(m.File, "/") {
			t.Errorf("tells of the machine: %s", m.File)
		}
	}
	server.Close()
	if _, err := r.measure(t.Context(), pair{operation: operations[0], connections: 1}, busy); err == nil {
		t.Error("there is no profile, and no error")
	}
}

func TestALoadFailsWhereNothingAnswers(t *testing.T) {
	s := fake(t)
	server := httptest.NewServer(nil)
	server.Close()
	s.address = strings.TrimPrefix(server.URL, "http://")
	l := &load{contestant: contestant{s, getItem, http.StatusOK}, connections: 2, duration: time.Second}
	if _, err := l.run(t.Context()); err == nil {
		t.Error("a load on nobody has no error")
	}
}

func TestAReportIsTextJSONAndAChart(t *testing.T) {
	sample := func(rate float64) []Sample {
		return []Sample{{Rate: rate, P50: time.Millisecond, P99: 2 * time.Millisecond, Answers: 10}, {Rate: 2 * rate, P50: time.Millisecond, P99: time.Millisecond, Answers: 10, Errors: 1, FirstError: "no"}}
	}
	s := Services{Sheaf: &Service{Name: sheafName}, Other: &Service{Name: "by hand"}, Guarded: &Service{Name: "guarded"}, Open: &Service{Name: "open"}}
	r := Report{Machine: ThisMachine(), Rounds: 2, Duration: 1}
	for _, op := range operations {
		r.Rows = append(r.Rows, newRow(op.pair(s, 1), sample(300), sample(100)), newRow(op.pair(s, 32), sample(900), sample(100)))
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"get", "9.00", "page 1,000 over page 1", "with keys, rules and metrics", "guarded-create", "were not as expected; the first: no"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	decoder := xml.NewDecoder(bytes.NewReader(r.Chart()))
	for {
		if _, err := decoder.Token(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("the chart is no XML: %v", err)
			}
			break
		}
	}
}

func TestURLsAndHeadersThatAreNone(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://x", "http://x/path", "http://"} {
		if _, err := At(url, nil); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
	if _, err := At("http://x", []string{"A: b\r\nC: d"}); err == nil {
		t.Error("a header with a line break is taken")
	}
	for url, want := range map[string]string{"http://x": "x:80", "https://x/": "x:443", "http://[::1]:1": "[::1]:1"} {
		if s, err := At(url, nil); err != nil || s.address != want {
			t.Errorf("%s: %+v, %v", url, s, err)
		}
	}
}
