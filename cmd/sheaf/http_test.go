package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
)

// patience bounds how long a test waits for what must come.
const patience = 10 * time.Second

// httpService is a running serveHTTP.
type httpService struct {
	url  string
	stop context.CancelFunc
	// draining is closed when readiness has to go, stopped when requests do not come
	// any more.
	draining, stopped chan struct{}
	ended             chan error
}

func startHTTP(t *testing.T, delay, limit time.Duration, handler http.HandlerFunc) *httpService {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &httpService{stop: cancel, draining: make(chan struct{}), stopped: make(chan struct{}), ended: make(chan error, 1)}
	out, in := io.Pipe()
	settings := config.HTTP{Listen: "127.0.0.1:0", HeaderTimeout: patience, ReadTimeout: patience, DrainDelay: delay, ShutdownTimeout: limit}
	go func() {
		s.ended <- serveHTTP(ctx, settings, handler, stages{func(string) {}, func() { close(s.draining) }, func() { close(s.stopped) }}, in, slog.New(slog.DiscardHandler))
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	if err != nil || !ok {
		t.Fatalf("printed %q (%v)", line, err)
	}
	s.url = url
	return s
}

func (s *httpService) waitForEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the service does not end")
	}
}

func TestAStoppedServiceFinishesItsRequests(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s := startHTTP(t, 0, patience, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-finish
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "whole")
		}
	})
	answers := make(chan string, 1)
	go func() { answers <- get(s.url) }()
	<-arrived
	s.stop()
	<-s.stopped
	waitUntilRefused(t, s.url)
	close(finish)
	if answer := <-answers; answer != "whole" {
		t.Errorf("the request under way got %q", answer)
	}
	s.waitForEnd(t)
}

// A service that drains answers requests on new connections until its delay is
// over.
func TestAServiceServesWhileItDrains(t *testing.T) {
	s := startHTTP(t, time.Second, patience, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "whole") })
	s.stop()
	<-s.draining
	select {
	case <-s.stopped: // this machine was too busy to look
	default:
		if answer := get(s.url); answer != "whole" {
			t.Errorf("a request while the service drains got %q", answer)
		}
	}
	<-s.stopped
	s.waitForEnd(t)
}

func TestAStoppedServiceWaitsNoLongerThanItsLimit(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	defer close(finish)
	s := startHTTP(t, 0, time.Millisecond, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-finish
	})
	go get(s.url)
	<-arrived
	s.stop()
	s.waitForEnd(t)
}

func TestAnAddressInUseIsRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address := listener.Addr().String()
	err = serveHTTP(t.Context(), config.HTTP{Listen: address}, nil, stages{}, io.Discard, slog.New(slog.DiscardHandler))
	if want := "cannot listen on " + address + ": bind: address already in use"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %q", err, want)
	}
}

// get returns the body of an answer, or why there is none.
func get(url string) string {
	response, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func waitUntilRefused(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		_ = connection.Close()
	}
	t.Fatal("the service goes on accepting")
}
