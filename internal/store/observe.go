package store

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// named returns ctx with the name of the collection that it is used for, so
// that the command monitor need not copy every command to read it there.
func (s *Store) named(ctx context.Context, collection string) context.Context {
	if s.observer == nil {
		return ctx
	}
	return &namedContext{Context: ctx, collection: collection}
}

// asking is named, with the filter that documents of the collection are asked for
// by, and their order, nil for none.
func (s *Store) asking(ctx context.Context, collection string, filter, sort bson.Raw) context.Context {
	if s.observer == nil {
		return ctx
	}
	return &namedContext{ctx, collection, filter, sort}
}

// requests returns ctx with how many requests share what is done with it.
func (s *Store) requests(ctx context.Context, n int) context.Context {
	if s.observer == nil {
		return ctx
	}
	return context.WithValue(ctx, requestsKey{}, n)
}

// Batches returns what is told the size of batches of a kind, for the observer; nil
// where nobody wants to know.
func (s *Store) Batches(kind string) func(requests int) { return s.observer.Batches(kind) }

type requestsKey struct{}

type namedContext struct {
	context.Context
	collection string
	filter     bson.Raw
	sort       bson.Raw
}

type namedKey struct{}

// Value returns c itself for its key: what it holds would have to be copied.
func (c *namedContext) Value(key any) any {
	if key == (namedKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// commandMonitor listens to every command that was answered or not, and tells an
// observer where there is one. What a retry sends again counts again.
func (s *Store) commandMonitor(o *observe.Observer) *event.CommandMonitor {
	emit := func(ctx context.Context, name string, took time.Duration, documents int, err error) {
		command := observe.Command{Name: name, Duration: took, Documents: documents, Err: err}
		command.Requests, _ = ctx.Value(requestsKey{}).(int)
		if of, ok := ctx.Value(namedKey{}).(*namedContext); ok {
			command.Collection, command.Filter = of.collection, observe.ShapeOf(of.filter)
			if name == "find" {
				s.explainSlow(ctx, of, took)
			}
		}
		o.Command(ctx, command)
	}
	return &event.CommandMonitor{
		Succeeded: func(ctx context.Context, e *event.CommandSucceededEvent) {
			s.heard.note(ctx, e.CommandName, e.Reply)
			emit(ctx, e.CommandName, e.Duration, countDocuments(e.Reply), nil)
			if failure, ok := e.Reply.Lookup("writeConcernError").DocumentOK(); ok {
				code, _ := failure.Lookup("code").AsInt64OK()
				s.heed(ctx, mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: int(code)}})
			} else if s.lost.Load() {
				s.lost.Store(false)
			}
		},
		Failed: func(ctx context.Context, e *event.CommandFailedEvent) {
			emit(ctx, e.CommandName, e.Duration, 0, mapError(ctx, e.Failure))
			s.heed(ctx, e.Failure)
		},
	}
}

// retryPause bounds the pause before a command is sent again; each is random.
const retryPause = 64 * time.Millisecond

// heed notes that MongoDB cannot be reached, and holds the driver up, which waits
// for the monitor: it sends again for as long as its context lasts, and without
// a pause wherever the server is not known to be down. A transaction pauses by
// itself.
func (s *Store) heed(ctx context.Context, failure error) {
	if ctx.Err() != nil {
		return // tells of the client, or of its time
	}
	code, _ := classify(failure)
	if code == fault.DatabaseUnavailable {
		s.lost.Store(true)
	}
	passing := code == fault.DatabaseUnavailable || code == fault.Timeout
	if !passing || hasLabel(failure, labelTransient) {
		return
	}
	timer := time.NewTimer(rand.N(retryPause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// countDocuments returns how many documents a reply is about: those in the
// batch of a cursor, or those that a write counted.
func countDocuments(reply bson.Raw) int {
	if cursor, ok := reply.Lookup("cursor").DocumentOK(); ok {
		return batchLength(cursor)
	}
	if n, ok := reply.Lookup("n").AsInt64OK(); ok {
		return int(n)
	}
	if reply.Lookup("value").Type == bson.TypeEmbeddedDocument {
		return 1
	}
	return 0
}

func batchLength(cursor bson.Raw) int {
	for _, name := range []string{"firstBatch", "nextBatch"} {
		batch, ok := cursor.Lookup(name).ArrayOK()
		if !ok {
			continue
		}
		values, err := batch.Values()
		if err != nil {
			return 0
		}
		return len(values)
	}
	return 0
}

// Pool is the state of the connections to all servers.
type Pool struct {
	// Open connections are idle or InUse; Waiting is how many operations wait
	// for one.
	Open, InUse, Waiting int64
}

// Pool returns how many connections there are. It counts only where there is an
// observer.
func (s *Store) Pool() Pool {
	return Pool{Open: s.pool.open.Load(), InUse: s.pool.inUse.Load(), Waiting: s.pool.waiting.Load()}
}

type poolCounts struct {
	open, inUse, waiting atomic.Int64
}

func (p *poolCounts) monitor() *event.PoolMonitor {
	return &event.PoolMonitor{Event: func(e *event.PoolEvent) {
		switch e.Type {
		case event.ConnectionCreated:
			p.open.Add(1)
		case event.ConnectionClosed:
			p.open.Add(-1)
		case event.ConnectionCheckOutStarted:
			p.waiting.Add(1)
		case event.ConnectionCheckOutFailed:
			p.waiting.Add(-1)
		case event.ConnectionCheckedOut:
			p.waiting.Add(-1)
			p.inUse.Add(1)
		case event.ConnectionCheckedIn:
			p.inUse.Add(-1)
		}
	}}
}
