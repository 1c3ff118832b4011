package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// slow is a client that takes the beginning of an answer and waits before it
// takes more.
type slow struct {
	*httptest.ResponseRecorder
	once           sync.Once
	began, release chan struct{}
	bytes          int
}

func (s *slow) Write(p []byte) (int, error) {
	s.once.Do(func() {
		s.began <- struct{}{}
		<-s.release
	})
	s.bytes += len(p)
	return len(p), nil
}

// TestListsAreStreamed holds what lists of 1,000 documents of 2 kB keep in
// memory while they are on their way. It is not parallel: others' memory would
// count.
func TestListsAreStreamed(t *testing.T) {
	const lists, documents, size, most = 4, 1000, 2000, 8 << 20
	s := startPeople(t)
	for n := 0; n < documents; n += 20 { // a body is 64 KiB at most
		var body []string
		for i := n; i < n+20; i++ {
			body = append(body, fmt.Sprintf(`{"id": %d, "name": "n", "email": "e%d", "bio": %q}`, i, i, strings.Repeat("b", size)))
		}
		s.do("POST", "/v1/people", "["+strings.Join(body, ",")+"]").is(201)
	}
	began, release := make(chan struct{}), make(chan struct{})
	answers := make([]*slow, lists)
	var group sync.WaitGroup
	before := heap()
	for i := range answers {
		answers[i] = &slow{ResponseRecorder: httptest.NewRecorder(), began: began, release: release}
		group.Go(func() {
			s.api.ServeHTTP(answers[i], httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/people?limit=1000", nil))
		})
	}
	for range answers {
		<-began
	}
	held := (heap() - before) / lists
	close(release)
	group.Wait()
	t.Logf("a list holds %d bytes", held)
	if held > most {
		t.Errorf("a list holds %d bytes", held)
	}
	for _, a := range answers {
		if a.Code != 200 || a.bytes < documents*size || a.Header().Get("Content-Length") != "" {
			t.Errorf("status %d, %d bytes, Content-Length %q", a.Code, a.bytes, a.Header().Get("Content-Length"))
		}
	}
	if s.do("GET", "/v1/people?limit=1000", "").list(); t.Failed() {
		return
	}
	if a := s.do("GET", "/v1/people?limit=1", ""); a.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
		t.Errorf("a short list has the Content-Length %q", a.header.Get("Content-Length"))
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
