package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// seeds are how many documents of each collection the loads need.
var seeds = map[string]int{items: 2000, people: 10_000, posts: 1000, accounts: 1000}

// far is the page that farPage asks for, of ten documents each.
const far = 1000

// seed gives a service the documents that operations need that it is asked for. Those that are there
// from a run before are left as they are.
func seed(ctx context.Context, s *Service, operations []*operation) error {
	needed := make(map[string]bool)
	for _, op := range operations {
		for _, name := range op.needs {
			needed[name] = true
		}
	}
	for _, name := range []string{items, people, posts, accounts} {
		if !needed[name] {
			continue
		}
		if err := s.fill(ctx, name); err != nil {
			return fmt.Errorf("the documents of %s: %w", name, err)
		}
	}
	if needed[people] && s.Name == sheafName {
		return s.findFarPage(ctx)
	}
	return nil
}

// sheafName is what reports call Sheaf.
const sheafName = "sheaf"

const seedConnections = 16

// fill creates the documents of a collection.
func (s *Service) fill(ctx context.Context, collection string) error {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		failed error
		next   atomic.Int64
	)
	ids := make([]string, seeds[collection])
	for range seedConnections {
		group.Go(func() {
			if err := s.fillFrom(ctx, collection, &next, ids); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	group.Wait()
	if collection == items {
		s.items = ids
	}
	return failed
}

// fillFrom creates documents over one connection until there are enough.
func (s *Service) fillFrom(ctx context.Context, collection string, next *atomic.Int64, ids []string) error {
	c, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	for {
		i := next.Add(1) - 1
		if i >= int64(len(ids)) || ctx.Err() != nil {
			return ctx.Err()
		}
		if ids[i], err = s.create(c, collection, i); err != nil {
			return err
		}
	}
}

// create makes one document and returns its id. One that is there already is as
// good.
func (s *Service) create(c *connection, collection string, i int64) (id string, err error) {
	request := s.body([]byte("POST /v1/"+collection), "application/json", func(dst []byte) []byte { return appendSeed(dst, collection, i) })
	status, body, err := c.do(request)
	switch {
	case err != nil:
		return "", err
	case status == http.StatusConflict:
		return "", nil
	case status == http.StatusNotFound:
		return "", fmt.Errorf("the service has no such collection; `sheaf bench --write-schema DIR` writes the schema files to serve")
	case status != http.StatusCreated:
		return "", fmt.Errorf("status %d: %.300s", status, body)
	}
	var doc struct{ ID any }
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", err
	}
	return fmt.Sprint(doc.ID), nil
}

func appendSeed(dst []byte, collection string, i int64) []byte {
	switch collection {
	case people:
		const ages, youngest, scatter = 70, 18, 7919 // the order of addresses is not that of ids
		return fmt.Appendf(dst, `{"id":%d,"name":"Person %d","email":"person.%05d@example.com","age":%d,"city":"London"}`,
			i, i, i*scatter%int64(seeds[people]), youngest+i%ages)
	case posts:
		return fmt.Appendf(dst, `{"id":%d,"title":"Post %d","content":"What one writes in a post, in a sentence or two, for those who read it.","authorId":%d}`,
			i, i, spread(i, seeds[people]))
	case accounts:
		return fmt.Appendf(dst, `{"id":%d,"balance":1000000}`, i)
	}
	return appendItem(dst, numbers.Add(1))
}

// findFarPage walks to the page before the one that farPage asks for.
func (s *Service) findFarPage(ctx context.Context) error {
	c, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	const step = 999 // 9,990 documents lie before page 1,000
	for at := 0; at < (far-1)*10; at += step {
		path := "GET /v1/" + people + "?sort=email&limit=" + strconv.Itoa(min(step, (far-1)*10-at))
		if s.cursor != "" {
			path += "&after=" + s.cursor
		}
		status, body, err := c.do(s.end([]byte(path)))
		if err != nil || status != http.StatusOK {
			return errors.Join(err, fmt.Errorf("a page: status %d: %.300s", status, body))
		}
		var page struct{ Page struct{ Next string } }
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		s.cursor = page.Page.Next
	}
	return nil
}
