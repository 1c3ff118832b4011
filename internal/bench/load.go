package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sample is a measurement of one service.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
}

// result is what all rounds of one load measured, by round.
type result struct {
	load        string
	connections int
	sheaf, hand []sample
}

// seeded is how many documents each service has for the reads.
const seeded = 2000

// measureAll puts both services under every load, in rounds that take turns at
// who is first.
func measureAll(ctx context.Context, s settings, sheaf, hand *process) ([]result, error) {
	loads := make(map[*process][]load)
	for _, p := range []*process{sheaf, hand} {
		ids, err := seed(ctx, p)
		if err != nil {
			return nil, err
		}
		loads[p] = []load{{"create", http.StatusCreated, createRequest}, {"read by id", http.StatusOK, readRequest(ids)}}
	}
	var results []result
	for i, load := range loads[sheaf] {
		for _, connections := range s.connections {
			r := result{load: load.name, connections: connections}
			for round := range s.rounds {
				order := []*process{sheaf, hand}
				if round%2 == 1 {
					slices.Reverse(order)
				}
				for _, p := range order {
					got, err := measure(ctx, p, loads[p][i], connections, s.duration)
					if err != nil {
						return nil, err
					}
					if p == sheaf {
						r.sheaf = append(r.sheaf, got)
					} else {
						r.hand = append(r.hand, got)
					}
				}
			}
			results = append(results, r)
		}
	}
	return results, nil
}

// load is a kind of request and the status of its answer.
type load struct {
	name    string
	status  int
	request func(dst []byte, n int64) []byte
}

// numbers makes what has to be unique so over the whole run.
var numbers atomic.Int64

func createRequest(dst []byte, _ int64) []byte {
	body := document(numbers.Add(1))
	dst = append(dst, "POST /v1/items HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = append(strconv.AppendInt(dst, int64(len(body)), 10), "\r\n\r\n"...)
	return append(dst, body...)
}

// document returns a body of about 0.4 kB.
func document(n int64) []byte {
	return fmt.Appendf(nil, `{"sku":"sku-%012d","name":"A thing of some use, number %d","email":"maker.%d@example.com","price":19.5,"stock":%d,"active":true,`+
		`"made":"2026-01-31T12:00:00.000Z","tags":["tools","garden","steel"],"address":{"street":"1 Long Acre","city":"London","zip":"WC2E 9LH"},`+
		`"note":"What one writes about a thing that one sells, in a sentence or two."}`, n, n, n, n%1000)
}

func readRequest(ids []string) func([]byte, int64) []byte {
	return func(dst []byte, n int64) []byte {
		dst = append(append(dst, "GET /v1/items/"...), ids[n%int64(len(ids))]...)
		return append(dst, " HTTP/1.1\r\nHost: bench\r\n\r\n"...)
	}
}

// seed creates the documents of the reads and returns their ids.
func seed(ctx context.Context, p *process) ([]string, error) {
	c, err := dial(ctx, p)
	if err != nil {
		return nil, err
	}
	defer c.close()
	ids := make([]string, seeded)
	for i := range ids {
		body, err := c.do(createRequest(nil, 0), http.StatusCreated)
		if err != nil {
			return nil, err
		}
		var doc struct{ ID string }
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, err
		}
		ids[i] = doc.ID
	}
	return ids, nil
}

// measure keeps connections busy, each with one request after the other. An
// answer with another status ends it.
func measure(ctx context.Context, p *process, l load, connections int, duration time.Duration) (sample, error) {
	var (
		group     sync.WaitGroup
		mu        sync.Mutex
		latencies []time.Duration
		failed    error
	)
	began := time.Now()
	for worker := range connections {
		group.Go(func() {
			own, err := drive(ctx, p, l, int64(worker)*7919, began.Add(duration))
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
			if err != nil {
				failed = err
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	if failed != nil {
		return sample{}, failed
	}
	slices.Sort(latencies)
	return sample{
		perSecond: float64(len(latencies)) / took.Seconds(),
		p50:       latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
	}, nil
}

// drive sends requests over one connection until the time is up.
func drive(ctx context.Context, p *process, l load, n int64, until time.Time) ([]time.Duration, error) {
	c, err := dial(ctx, p)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var latencies []time.Duration
	var buffer []byte
	for now := time.Now(); now.Before(until); n++ {
		buffer = l.request(buffer[:0], n)
		if _, err := c.do(buffer, l.status); err != nil {
			return nil, err
		}
		after := time.Now()
		latencies = append(latencies, after.Sub(now))
		now = after
	}
	return latencies, ctx.Err()
}

// connection is one HTTP/1.1 connection, with as little work a request as can
// be: the generator shares the machine with what it measures.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

func dial(ctx context.Context, p *process) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *connection) close() { _ = c.conn.Close() }

// do returns the body of the answer, which holds until the next call.
func (c *connection) do(request []byte, status int) ([]byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	got, length, err := c.head()
	if err != nil {
		return nil, err
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.reader, c.body); err != nil {
		return nil, err
	}
	if got != status {
		return nil, fmt.Errorf("an answer has the status %d, want %d: %s", got, status, c.body)
	}
	return c.body, nil
}

// head reads the status and the length of the body.
func (c *connection) head() (status, length int, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return 0, 0, fmt.Errorf("no answer: %q %w", line, err)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, err
	}
	const name = "Content-Length: "
	for length = -1; ; {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if len(line) > len(name) && string(line[:len(name)]) == name {
			if length, err = strconv.Atoi(string(line[len(name) : len(line)-2])); err != nil {
				return 0, 0, err
			}
		}
	}
	if length < 0 {
		return 0, 0, fmt.Errorf("an answer has no Content-Length")
	}
	return status, length, nil
}
