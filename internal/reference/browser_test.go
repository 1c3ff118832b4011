//go:build browser

package reference_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/reference"
	"github.com/sheafdb/sheaf/internal/schema"
)

// browserTime bounds one run of the browser.
const browserTime = 2 * time.Minute

func TestPageInABrowser(t *testing.T) {
	site := newSite(t, blog(t))
	dom := dump(t, site.URL+"/docs", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
	for _, want := range []string{
		"users", "posts", "People who write posts.", "/v1/users/{id}", "List documents", "Read a document",
		"users.Stored", "address.city", "tags", `one of "pending", "active", "closed"`, "not-found",
		"curl -i -X POST '" + site.URL + "/v1/users'", `"email":"ada@example.com"`, "Service", "/livez",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(dom, "cannot be shown") {
		t.Error("the page shows an error")
	}
	site.mu.Lock()
	defer site.mu.Unlock()
	for _, path := range []string{"/docs", "/docs/app.js", "/docs/style.css", "/openapi.json"} {
		if site.asked[path] == 0 {
			t.Errorf("the page did not ask for %s", path)
		}
		delete(site.asked, path)
	}
	if len(site.asked) > 0 {
		t.Errorf("the page asked for %v too", site.asked)
	}
}

func TestPageShowsTextAsText(t *testing.T) {
	const hostile = `<img src=x onerror=alert(1)><b>bold</b>`
	site := newSite(t, []byte(`{"openapi":"3.1.1","info":{"title":"t","version":"1","description":"`+hostile+`"},
		"tags":[{"name":"`+hostile+`","description":"`+hostile+`"}],
		"paths":{"/`+hostile+`":{"get":{"operationId":"`+hostile+`","tags":["`+hostile+`"],"summary":"`+hostile+`","responses":{}}}}}`))
	dom := dump(t, site.URL+"/docs")
	if strings.Contains(dom, "<img") || strings.Contains(dom, "<b>") || !strings.Contains(dom, "&lt;b&gt;bold&lt;/b&gt;") {
		t.Errorf("the page shows markup of the document:\n%s", dom)
	}
}

func TestPageTellsThatTheDocumentIsMissing(t *testing.T) {
	site := newSite(t, nil)
	if dom := dump(t, site.URL+"/docs"); !strings.Contains(dom, "cannot be shown: the service answered 503") {
		t.Errorf("the page shows:\n%s", dom)
	}
}

func blog(t *testing.T) []byte {
	t.Helper()
	model, err := schema.Load(os.DirFS("../../examples/blog/schema"))
	if err != nil {
		t.Fatal(err)
	}
	body := func(b openapi.Body) openapi.Content {
		return openapi.Content{Media: []string{"application/json"}, Body: b}
	}
	document, err := openapi.Document(openapi.Info{Version: "1"}, model, []openapi.Route{
		{Method: "GET", Path: "/v1/{collection}", ID: "list", Summary: "List documents",
			Responses: []openapi.Response{{Status: 200, Description: "A page.", Content: body(openapi.PageBody)}}},
		{Method: "POST", Path: "/v1/{collection}", ID: "create", Summary: "Create a document",
			Request:   &openapi.Request{Content: body(openapi.CreateBody)},
			Responses: []openapi.Response{{Status: 201, Description: "Created.", Content: body(openapi.DocumentsBody)}}},
		{Method: "GET", Path: "/v1/{collection}/{id}", ID: "get", Summary: "Read a document", Problems: []fault.Code{fault.NotFound},
			Responses: []openapi.Response{{Status: 200, Description: "The document.", Content: body(openapi.DocumentBody)}}},
		{Method: "GET", Path: "/livez", ID: "live", Summary: "Whether the process answers",
			Responses: []openapi.Response{{Status: 200, Description: "It does.", Content: body(openapi.StatusBody)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// site serves the page as the service does, and counts what is asked of it.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func newSite(t *testing.T, document []byte) *site {
	t.Helper()
	s := &site{asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked[r.URL.Path]++
		s.mu.Unlock()
		s.answer(w, r, document)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) answer(w http.ResponseWriter, r *http.Request, document []byte) {
	name := strings.TrimPrefix(r.URL.Path, "/docs/")
	body, media, ok := reference.Asset(name)
	switch {
	case r.URL.Path == "/docs":
		w.Header().Set("Content-Security-Policy", policy)
		body, media = reference.Page(), "text/html; charset=utf-8"
	case r.URL.Path == "/openapi.json" && document != nil:
		body, media = document, "application/json"
	case r.URL.Path == "/openapi.json":
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case !ok:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(body)
}

// dump returns the page as the browser has it once it is loaded.
func dump(t *testing.T, url string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
		"--user-data-dir=" + t.TempDir(), "--virtual-time-budget=10000", "--dump-dom"}, flags...)
	command := exec.CommandContext(ctx, browser(t), append(args, url)...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("the browser: %v\n%s", err, stderr.String())
	}
	return strings.NewReplacer("&amp;", "&").Replace(string(out))
}

func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no browser: install chromium or google-chrome, or leave the build tag browser out")
	return ""
}
