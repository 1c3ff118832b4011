package proof

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

const cells = `
collection: cells
id: string
fields:
  value: {type: int, required: true}
`

// kind is an operation on one document.
type kind uint8

const (
	create kind = iota
	read
	swap // compare the version, and set
	remove
)

// input is what a client asks for.
type input struct {
	kind kind
	id   string
	// value is what create and swap store, version what swap compares.
	value, version int64
}

// state is a document; version 0 stands for none.
type state struct{ value, version int64 }

// output is what a client was told.
type output struct {
	// unknown is set where the request may have been carried out, or not.
	unknown bool
	// done is set where it was.
	done bool
	// found is what was read, or is there after a swap.
	found state
}

// next returns what a document becomes, and what a client is told of it.
func (in input) next(s state) (state, output) {
	exists := s.version != 0
	switch in.kind {
	case create:
		if !exists {
			return state{in.value, 1}, output{done: true}
		}
	case read:
		return s, output{done: exists, found: s}
	case swap:
		if exists && s.version == in.version {
			n := state{in.value, s.version + 1}
			return n, output{done: true, found: n}
		}
	case remove:
		if exists {
			return state{}, output{done: true}
		}
	}
	return s, output{}
}

// model is what the service promises of one document.
var model = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byID := make(map[string][]porcupine.Operation)
		for _, op := range history {
			id := op.Input.(input).id
			byID[id] = append(byID[id], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byID {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{state{}} },
	Step: func(s, in, out any) []any {
		before, told := s.(state), out.(output)
		after, want := in.(input).next(before)
		switch {
		case told.unknown && after != before:
			return []any{before, after}
		case told.unknown || told == want:
			return []any{after}
		}
		return nil
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// recorder notes what clients ask for and are told, in real time.
type recorder struct {
	service *service
	began   time.Time
	clients atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
}

// perform carries out one operation, and reports whether its outcome is known.
func (r *recorder) perform(client int, in input) bool {
	call := time.Since(r.began).Nanoseconds()
	out := r.service.perform(in)
	end := time.Since(r.began).Nanoseconds()
	if out.unknown {
		if in.kind == read {
			return false // tells nothing
		}
		end = math.MaxInt64 // may be carried out at any time from now on
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: end})
	return !out.unknown
}

// perform sends one operation.
func (s *service) perform(in input) output {
	path := "/v1/cells/" + in.id
	var got reply
	var done, refused int
	switch in.kind {
	case create:
		got, done, refused = s.do("POST", "/v1/cells", fmt.Sprintf(`{"id":%q,"value":%d}`, in.id, in.value)), http.StatusCreated, http.StatusConflict
	case read:
		got, done, refused = s.do("GET", path, ""), http.StatusOK, http.StatusNotFound
	case swap:
		got = s.do("PATCH", path, fmt.Sprintf(`{"value":%d}`, in.value), fmt.Sprintf(`If-Match: "%d"`, in.version))
		done, refused = http.StatusOK, http.StatusPreconditionFailed
		if got.status == http.StatusNotFound {
			refused = http.StatusNotFound
		}
	case remove:
		got, done, refused = s.do("DELETE", path, ""), http.StatusNoContent, http.StatusNotFound
	}
	if s.unknown(got) {
		return output{unknown: true}
	}
	out := output{done: got.status == done}
	if !out.done && got.status != refused {
		s.t.Errorf("%+v: status %d: %s", in, got.status, got.body)
	}
	if out.done && (in.kind == read || in.kind == swap) {
		var doc struct{ Value, Version int64 }
		if err := json.Unmarshal(got.body, &doc); err != nil {
			s.t.Error(err)
		}
		out.found = state{doc.Value, doc.Version}
	}
	return out
}

// work performs random operations until done is closed.
func (r *recorder) work(seed uint64, done <-chan struct{}) {
	random := rand.New(rand.NewPCG(seed, 1))
	client := int(r.clients.Add(1))
	const documents, pause = 4, 2 * time.Millisecond
	versions := [documents]int64{}
	for n := int64(0); ; n++ {
		select {
		case <-done:
			return
		case <-time.After(pause): // keeps the history short enough to be checked
		}
		at := random.IntN(documents)
		in := input{id: fmt.Sprint("cell-", at), value: int64(seed)<<32 + n, version: versions[at]}
		switch p := random.IntN(10); {
		case p < 2:
			in.kind = create
		case p < 5:
			in.kind = read
		case p < 9 && in.version != 0:
			in.kind = swap
		default:
			in.kind = remove
		}
		if !r.perform(client, in) {
			// Whose request is open goes on as another client.
			client = int(r.clients.Add(1))
			r.service.await(done)
			continue
		}
		versions[at] = r.lastVersion(in)
	}
}

// await returns when the service answers again, so that no more than one request
// a client is left open by a failure.
func (s *service) await(done <-chan struct{}) {
	const pause = 50 * time.Millisecond
	for {
		select {
		case <-done:
			return
		case <-time.After(pause):
		}
		if s.do("GET", "/readyz", "").status == http.StatusOK {
			return
		}
	}
}

// lastVersion is the version of a document that its last answer told of.
func (r *recorder) lastVersion(in input) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.history) - 1; i >= 0; i-- {
		op := r.history[i]
		if did := op.Input.(input); did.id == in.id && !op.Output.(output).unknown {
			out := op.Output.(output)
			if did.kind == create && out.done {
				return 1
			}
			if out.found.version != 0 {
				return out.found.version
			}
		}
	}
	return 0
}

