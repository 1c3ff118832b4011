package proof

import (
	"encoding/json"
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

// bankFiles are accounts, whose balances many change, and the entries of
// transfers, of which each has two.
var bankFiles = map[string]string{
	"accounts.yaml": `
collection: accounts
id: int
fields:
  balance: {type: int, required: true, min: 0}
`,
	"entries.yaml": `
collection: entries
fields:
  transfer: {type: string, required: true}
  account: {type: int, required: true}
  amount: {type: int, required: true}
indexes:
  - {keys: [transfer]}
`,
}

const (
	bankAccounts = 8
	bankClients  = 8
	firstBalance = 1_000_000_000
)

// bank is a service under load of clients who repeat each of their writes, with
// its key, until it is acknowledged.
type bank struct {
	service *service
	// killed admits requests without an answer: the service itself is killed.
	killed       bool
	acknowledged atomic.Int64

	mu sync.Mutex
	// moved is what was put into each account less what was taken out, transferred
	// the amount of each transfer by its key.
	moved       [bankAccounts]int64
	transferred map[string]int64
}

func newBank(t *testing.T, s *service, killed bool) *bank {
	t.Helper()
	b := &bank{service: s, killed: killed, transferred: map[string]int64{}}
	for id := range bankAccounts {
		if r := s.do("POST", "/v1/accounts", fmt.Sprintf(`{"id":%d,"balance":%d}`, id, firstBalance)); r.status != http.StatusCreated {
			t.Fatalf("no account: %d %s", r.status, r.body)
		}
	}
	return b
}

// work makes deposits and transfers until done is closed, and ends each that it
// began.
func (b *bank) work(client int, done <-chan struct{}) {
	random := rand.New(rand.NewPCG(uint64(client), 7))
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		key, account, amount := fmt.Sprintf("%d-%d", client, n), random.IntN(bankAccounts), random.Int64N(1000)+1
		if n%2 == 0 {
			b.deposit(key, account, amount)
		} else {
			b.transfer(key, account, amount)
		}
		b.acknowledged.Add(1)
	}
}

func (b *bank) deposit(key string, account int, amount int64) {
	b.insist(http.StatusNoContent, "PATCH", fmt.Sprintf("/v1/accounts/%d", account), fmt.Sprintf(`{"$inc":{"balance":%d}}`, amount),
		"Idempotency-Key: "+key, "Content-Type: application/vnd.sheaf.update+json", "Prefer: return=minimal")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved[account] += amount
}

// transfer moves money between two accounts and books it, in one transaction.
func (b *bank) transfer(key string, from int, amount int64) {
	to := (from + 1) % bankAccounts
	update := func(account int, amount int64) string {
		return fmt.Sprintf(`{"update":"accounts","id":%d,"change":{"$inc":{"balance":%d}}}`, account, amount)
	}
	entry := func(account int, amount int64) string {
		return fmt.Sprintf(`{"create":"entries","document":{"transfer":%q,"account":%d,"amount":%d}}`, key, account, amount)
	}
	operations := []string{update(from, -amount), update(to, amount), entry(from, -amount), entry(to, amount)}
	b.insist(http.StatusOK, "POST", "/v1/_transactions", `{"operations":[`+strings.Join(operations, ",")+`]}`, "Idempotency-Key: "+key)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transferred[key] = amount
	b.moved[from] -= amount
	b.moved[to] += amount
}

// insist sends a request until it is answered as it should be. In between it
// takes no other answers than those that say to come again.
func (b *bank) insist(status int, method, path, body string, headers ...string) {
	const pause, limit = 50 * time.Millisecond, 2 * time.Minute
	var r reply
	for began := time.Now(); time.Since(began) < limit; time.Sleep(pause) {
		if r = b.service.do(method, path, body, headers...); r.status == status {
			return
		}
		inProgress := r.status == http.StatusConflict && strings.Contains(string(r.body), `"idempotency-in-progress"`)
		if inProgress {
			b.service.mustSayWhen(r)
		}
		if !inProgress && !b.service.unknown(r) || r.status == 0 && !b.killed {
			break
		}
	}
	b.service.t.Errorf("%s %s: answered %d %s", method, path, r.status, r.body)
}

