package testkit

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runPage runs a page against a server that answers with what it was sent, and
// returns the first error, and the page with its answers renewed.
func runPage(t *testing.T, text string) (renewed string, err error) {
	t.Helper()
	p, err := parsePage("x.md", text)
	if err != nil {
		return "", err
	}
	s := &scenario{client: http.DefaultClient, values: variables{"url": echoServer(t)}}
	for i := range p.requests {
		if problem := p.requests[i].run(t, s, false); problem != nil && err == nil {
			err = problem
		}
		if problem := p.requests[i].run(t, s, true); problem != nil && err == nil {
			err = problem
		}
	}
	return p.updated(text), err
}

// fenced puts a text between fences.
func fenced(language, text string) string {
	return fence + language + "\n" + text + "\n" + fence + "\n"
}

const wholePage = "# A page\n\n```sh\nmake run   # is passed over\n" +
	"curl -s http://127.0.0.1:8080/a -X PUT -H 'X-Sent: y' --json '{\"name\": \"it'\\''s\",\n \"n\": 1}'\n" +
	"NAME=$(curl -s 'http://127.0.0.1:8080/b' --json '{\"list\": [{\"name\": \"xy\"}]}' | jq -r '.list[0].name')\n" +
	"curl -i -G http://127.0.0.1:8080/c \\\n  --data-urlencode \"q=$NAME\" --data-urlencode 'r={\"a\": 1}'\n```\n\n"

func TestRunPage(t *testing.T) {
	page := wholePage +
		fenced("http", "HTTP/1.1 201 Created\nEtag: \"…\"\n\n{\"path\": \"/c\"}") +
		fenced("sh", `curl http://127.0.0.1:8080/d --json '{"a": [1, 2.0, "xyz", null], "b": {"c": true}, "at": "now", "rest": [1, 2, 3]}'`) + "\n" +
		fenced("json", `{"a": [1, 2, "x…z", null], "b": {"…": "…"}, "at": "…", "rest": [1, "…"]}`) +
		"Not run, as there is text before it:\n" + fenced("json", `{"other": 1}`)
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	RunPage(t, file, PageOptions{BaseURL: echoServer(t) + "/"})
	if renewed, err := runPage(t, page); err != nil || renewed != page {
		t.Errorf("%v: renewed to\n%s", err, renewed)
	}
}

func TestAnswersAreRenewed(t *testing.T) {
	renewed, err := runPage(t, fenced("sh", `curl http://127.0.0.1:8080/ --json '{"createdAt": 5, "b": [], "c": {"d": "é"}}'`)+fenced("json", "{}"))
	want := fenced("sh", `curl http://127.0.0.1:8080/ --json '{"createdAt": 5, "b": [], "c": {"d": "é"}}'`) + fenced("json", `{"createdAt": "…", "b": [], "c": {"d": "é"}}`)
	if err == nil || renewed != want {
		t.Errorf("%v: renewed to\n%s", err, renewed)
	}
	long := strings.Repeat("x", pageWidth-20)
	renewed, _ = runPage(t, fenced("sh", `curl http://127.0.0.1:8080/ --json '{"a": "`+long+`", "b": {"c": [1]}}'`)+fenced("http", "HTTP/1.1 400 Bad\nX-Type: no\nEtag: …"))
	if want := "HTTP/1.1 201 Created\nX-Type: application/json\nEtag: …\n\n{\n  \"a\": \"" + long + "\",\n  \"b\": {\"c\": [1]}\n}\n```"; !strings.Contains(renewed, want) {
		t.Errorf("renewed to\n%s", renewed)
	}
}

func TestPageFails(t *testing.T) {
	const send = `curl http://127.0.0.1:8080/ --json '{"a": "x", "b": [1], "n": null}'`
	for text, want := range map[string]string{
		fenced("sh", send) + fenced("json", `{"a": "x", "b": [1]}`):                           "$ has n, which is not on the page",
		fenced("sh", send) + fenced("json", `{"a": "x", "b": [1], "n": null, "o": 1}`):        "$ has no o",
		fenced("sh", send) + fenced("json", `{"a": "y…", "b": [1], "n": null}`):               `$.a is x, want y…`,
		fenced("sh", send) + fenced("json", `{"a": "x", "b": [1, 2], "n": null}`):             "$.b has 1 items, want 2",
		fenced("sh", send) + fenced("json", `{"a": "x", "b": ["1"], "n": null}`):              "$.b[0] is 1, want 1",
		fenced("sh", send) + fenced("json", `{"a": "x", "b": {}, "n": null}`):                 "$.b is [1], want {}",
		fenced("sh", send) + fenced("json", `{"code": "no", "status": 404}`):                  "the status is 201, want 404",
		fenced("sh", send) + fenced("http", "HTTP/1.1 201 Created"):                           "the page shows no body",
		fenced("sh", send) + fenced("http", "HTTP/1.1 201 Created\nEtag: \"8\"\n\n{\"…\":1}"): "x.md:6: Etag is",
		fenced("sh", send+"  # 404: no"):                                                      "the status is 201, want 404",

		fenced("sh", send) + fenced("json", `{`):                         "x.md:4: the answer is not JSON",
		fenced("sh", send) + fenced("http", "200 OK"):                    "is no status line",
		fenced("sh", send) + fenced("http", "HTTP/1.1 200 OK\nno"):       "is no header",
		fenced("sh", "\ncurl http://127.0.0.1:8080/a?b=c"):               `x.md:3: "?" must stand between quotes`,
		fenced("sh", "curl http://127.0.0.1:8080/ --json {}"):            "must stand between quotes",
		fenced("sh", "curl 'http://127.0.0.1:8080/"):                     "a ' has no end",
		fenced("sh", "curl \"http://127.0.0.1:8080/"):                    `a " has no end`,
		fenced("sh", "curl http://127.0.0.1:8080/$x"):                    "a $ is neither quoted",
		fenced("sh", "curl 'http://127.0.0.1:8080/?a[b]=1'"):             "needs -g",
		fenced("sh", "curl 'http://127.0.0.1:8080/?a=b c'"):              "needs -g or escapes",
		fenced("sh", "curl http://example.com/"):                         "does not begin with",
		fenced("sh", "curl http://127.0.0.1:8080/ -k"):                   "is not known here",
		fenced("sh", "curl http://127.0.0.1:8080/ -H"):                   "has no value",
		fenced("sh", "curl http://127.0.0.1:8080/ -H 'no'"):              "is no header",
		fenced("sh", "curl http://127.0.0.1:8080/ --data-urlencode 'a'"): "is no name=value",
		fenced("sh", "X=$(curl -s http://127.0.0.1:8080/)"):              "must stand between quotes",
		fenced("sh", "curl http://127.0.0.1:8080/$NO"):                   `nothing was captured as "NO"`,
	} {
		if _, err := runPage(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestPageExcerpts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	text := fenced("yaml", "# a.yaml\nx: 1") + fenced("yaml", "y: 1") + fenced("json", "# b.yaml\n{}") + fenced("yaml", "# a.yaml\nz: 1")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := PageExcerpts(t, file, "yaml")
	if len(got) != 2 || got[0] != (Excerpt{"a.yaml", "x: 1\n"}) || got[1] != (Excerpt{"a.yaml", "z: 1\n"}) {
		t.Errorf("got %q", got)
	}
}
