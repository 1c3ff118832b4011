package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// lines is a log that many write and one reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// keyed is a service that asks who calls, and the commands beside it.
type keyed struct {
	t       *testing.T
	environ []string
	url     string
	log     lines
}

func startKeyed(t *testing.T, more ...string) *keyed {
	t.Helper()
	server, err := testkit.StartMongod(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write(t, filepath.Join(folder, "users.yaml"), "collection: users\nfields:\n  name: {type: string}\n")
	write(t, filepath.Join(folder, "posts.yaml"), "collection: posts\nfields:\n  title: {type: string}\n")
	s := &keyed{t: t, environ: append([]string{
		"MONGODB_URI=" + server.URI(), "SHEAF_ENV=production", "SHEAF_MIGRATE=auto", "SHEAF_ALLOW_PLAINTEXT=true", "SHEAF_LISTEN=127.0.0.1:0",
		"SHEAF_SCHEMA=" + folder, "SHEAF_AUTH_KEY_LIFETIME=100ms", "SHEAF_DRAIN_DELAY=0s",
	}, more...)}
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve"}, nil, in, &s.log, s.environ); _ = in.Close() }()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, s.log.String())
		}
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, s.log.String())
	}
	s.url = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	return s
}

// run runs a command beside the service, and returns what it printed.
func (s *keyed) run(want int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	var out, err bytes.Buffer
	if code := run(s.t.Context(), args, nil, &out, &err, s.environ); code != want {
		s.t.Fatalf("%v: exit code %d, want %d: %s%s", args, code, want, out.String(), err.String())
	}
	return out.String(), err.String()
}

func (s *keyed) get(path, key string) int {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func (s *keyed) holds(path, key string, want int) {
	s.t.Helper()
	if got := s.get(path, key); got != want {
		s.t.Errorf("%s: status %d, want %d", path, got, want)
	}
}

func TestKeysOfARunningService(t *testing.T) {
	s := startKeyed(t)
	if !strings.Contains(s.log.String(), "no API key exists") {
		t.Errorf("nobody is told that there are no keys: %s", s.log.String())
	}
	s.holds("/v1/users", "", 401)
	s.holds("/readyz", "", 200)
	s.holds("/openapi.json", "", 401)

	out, told := s.run(exitOK, "keys", "create", "shop", "--roles", "writer,reader", "--expires", "90d")
	key := strings.TrimSpace(out)
	if out != key+"\n" || !strings.Contains(told, "roles: writer,reader") || strings.Contains(told, key) {
		t.Errorf("printed %q and %q", out, told)
	}
	s.holds("/v1/users", key, 200) // at once
	s.holds("/openapi.json", key, 200)
	id := strings.Split(key, "_")[1]

	limited, _ := s.run(exitOK, "keys", "create", "posts only", "--collections", "posts", "--json")
	var made struct {
		Key, ID, State string
		Roles          []string
		Collections    []string
	}
	if err := json.Unmarshal([]byte(limited), &made); err != nil || made.State != "active" || len(made.Collections) != 1 || made.Roles == nil {
		t.Fatalf("%s: %v", limited, err)
	}
	s.holds("/v1/posts", made.Key, 200)
	s.holds("/v1/users", made.Key, 403)

	out, _ = s.run(exitOK, "keys", "rotate", id, "--overlap", "1h")
	second := strings.TrimSpace(out)
	s.eventually("/v1/users", second, 200)
	s.holds("/v1/users", key, 200)
	out, _ = s.run(exitOK, "keys", "rotate", id, "--overlap=0s")
	third := strings.TrimSpace(out)
	s.eventually("/v1/users", second, 401)
	s.holds("/v1/users", key, 401)
	s.holds("/v1/users", third, 200)

	// Who finds a key that leaked has all of it.
	out, _ = s.run(exitOK, "keys", "revoke", second)
	if out != "revoked "+id+"; running instances refuse it within 100ms\n" {
		t.Errorf("printed %q", out)
	}
	s.eventually("/v1/users", third, 401)
	s.run(exitOK, "keys", "revoke", id)
	s.run(exitFailure, "keys", "rotate", id)

	out, _ = s.run(exitOK, "keys", "list")
	rows := strings.Split(strings.TrimSpace(out), "\n")
	if len(rows) != 3 || !strings.Contains(rows[1], "revoked") || !strings.Contains(rows[1], "writer,reader") || !strings.Contains(rows[2], "active") {
		t.Errorf("listed\n%s", out)
	}
	asJSON, _ := s.run(exitOK, "keys", "list", "--json")
	for _, text := range []string{key, second, third, made.Key} {
		for place, shown := range map[string]string{"the list": out, "the list for programs": asJSON, "the log": s.log.String()} {
			if strings.Contains(shown, text[len("sheaf_")+13:]) {
				t.Errorf("%s holds a secret", place)
			}
		}
	}
	if !strings.Contains(asJSON, `"lastUsedAt": "20`) || strings.Contains(asJSON, "hash") {
		t.Errorf("listed %s", asJSON)
	}
	if !strings.Contains(s.log.String(), `"caller":"key:`+id+`"`) {
		t.Errorf("the log does not say who called: %s", s.log.String())
	}
}

func (s *keyed) eventually(path, key string, want int) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); s.get(path, key) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: never %d", path, want)
		}
	}
}