// await returns when n more writes are acknowledged.
func (b *bank) await(n int64) {
	const limit, pause = 2 * time.Minute, 10 * time.Millisecond
	want := b.acknowledged.Load() + n
	for began := time.Now(); b.acknowledged.Load() < want; time.Sleep(pause) {
		if time.Since(began) > limit {
			b.service.t.Errorf("%d writes are missing after %v", want-b.acknowledged.Load(), limit)
			return
		}
	}
}

// run lets clients work while fail does its worst, and holds the books.
func (b *bank) run(fail func()) {
	done := make(chan struct{})
	var clients sync.WaitGroup
	for client := range bankClients {
		clients.Go(func() { b.work(client, done) })
	}
	fail()
	close(done)
	clients.Wait()
	b.audit()
	b.service.t.Logf("%d writes, %d of them transfers, each carried out once", b.acknowledged.Load(), len(b.transferred))
}

// audit holds what is stored against what was acknowledged: what is missing was
// lost, and what is too much was done twice.
func (b *bank) audit() {
	for account, moved := range b.moved {
		var stored struct{ Balance int64 }
		r := b.service.do("GET", fmt.Sprintf("/v1/accounts/%d", account), "")
		if err := json.Unmarshal(r.body, &stored); err != nil || stored.Balance != firstBalance+moved {
			b.service.t.Errorf("account %d has %d, want %d: %s", account, stored.Balance, firstBalance+moved, r.body)
		}
	}
	found := map[string][]int64{}
	for _, e := range b.entries() {
		found[e.Transfer] = append(found[e.Transfer], e.Amount)
	}
	for key, amount := range b.transferred {
		if f := found[key]; len(f) != 2 || f[0]+f[1] != 0 || max(f[0], f[1]) != amount {
			b.service.t.Errorf("transfer %s of %d has the entries %v", key, amount, f)
		}
	}
	if len(found) != len(b.transferred) {
		b.service.t.Errorf("%d transfers are stored, %d were acknowledged", len(found), len(b.transferred))
	}
}

type entry struct {
	Transfer string
	Amount   int64
}

func (b *bank) entries() (all []entry) {
	for after := ""; ; {
		var page struct {
			Data []entry
			Page struct{ Next string }
		}
		r := b.service.do("GET", "/v1/entries?limit=1000"+after, "")
		if err := json.Unmarshal(r.body, &page); err != nil || r.status != http.StatusOK {
			b.service.t.Fatalf("the entries cannot be read: %d %s", r.status, r.body)
		}
		all = append(all, page.Data...)
		if page.Page.Next == "" {
			return all
		}
		after = "&after=" + page.Page.Next
	}
}

// comesBack is how soon the service answers after the primary was killed.
const comesBack = 15 * time.Second

// Writes with keys are carried out exactly once while the primary crashes and
// comes back three times.
func TestNothingIsLostWithThePrimary(t *testing.T) {
	set := testkit.StartReplicaSet(t)
	s := serve(t, set.URI(), store.Options{SelectTimeout: 2 * time.Second}, bankFiles)
	b := newBank(t, s, false)
	b.run(func() {
		for range 3 {
			b.await(200)
			restart := set.KillPrimary()
			took, err := s.awaitReady(func() reply {
				return s.do("PATCH", "/v1/accounts/0", `{}`, "Content-Type: application/merge-patch+json")
			})
			if err != nil || took > comesBack {
				t.Errorf("a write was answered after %v: %v", took, err)
			}
			t.Logf("a write was answered %v after the primary was killed", took.Round(time.Millisecond))
			b.await(200)
			restart()
		}
	})
}