// Concurrent creates, reads, compare-and-set updates and deletes of single
// documents are linearizable, also through a crash of the primary.
func TestSingleDocumentsAreLinearizable(t *testing.T) {
	for name, separate := range map[string]bool{"coalesced": false, "separate": true} {
		t.Run(name, func(t *testing.T) {
			set := testkit.StartReplicaSet(t)
			s := serve(t, set.URI(), store.Options{NoCoalescing: separate, SelectTimeout: 2 * time.Second}, map[string]string{"cells.yaml": cells})
			r := &recorder{service: s, began: time.Now()}
			done := make(chan struct{})
			var group sync.WaitGroup
			const clients = 8
			for seed := range uint64(clients) {
				group.Go(func() { r.work(seed+1, done) })
			}
			r.awaitHistory(500)
			restart := set.KillPrimary()
			r.awaitHistory(len(r.copied()) + 500) // after the failover
			restart()
			r.awaitHistory(len(r.copied()) + 200)
			close(done)
			group.Wait()
			history := r.copied()
			if result := porcupine.CheckOperationsTimeout(model.ToModel(), history, time.Minute); result != porcupine.Ok {
				for _, op := range history {
					t.Logf("%d %d %d: %s", op.ClientId, op.Call, op.Return, model.DescribeOperation(op.Input, op.Output))
				}
				t.Fatalf("a history of %d operations is not linearizable: %s", len(history), result)
			}
			t.Logf("%d operations of %d clients, %d of them open", len(history), r.clients.Load(), open(history))
		})
	}
}

func open(history []porcupine.Operation) (n int) {
	for _, op := range history {
		if op.Output.(output).unknown {
			n++
		}
	}
	return n
}

func (r *recorder) copied() []porcupine.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]porcupine.Operation(nil), r.history...)
}

// awaitHistory returns when so many operations are noted.
func (r *recorder) awaitHistory(n int) {
	const limit, pause = time.Minute, 10 * time.Millisecond
	for began := time.Now(); len(r.copied()) < n; time.Sleep(pause) {
		if time.Since(began) > limit {
			r.service.t.Errorf("only %d operations in %v", len(r.copied()), limit)
			return
		}
	}
}

// The model must be able to refuse: a lost update is no history of it.
func TestTheModelRefusesALostUpdate(t *testing.T) {
	history := []porcupine.Operation{
		{ClientId: 1, Input: input{kind: create, id: "a", value: 1}, Call: 0, Output: output{done: true}, Return: 1},
		{ClientId: 1, Input: input{kind: swap, id: "a", value: 2, version: 1}, Call: 2, Output: output{done: true, found: state{2, 2}}, Return: 3},
		{ClientId: 2, Input: input{kind: swap, id: "a", value: 3, version: 1}, Call: 2, Output: output{done: true, found: state{3, 2}}, Return: 3},
	}
	if porcupine.CheckOperations(model.ToModel(), history) {
		t.Error("two swaps of one version are taken for linearizable")
	}
	history[2].Output = output{unknown: true}
	if !porcupine.CheckOperations(model.ToModel(), history) {
		t.Error("an open swap that lost is refused")
	}
}