func TestKeysThatAreNoneToMake(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "users.yaml"), "collection: users\nfields:\n  name: {type: string}\n")
	environ := []string{"MONGODB_URI=mongodb://127.0.0.1:1", "SHEAF_SERVER_SELECTION_TIMEOUT=10ms", "SHEAF_SCHEMA=" + folder}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"keys"}, exitUsage, "create"},
		{[]string{"keys", "create"}, exitUsage, "<name>"},
		{[]string{"keys", "create", "a\nb", "--roles", "a b,ok", "--expires", "soon", "--collections", "user"}, exitUsage,
			"sheaf: the name must be a line of 1 to 100 bytes\nsheaf: \"a b\" is no role: 1 to 64 letters, digits and _ . : / -\n" +
				"sheaf: --expires must be a time such as 90d or 12h, or a date to come such as 2027-01-31, and is \"soon\"\n" +
				"sheaf: the schema declares no collection \"user\"; did you mean \"users\"?\n"},
		{[]string{"keys", "create", "x", "--expires", "2020-01-01"}, exitUsage, "a date to come"},
		{[]string{"keys", "create", "x", "--expires", "0d"}, exitUsage, "--expires must be"},
		{[]string{"keys", "rotate", "x", "--overlap=-1h"}, exitUsage, "--overlap must be"},
		{[]string{"keys", "list"}, exitFailure, "the database cannot be reached"},
	} {
		var out, told bytes.Buffer
		if code := run(t.Context(), test.args, nil, &out, &told, environ); code != test.code || !strings.Contains(told.String(), test.want) || out.Len() > 0 {
			t.Errorf("%v: exit code %d: %s%s", test.args, code, out.String(), told.String())
		}
	}
}

func TestATokenOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, "0123456789abcdef0123456789abcdef\n")
	var told bytes.Buffer
	environ := []string{"MONGODB_URI=mongodb://127.0.0.1:1", "SHEAF_SERVER_SELECTION_TIMEOUT=10ms", "SHEAF_SCHEMA=" + t.TempDir(), "SHEAF_AUTH_JWT_SECRET_FILE=" + file}
	if code := run(t.Context(), []string{"serve"}, nil, io.Discard, &told, environ); code != exitUsage ||
		told.String() != "sheaf: SHEAF_AUTH_JWT_SECRET_FILE: is set, and SHEAF_AUTH is open, which asks for no tokens; set SHEAF_AUTH=required\n" {
		t.Errorf("exit code %d: %s", code, told.String())
	}
}
