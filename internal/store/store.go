// Package store is the only user of the MongoDB driver: raw BSON in, raw BSON
// out, and errors that are faults (*fault.Error).
//
// Writes are acknowledged by a majority and retried once the primary is back;
// reads see what a majority has, and whatever this store acknowledged or read
// before, through failovers too. An operation whose context comes from
// InTransaction takes part in that transaction.
//
// A client that hangs up (its context is canceled) ends a read at once, with
// context.Canceled itself as the error. A write that was sent is waited for, so
// that it never stays open whether it was stored; a deadline bounds both.
package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
)

// Options say how to reach MongoDB. A field that is zero takes what the
// connection string says and, where that says nothing, the default. Write
// concern, read concern, read preference and retries are Sheaf's own, whatever
// the connection string says of them.
type Options struct {
	// URI is the connection string, Database the name of the database.
	URI, Database string
	// CAFile is a PEM file of the authorities that may sign MongoDB's
	// certificate, in place of the system's. It needs TLS.
	CAFile string
	// MaxPool and MinPool bound the connections to each server: by default at
	// most 20, and none kept.
	MaxPool, MinPool int
	// MaxIdle is how long a connection is kept unused, 30 s by default.
	MaxIdle time.Duration
	// ConnectTimeout bounds the making of a connection, 2 s by default.
	ConnectTimeout time.Duration
	// SelectTimeout is how long an operation waits for a primary, 5 s by default.
	SelectTimeout time.Duration
	// Timeout bounds an operation whose context has no deadline, 10 s by default.
	Timeout time.Duration
	// RetryTime is how long a transaction is begun anew when others are in its
	// way, 5 s by default.
	RetryTime time.Duration
	// NoCoalescing sends every request as a command of its own.
	NoCoalescing bool
	// KeyLifetime is how long the answers of keyed requests are kept, 24 h by
	// default.
	KeyLifetime time.Duration
	// Observer is told of every command; nil for nobody.
	Observer *observe.Observer
	// SlowThreshold is how long a read takes that the observer is told the plan of;
	// 0 for none.
	SlowThreshold time.Duration
}

const (
	defaultMaxPool        = 20
	defaultMaxIdle        = 30 * time.Second
	defaultConnectTimeout = 2 * time.Second
	defaultSelectTimeout  = 5 * time.Second
	defaultTimeout        = 10 * time.Second
	defaultRetryTime      = 5 * time.Second
	defaultKeyLifetime    = 24 * time.Hour
	closeTimeout          = 5 * time.Second
	// defaultHeartbeat is how often a server is asked for its state. One that said
	// that it shuts down and does not is used again after as long.
	defaultHeartbeat = time.Second
)

// Store is a database. It is safe for concurrent use.
type Store struct {
	client    *mongo.Client
	database  *mongo.Database
	timeout   time.Duration
	retryTime time.Duration
	// keyLifetime is how long an answer of Once is kept.
	keyLifetime time.Duration
	observer    *observe.Observer
	// sharded is set where the servers are routers of a sharded cluster.
	sharded   bool
	coalesces bool
	pool      poolCounts
	slow      explainer
	slots     *slotCounter
	queue     *queue

	// heard is the latest time that MongoDB told of.
	heard operationTime
	// lost is set while the last that was heard of MongoDB is that it cannot be
	// reached.
	lost atomic.Bool
	// endings are the ends of transactions that are under way, as channels that
	// are closed when one is over.
	endings sync.Map

	// collections caches handles by name.
	collections sync.Map
	// sequences caches the *sequence of a collection by its name.
	sequences sync.Map
	// lanes caches the *lane of a collection by its name.
	lanes sync.Map
}

// Open connects to a database and returns when its primary answers. It refuses
// a server that is older than 6.0, or neither part of a replica set nor of a
// sharded cluster. No error quotes the connection string.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{timeout: o.Timeout, retryTime: o.RetryTime, observer: o.Observer, coalesces: !o.NoCoalescing, slots: newSlotCounter(), queue: newQueue(), slow: explainer{threshold: o.SlowThreshold}}
	settings, err := s.clientOptions(o)
	if err != nil {
		return nil, err
	}
	s.client, err = mongo.Connect(settings)
	if err != nil {
		return nil, refusedURI(o.URI, err)
	}
	s.database = s.client.Database(o.Database)
	if err := s.greet(ctx); err != nil {
		_ = s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// oldestWireVersion is MongoDB 6.0's number of its protocol.
const oldestWireVersion = 17

// greet checks that the server is one that Sheaf works with.
func (s *Store) greet(ctx context.Context) error {
	hello, err := s.hello(ctx)
	if err != nil {
		return err
	}
	if hello.WireVersion < oldestWireVersion {
		return fault.New(fault.Internal, "MongoDB is older than 6.0")
	}
	s.sharded = hello.Message == router
	if hello.SetName == "" && !s.sharded {
		return fault.New(fault.Internal, "MongoDB is a standalone server, and transactions need a replica set or a sharded cluster")
	}
	return nil
}

// router is the message by which a mongos greets.
const router = "isdbgrid"

type helloReply struct {
	Writable    bool   `bson:"isWritablePrimary"`
	WireVersion int    `bson:"maxWireVersion"`
	SetName     string `bson:"setName"`
	Message     string `bson:"msg"`
}

func (s *Store) hello(ctx context.Context) (helloReply, error) {
	var reply helloReply
	err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&reply)
	return reply, mapError(ctx, err)
}

// Timeout is what bounds an operation whose context has no deadline.
func (s *Store) Timeout() time.Duration { return s.timeout }

// RetryTime is how long what others are in the way of is tried anew.
func (s *Store) RetryTime() time.Duration { return s.retryTime }

// Ping returns nil when the primary answers and takes writes.
func (s *Store) Ping(ctx context.Context) error {
	hello, err := s.hello(ctx)
	if err == nil && !hello.Writable {
		return fault.New(fault.DatabaseUnavailable, "%s", unavailable)
	}
	return err
}

// Close waits for what is under way, but no longer than ctx or 5 s, and closes
// the connections. A Store that is closed answers DatabaseUnavailable.
func (s *Store) Close(ctx context.Context) error {
	s.slow.close()
	s.sequences.Range(func(_, value any) bool {
		value.(*sequence).close()
		return true
	})
	s.lanes.Range(func(_, value any) bool {
		value.(*lane).close()
		return true
	})
	s.endings.Range(func(over, _ any) bool {
		<-over.(chan struct{})
		return true
	})
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	err := s.client.Disconnect(ctx)
	if errors.Is(err, mongo.ErrClientDisconnected) {
		return nil // closed before
	}
	return mapError(ctx, err)
}

// collection returns the handle of a collection.
func (s *Store) collection(name string) *mongo.Collection {
	if c, ok := s.collections.Load(name); ok {
		return c.(*mongo.Collection)
	}
	c, _ := s.collections.LoadOrStore(name, s.database.Collection(name))
	return c.(*mongo.Collection)
}

// detach returns a context for a write: one that the client's hanging up does
// not end. In a transaction it is ctx, which is detached already.
func (s *Store) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	if transactionOf(ctx) != nil {
		return ctx, func() {}
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(s.timeout)
	}
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}
