package proof

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// A primary that was just elected has all that was acknowledged, but need not know
// yet that a majority does. Reads wait until it knows; none is told what was before.
func TestReadsAfterAFailoverSeeWhatWasAcknowledged(t *testing.T) {
	for name, separate := range map[string]bool{"coalesced": false, "separate": true} {
		t.Run(name, func(t *testing.T) {
			set := testkit.StartReplicaSet(t)
			s := serveWithin(t, time.Second, set.URI(), store.Options{NoCoalescing: separate, SelectTimeout: time.Second}, map[string]string{"cells.yaml": cells})
			if got := s.do("POST", "/v1/cells", `{"id":"cell","value":1}`); got.status != http.StatusCreated {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			release := set.HideCommits()
			for s.do("PATCH", "/v1/cells/cell", `{"value":2}`).status != http.StatusOK {
				release()
				release = set.HideCommits()
			}
			set.KillPrimary()
			set.Primary()
			s.mustRead2()
			release()
			if _, err := s.awaitReady(func() reply { return s.do("GET", "/v1/cells/cell", "") }); err != nil {
				t.Error(err)
			}
			s.mustRead2()
		})
	}
}

// mustRead2 reads the cell in every way. An answer says 2, or that there is none.
func (s *service) mustRead2() {
	for _, path := range []string{"/v1/cells/cell", "/v1/cells", "/v1/cells?count=exact&filter=%7B%22value%22:2%7D", "/v1/cells/_export"} {
		got := s.do("GET", path, "")
		if !s.unknown(got) && !strings.Contains(string(got.body), `"value":2`) {
			s.t.Errorf("GET %s: status %d: %s, after 2 was acknowledged", path, got.status, got.body)
		}
	}
	if got := s.do("PATCH", "/v1/cells/cell", `{"value":2}`, `If-Match: "1"`); !s.unknown(got) && got.status != http.StatusPreconditionFailed {
		s.t.Errorf("a change of the version before: status %d: %s", got.status, got.body)
	}
}
