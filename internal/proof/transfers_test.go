package proof

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

var transferTime = flag.Duration("transfers", 20*time.Second, "how long clients transfer money")

const (
	transferClients  = 64
	transferReaders  = 2
	transferAccounts = 200
	opening          = 100
)

// purse is what clients do to the accounts, and what came of it.
type purse struct {
	*service
	done, poor, conflicts, others atomic.Int64
	reads                         atomic.Int64
}

// TestTransfersKeepTheSum has many clients move money between few accounts, while
// others read all of them by one transaction: no money comes or goes, no account
// is overdrawn, and clients need not send a transfer again.
func TestTransfersKeepTheSum(t *testing.T) {
	uri, _ := testkit.Mongo(t)
	for name, options := range map[string]store.Options{"sharing transactions": {}, "each alone": {NoCoalescing: true}} {
		t.Run(name, func(t *testing.T) {
			const limit = 30 * time.Second // for machines that have other work too
			p := &purse{service: serveWithin(t, limit, uri, options, map[string]string{
				"accounts.yaml": "collection: accounts\nid: int\nfields: {balance: {type: int, min: 0, required: true}}\n",
			})}
			p.open()
			p.run(*transferTime)
			p.sum()
			total := p.done.Load() + p.poor.Load() + p.conflicts.Load() + p.others.Load()
			t.Logf("%d transfers, %d of them refused for lack of money, %d for conflicts, %d otherwise; %d sums", total, p.poor.Load(), p.conflicts.Load(), p.others.Load(), p.reads.Load())
			if p.others.Load() > 0 || p.conflicts.Load()*100 > total || p.done.Load() == 0 || p.reads.Load() < 2 {
				t.Errorf("too few transfers were answered well")
			}
		})
	}
}

func (p *purse) open() {
	p.do("DELETE", "/v1/accounts?id[gte]=0", "")
	var documents []string
	for id := range transferAccounts {
		documents = append(documents, fmt.Sprintf(`{"id":%d,"balance":%d}`, id, opening))
	}
	if r := p.do("POST", "/v1/accounts", "["+strings.Join(documents, ",")+"]"); r.status != http.StatusCreated {
		p.t.Fatalf("%d %s", r.status, r.body)
	}
}

func (p *purse) run(d time.Duration) {
	stop := time.Now().Add(d)
	var clients sync.WaitGroup
	for range transferClients {
		clients.Go(func() {
			for time.Now().Before(stop) {
				p.transfer()
			}
		})
	}
	for range transferReaders {
		clients.Go(func() {
			for time.Now().Before(stop) {
				p.sum()
			}
		})
	}
	clients.Wait()
}

func (p *purse) transfer() {
	from := rand.IntN(transferAccounts)
	to := (from + 1 + rand.IntN(transferAccounts-1)) % transferAccounts
	amount := 1 + rand.IntN(opening)
	r := p.do("POST", "/v1/_transactions", fmt.Sprintf(`{"operations":[
		{"update":"accounts","id":%d,"change":{"$inc":{"balance":%d}},"require":{"balance":{"$gte":%d}}},
		{"update":"accounts","id":%d,"change":{"$inc":{"balance":%d}}}]}`, from, -amount, amount, to, amount))
	switch body := string(r.body); {
	case r.status == http.StatusOK:
		p.done.Add(1)
	case strings.Contains(body, `"requirement-failed"`):
		p.poor.Add(1)
	case strings.Contains(body, `"write-conflict"`):
		p.conflicts.Add(1)
	default:
		p.others.Add(1)
		p.t.Errorf("a transfer was answered by %d %s", r.status, body)
	}
}

// sum reads all accounts by one transaction, and holds what they have.
func (p *purse) sum() {
	var operations []string
	for id := range transferAccounts {
		operations = append(operations, fmt.Sprintf(`{"read":"accounts","id":%d}`, id))
	}
	r := p.do("POST", "/v1/_transactions", `{"operations":[`+strings.Join(operations, ",")+`]}`)
	var answer struct {
		Results []struct{ Document struct{ Balance int } }
	}
	if err := json.Unmarshal(r.body, &answer); err != nil || r.status != http.StatusOK {
		p.t.Errorf("a sum was answered by %d %s", r.status, r.body)
		return
	}
	total := 0
	for _, result := range answer.Results {
		if total += result.Document.Balance; result.Document.Balance < 0 {
			p.t.Errorf("a balance is %d", result.Document.Balance)
		}
	}
	if total != transferAccounts*opening {
		p.t.Errorf("the accounts have %d together", total)
	}
	p.reads.Add(1)
}
