package reference_test

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/reference"
)

var (
	asset = regexp.MustCompile(`(?:src|href)="docs/([^"]+)"`)
	// elsewhere is what a page would load from another origin, or inline.
	elsewhere = regexp.MustCompile(`(?i)(?:src|href)="(?:https?:)?//|<style|style="|\son[a-z]+="|javascript:|<script>|@import|\burl\(`)
	// markup are the ways by which text becomes markup or code.
	markup = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b`)
)

func TestPageHasItsAssets(t *testing.T) {
	names := asset.FindAllSubmatch(reference.Page(), -1)
	if len(names) != 2 {
		t.Fatalf("the page refers to %d assets", len(names))
	}
	for _, name := range names {
		body, media, ok := reference.Asset(string(name[1]))
		if !ok || len(body) == 0 || !strings.HasPrefix(media, "text/") {
			t.Errorf("%s: %q, %v", name[1], media, ok)
		}
	}
	for _, name := range []string{"", "index.html", "../reference.go", "problem.tmpl"} {
		if _, _, ok := reference.Asset(name); ok {
			t.Errorf("%q is served", name)
		}
	}
}

func TestPagesKeepToAStrictContentPolicy(t *testing.T) {
	pages := map[string][]byte{"docs": reference.Page(), "problems": reference.Problems()}
	for _, info := range fault.Codes() {
		pages[string(info.Code)], _ = reference.Problem(info.Code)
	}
	pages["app.js"], _, _ = reference.Asset("app.js")
	pages["style.css"], _, _ = reference.Asset("style.css")
	for name, page := range pages {
		if found := elsewhere.Find(page); found != nil {
			t.Errorf("%s has %q", name, found)
		}
		if found := markup.Find(page); found != nil && name == "app.js" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestProblemTellsTheTable(t *testing.T) {
	list := string(reference.Problems())
	for _, info := range fault.Codes() {
		page, ok := reference.Problem(info.Code)
		if !ok {
			t.Errorf("%s has no page", info.Code)
			continue
		}
		text := html.UnescapeString(string(page))
		for _, want := range []string{string(info.Code), info.Title, info.Meaning, info.Remedy} {
			if !strings.Contains(text, want) {
				t.Errorf("the page of %s does not have %q", info.Code, want)
			}
		}
		if strings.Contains(text, "Retry-After</dt>") != (info.RetryAfter > 0) {
			t.Errorf("the page of %s is wrong about Retry-After", info.Code)
		}
		if !strings.Contains(list, `href="problems/`+string(info.Code)+`"`) {
			t.Errorf("the list does not lead to %s", info.Code)
		}
	}
	for _, code := range []fault.Code{"", "no-such-code"} {
		if _, ok := reference.Problem(code); ok {
			t.Errorf("%q has a page", code)
		}
	}
}
