package fault_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/fault"
)

var codeForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

func TestEveryCodeIsDescribed(t *testing.T) {
	seen := map[fault.Code]bool{}
	for _, info := range fault.Codes() {
		if seen[info.Code] || !codeForm.MatchString(string(info.Code)) {
			t.Errorf("the code %q is there twice, or is not of small words", info.Code)
		}
		seen[info.Code] = true
		if http.StatusText(info.Status) == "" || info.Status < 400 {
			t.Errorf("%s: status %d", info.Code, info.Status)
		}
		if info.Title == "" || strings.HasSuffix(info.Title, ".") {
			t.Errorf("%s: the title %q is missing or ends in a full stop", info.Code, info.Title)
		}
		for _, sentence := range []string{info.Meaning, info.Remedy} {
			if !strings.HasSuffix(sentence, ".") {
				t.Errorf("%s: %q is missing or no sentence", info.Code, sentence)
			}
		}
	}
}

func TestCodesAreInOrderOfStatus(t *testing.T) {
	last := 0
	for _, info := range fault.Codes() {
		if info.Status < last {
			t.Errorf("%s (%d) comes after %d", info.Code, info.Status, last)
		}
		last = info.Status
	}
}

func TestOnlyWhatMayPassIsRetried(t *testing.T) {
	passing := map[int]bool{http.StatusConflict: true, http.StatusTooManyRequests: true, http.StatusServiceUnavailable: true}
	for _, info := range fault.Codes() {
		wait := info.RetryAfter
		if wait != 0 && (!passing[info.Status] || wait.Seconds() < 1 || wait.Seconds() != float64(int(wait.Seconds()))) {
			t.Errorf("%s (%d): a Retry-After of %s", info.Code, info.Status, wait)
		}
		if wait == 0 && (info.Status == http.StatusTooManyRequests || info.Status == http.StatusServiceUnavailable) {
			t.Errorf("%s (%d): no Retry-After", info.Code, info.Status)
		}
	}
}

func TestCodesIsACopy(t *testing.T) {
	fault.Codes()[0].Title = "changed"
	if fault.Codes()[0].Title == "changed" {
		t.Error("a caller changed the table")
	}
}

func TestLookup(t *testing.T) {
	for _, info := range fault.Codes() {
		if fault.Lookup(info.Code) != info {
			t.Errorf("%s is not found", info.Code)
		}
	}
	if got := fault.Lookup("no-such-code").Code; got != fault.Internal {
		t.Errorf("an unknown code is %s", got)
	}
}
