package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
)

func TestFromFindsTheWrappedFault(t *testing.T) {
	cause := errors.New("the driver's own words")
	e := fault.Wrap(cause, fault.Timeout, "took %s", time.Second)
	if got := fault.From(fmt.Errorf("outer: %w", e)); got != e {
		t.Errorf("got %v", got)
	}
	if !errors.Is(e, cause) || !fault.Is(fmt.Errorf("outer: %w", e), fault.Timeout) || fault.Is(cause, fault.Timeout) {
		t.Error("the cause or the code is lost")
	}
	if fault.From(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestFromHidesWhatIsNoFault(t *testing.T) {
	cause := errors.New("secret")
	e := fault.From(cause)
	if e.Code != fault.Internal || !errors.Is(e, cause) {
		t.Errorf("got %v", e)
	}
	if e.Detail == "" || e.Detail == cause.Error() {
		t.Errorf("clients are told %q", e.Detail)
	}
}

func TestErrorIsForTheLog(t *testing.T) {
	e := fault.Wrap(errors.New("cause"), fault.DuplicateKey, "taken").WithItems(fault.Item{Pointer: "/email", Code: "unique", Detail: "is taken"})
	if got, want := e.Error(), "duplicate-key: taken; /email: is taken: cause"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWait(t *testing.T) {
	e := fault.New(fault.DatabaseUnavailable, "down")
	if e.Wait() != fault.Lookup(fault.DatabaseUnavailable).RetryAfter {
		t.Errorf("got %s, want that of the table", e.Wait())
	}
	e.RetryAfter = time.Minute
	if e.Wait() != time.Minute {
		t.Errorf("got %s, want its own", e.Wait())
	}
}

func TestListIsBounded(t *testing.T) {
	var list fault.List
	if list.Err(fault.ValidationFailed, "none") != nil {
		t.Error("an empty list is an error")
	}
	const most = 100
	for i := range most + 1 {
		list.Add(fmt.Sprintf("/%d", i), "type", "is wrong")
	}
	if len(list.Items) != most || !list.Has("/99") || list.Has("/100") {
		t.Errorf("%d items", len(list.Items))
	}
	if got := fault.From(list.Err(fault.ValidationFailed, "wrong")); got.Code != fault.ValidationFailed || len(got.Items) != most {
		t.Errorf("got %v", got)
	}
}
