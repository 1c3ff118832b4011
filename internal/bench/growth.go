package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Growth says how far a service grows while it is measured.
type Growth struct {
	// Rounds is how often each measurement is taken, Duration how long one takes.
	Rounds   int
	Duration time.Duration
	// Watch is told of every step; nil for nobody.
	Watch func(step string)
}

// GrowthRow is the cost of one operation at one size, of one request at a time.
type GrowthRow struct {
	Collections int `json:"collections"`
	// Documents are those of each collection.
	Documents int     `json:"documents"`
	Operation string  `json:"operation"`
	Figures   Figures `json:"figures"`
}

// IdleRow is what connections cost that are kept and say nothing.
type IdleRow struct {
	Connections int `json:"connections"`
	// Memory is the resident memory of the service in MB, Each what a connection
	// adds to that of none, in kB.
	Memory float64 `json:"memory_mb"`
	Each   float64 `json:"each_kb"`
}

// grownName is the name of a collection of those that grow.
func grownName(i int) string { return fmt.Sprintf("bench_grown_%03d", i) }

// WriteGrowthSchema writes the schema files of some equal collections into a
// folder, which it makes.
func WriteGrowthSchema(folder string, collections int) error {
	text, err := files.ReadFile("schema/" + people + ".yaml")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // holds nothing secret
		return err
	}
	for i := range collections {
		own := strings.Replace(string(text), "collection: "+people, "collection: "+grownName(i), 1)
		if err := os.WriteFile(filepath.Join(folder, grownName(i)+".yaml"), []byte(own), 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// Grown is a service whose collections have grown so far.
type Grown struct {
	*Growth
	service                *Service
	collections, documents int
}

// Of returns a service that serves some collections of WriteGrowthSchema, which
// were filled up to a number of documents each.
func (g *Growth) Of(s *Service, collections, documents int) *Grown {
	return &Grown{Growth: g, service: s, collections: collections, documents: documents}
}

// Measure fills every collection up to a number of documents, and measures the
// operations one request at a time, spread over all documents.
func (g *Grown) Measure(ctx context.Context, documents int) ([]GrowthRow, error) {
	if err := g.fill(ctx, documents); err != nil {
		return nil, fmt.Errorf("filling %d collections: %w", g.collections, err)
	}
	rows := make([]GrowthRow, 0, len(grownOperations))
	for _, op := range grownOperations {
		g.watch("%s among %d documents in %d collections", op.name, documents*g.collections, g.collections)
		samples := make([]Sample, g.Rounds)
		for i := range samples {
			request := func(dst []byte, s *Service, n int64) []byte { return op.request(dst, s, g, n) }
			l := &load{contestant: contestant{g.service, request, op.status}, connections: 1, duration: g.Duration}
			var err error
			if samples[i], err = l.run(ctx); err != nil {
				return rows, fmt.Errorf("%s: %w", op.name, err)
			}
		}
		rows = append(rows, GrowthRow{Collections: g.collections, Documents: documents, Operation: op.name, Figures: figures(samples)})
	}
	return rows, nil
}

func (g *Growth) watch(format string, args ...any) {
	if g.Watch != nil {
		g.Watch(fmt.Sprintf(format, args...))
	}
}

// grownOperations are those of which the cost is to stay as collections grow.
var grownOperations = []struct {
	name    string
	status  int
	request func(dst []byte, s *Service, g *Grown, n int64) []byte
}{
	{"get", http.StatusOK, func(dst []byte, s *Service, g *Grown, n int64) []byte {
		return s.end(g.document(append(dst, "GET "...), n))
	}},
	{"list", http.StatusOK, func(dst []byte, s *Service, g *Grown, n int64) []byte {
		return appendAges(g.collection(append(dst, "GET "...), n), s, n)
	}},
	{"create", http.StatusCreated, func(dst []byte, s *Service, g *Grown, n int64) []byte {
		return s.body(g.collection(append(dst, "POST "...), n), "application/json", func(dst []byte) []byte { return appendPerson(dst, numbers.Add(1)) })
	}},
	{"update", http.StatusOK, func(dst []byte, s *Service, g *Grown, n int64) []byte {
		return s.body(g.document(append(dst, "PATCH "...), n), "application/vnd.sheaf.update+json",
			func(dst []byte) []byte { return append(dst, `{"$set":{"city":"Paris"}}`...) })
	}},
}

// collection appends the path of a collection, in turns.
func (g *Grown) collection(dst []byte, n int64) []byte {
	return append(append(dst, "/v1/"...), grownName(int(n%int64(g.collections)))...)
}

// document appends the path of one of the documents.
func (g *Grown) document(dst []byte, n int64) []byte {
	return strconv.AppendInt(append(g.collection(dst, n), '/'), spread(n, g.documents), 10)
}

// appendPerson writes a document whose address is unique as its id is, and in
// another order.
func appendPerson(dst []byte, id int64) []byte {
	const golden, ages, youngest = 0x9E3779B97F4A7C15, 70, 18
	return fmt.Appendf(dst, `{"id":%d,"name":"Person %d","email":"person.%016x@example.com","age":%d,"city":"London"}`,
		id, id, uint64(id)*golden, youngest+id%ages)
}

// fillBatch is how many documents one request creates.
const fillBatch = 1000

// fill creates what lacks in all collections to a number of documents each.
func (g *Grown) fill(ctx context.Context, documents int) error {
	const connections = 4
	var (
		batches = (documents - g.documents + fillBatch - 1) / fillBatch
		next    atomic.Int64
		group   sync.WaitGroup
		failed  = make([]error, connections)
	)
	loader := *g.service
	loader.header += "Prefer: return=minimal\r\n"
	for worker := range connections {
		group.Go(func() {
			failed[worker] = onConnection(ctx, &loader, func(c *connection) (more bool, err error) {
				i := int(next.Add(1)) - 1
				if i >= batches*g.collections {
					return false, nil
				}
				from := g.documents + i/g.collections*fillBatch
				g.watch("loading: %d of %d requests", i+1, batches*g.collections)
				return true, g.createMany(c, &loader, i%g.collections, from, min(from+fillBatch, documents))
			})
		})
	}
	group.Wait()
	g.documents = documents
	return errors.Join(failed...)
}

// onConnection calls do with one connection until that has no more to do.
func onConnection(ctx context.Context, s *Service, do func(*connection) (more bool, err error)) error {
	c, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	for more := true; more && err == nil; {
		if more, err = do(c); err == nil {
			err = ctx.Err()
		}
	}
	return err
}

// createMany creates the documents of some ids by one request.
func (g *Grown) createMany(c *connection, s *Service, collection, from, to int) error {
	request := s.body([]byte("POST /v1/"+grownName(collection)), "application/json", func(dst []byte) []byte {
		separator := byte('[')
		for id := from; id < to; id++ {
			dst = appendPerson(append(dst, separator), int64(id))
			separator = ','
		}
		return append(dst, ']')
	})
	status, body, err := c.do(request)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("status %d: %.300s", status, body)
	}
	return err
}

// HoldIdle opens connections up to each of some numbers, asks for something over
// each once, leaves them idle, and returns what memory the service has then.
func (g *Grown) HoldIdle(ctx context.Context, numbers []int) ([]IdleRow, error) {
	var held []*connection
	defer func() {
		for _, c := range held {
			c.close()
		}
	}()
	none := g.service.Memory()
	rows := []IdleRow{{Memory: none}}
	for _, n := range slices.Sorted(slices.Values(numbers)) {
		g.watch("holding %d connections", n)
		more, err := g.open(ctx, n-len(held))
		held = append(held, more...)
		if err != nil {
			return rows, fmt.Errorf("of %d connections: %w", n, err)
		}
		if err := settle(ctx); err != nil {
			return rows, err
		}
		const kBPerMB = 1024
		memory := g.service.Memory()
		rows = append(rows, IdleRow{Connections: n, Memory: memory, Each: (memory - none) * kBPerMB / float64(max(n, 1))})
	}
	return rows, nil
}

// settle lets what the last requests left behind come to its end.
func settle(ctx context.Context) error {
	const pause = 5 * time.Second
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// open opens connections, of which some ask at a time, and returns those that
// were answered.
func (g *Grown) open(ctx context.Context, count int) ([]*connection, error) {
	const workers = 32
	var (
		next   atomic.Int64
		group  sync.WaitGroup
		mu     sync.Mutex
		opened []*connection
		failed error
	)
	for range workers {
		group.Go(func() {
			for n := next.Add(1); n <= int64(count) && ctx.Err() == nil; n = next.Add(1) {
				c, err := g.ask(ctx, n)
				mu.Lock()
				opened, failed = append(opened, c...), errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return opened, errors.Join(failed, ctx.Err())
}

// answerTime bounds the wait for an answer where the service may have run out of
// files, and so not have accepted the connection.
const answerTime = 10 * time.Second

// ask opens a connection and gets a document over it.
func (g *Grown) ask(ctx context.Context, n int64) ([]*connection, error) {
	const hint = "a process may not have so many files open; raise the limit (ulimit -n)"
	c, err := dial(ctx, g.service)
	if errors.Is(err, syscall.EMFILE) {
		return nil, errors.New(hint)
	}
	if err != nil {
		return nil, err
	}
	_ = c.conn.SetDeadline(time.Now().Add(answerTime))
	status, _, err := c.do(g.service.end(g.document([]byte("GET "), n)))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("the service does not answer all: %s", hint)
	case err == nil && status != http.StatusOK:
		err = fmt.Errorf("status %d", status)
	}
	return []*connection{c}, err
}
