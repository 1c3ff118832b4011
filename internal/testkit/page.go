package testkit

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/openapi/openapitest"
)

// PageOptions say how the requests of a page are run.
type PageOptions struct {
	// BaseURL is that of the service. It takes the place of http://127.0.0.1:8080.
	BaseURL string
	// Check gets each exchange; it may be nil.
	Check func(openapitest.Exchange) error
	// Update writes the answers anew that are not as the page says.
	Update bool
}

// RunPage runs the requests of a Markdown page from its top to its end, as a
// reader does, and holds their answers against those that the page shows.
//
// A block of sh has curl commands. Of the options of curl it may have -X, -H,
// -i, -s, -g, -G, --json, -d, --data-urlencode; a command of another program is
// passed over. What the shell would take apart must be quoted, and so must what
// curl would expand. A value of an answer is kept for later requests in the way
// that the shell has:
//
//	NEXT=$(curl -s 'http://127.0.0.1:8080/v1/users?limit=2' | jq -r .page.next)
//
// The last command of a block is answered by the block that comes next: one of
// json has a body, whose status is its own where it is a problem and a success
// where not; one of http has a status line, the headers that the answer must
// have, and after an empty line the body. A command without an answer must
// succeed, or have the status of the comment at its end, such as # 412.
//
// … stands for what varies: in a string for any text, as a whole string for any
// value, as the name of a member for any more members, and as the last item of
// an array for any more items.
func RunPage(t *testing.T, path string, options PageOptions) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePage(path, string(text))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	s := &scenario{
		client: &http.Client{Transport: transport, Timeout: answerLimit, CheckRedirect: stay},
		check:  options.Check,
		values: variables{"url": strings.TrimSuffix(options.BaseURL, "/")},
	}
	for i := range p.requests {
		if err := p.requests[i].run(t, s, options.Update); err != nil {
			t.Error(err)
		}
	}
	if !options.Update {
		return
	}
	if err := os.WriteFile(path, []byte(p.updated(string(text))), 0o600); err != nil {
		t.Error(err)
	}
}

// Excerpt is a block of a page that shows a part of a file.
type Excerpt struct{ File, Text string }

// PageExcerpts returns the blocks of a page in a language that begin with a
// comment such as # users.yaml, which names the file, without that line.
func PageExcerpts(t *testing.T, path, language string) []Excerpt {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var excerpts []Excerpt
	for _, b := range blocks(path, string(text)) {
		first, rest, _ := strings.Cut(b.text, "\n")
		if name, ok := strings.CutPrefix(first, "# "); ok && b.language == language {
			excerpts = append(excerpts, Excerpt{name, rest})
		}
	}
	return excerpts
}

// page is a Markdown page with requests.
type page struct{ requests []pageRequest }

// pageRequest is one command and the answer that the page shows.
type pageRequest struct {
	entry entry
	// answer is nil where the page shows none.
	answer *pageAnswer
	// renewed is the text of an answer that was not as the page says.
	renewed *string
}

// block is what stands between two fences.
type block struct {
	at       place // the opening fence
	language string
	text     string
	lines    int // between the fences
	// follows is set for a block with nothing between it and the one before.
	follows bool
}

// blocks returns the fenced blocks of a page.
func blocks(file, text string) []block {
	var list []block
	lines := strings.Split(text, "\n")
	follows := false
	for i := 0; i < len(lines); i++ {
		language, opens := strings.CutPrefix(lines[i], fence)
		if !opens {
			follows = follows && strings.TrimSpace(lines[i]) == ""
			continue
		}
		b := block{at: place{file, i + 1}, language: strings.TrimSpace(language), follows: follows}
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], fence); i++ {
			b.text += lines[i] + "\n"
			b.lines++
		}
		list, follows = append(list, b), true
	}
	return list
}

func parsePage(file, text string) (*page, error) {
	p := &page{}
	waits := false // the last request has no answer, and may get one
	for _, b := range blocks(file, text) {
		switch {
		case b.language == "sh":
			requests, err := parseCommands(b)
			if err != nil {
				return nil, err
			}
			p.requests = append(p.requests, requests...)
			waits = len(requests) > 0
		case waits && b.follows && (b.language == "json" || b.language == "http"):
			answer, err := parseAnswer(b)
			if err != nil {
				return nil, err
			}
			p.requests[len(p.requests)-1].answer = answer
			waits = false
		default:
			waits = false
		}
	}
	return p, nil
}

// run sends a request and holds its answer against the page.
func (r *pageRequest) run(t *testing.T, s *scenario, update bool) error {
	request, err := r.entry.request(t, s.values)
	if err != nil {
		return err
	}
	answer, err := s.send(request)
	if err != nil {
		return r.entry.at.wrap(err)
	}
	err = errors.Join(r.entry.expect(answer, s.values), r.expect(answer))
	if err != nil && update && r.answer != nil {
		text := r.answer.renew(answer)
		r.renewed, err = &text, nil
	}
	if err != nil {
		return fmt.Errorf("%w\n%s %s answered %d:\n%s", err, request.Method, request.URL, answer.status, answer.body)
	}
	if s.check == nil {
		return nil
	}
	return r.entry.at.wrap(s.check(openapitest.Exchange{
		Method: request.Method, Path: request.URL.EscapedPath(), Status: answer.status, Header: answer.header, Body: answer.body,
	}))
}

func (r *pageRequest) expect(a answer) error {
	if r.answer != nil {
		return r.answer.expect(a)
	}
	if r.entry.status == 0 && a.status >= http.StatusBadRequest {
		return r.entry.at.errorf("the request must succeed")
	}
	return nil
}

// updated returns the text of the page with the renewed answers.
func (p *page) updated(text string) string {
	lines := strings.Split(text, "\n")
	for i := len(p.requests) - 1; i >= 0; i-- { // from the end, so that the places before stay
		r := p.requests[i]
		if r.renewed == nil {
			continue
		}
		first := r.answer.block.at.line
		rest := lines[first+r.answer.block.lines:]
		lines = append(append(lines[:first:first], strings.Split(*r.renewed, "\n")...), rest...)
	}
	return strings.Join(lines, "\n")
}
