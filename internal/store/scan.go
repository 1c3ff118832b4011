package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Snapshot is one moment of the database, which any number of scans read. MongoDB
// keeps what was then for a while only, 5 minutes where it is not told otherwise
// (minSnapshotHistoryWindowInSeconds).
type Snapshot struct {
	store *Store
	at    bson.Timestamp
}

// Snapshot returns the one of a moment that At told; the zero Timestamp is for a
// new one, taken by its first scan.
func (s *Store) Snapshot(at bson.Timestamp) *Snapshot { return &Snapshot{s, at} }

// At is the moment, zero before the first scan found anything.
func (n *Snapshot) At() bson.Timestamp { return n.at }

// ErrSnapshotGone tells that MongoDB does not keep a snapshot any more.
var ErrSnapshotGone = errors.New("MongoDB does not keep that moment of the database any more")

const (
	// scanBytes is about how much of a scan comes at once.
	scanBytes = 2 << 20
	// firstDocuments is how many documents come at first, when their size is not
	// known; mostDocuments how many at most.
	firstDocuments = 1000
	mostDocuments  = 50_000
	// scanTimeout bounds one command of a scan, which can go through much that a
	// filter does not admit. After it the snapshot is likely to be gone.
	scanTimeout = 5 * time.Minute
)

// Scan calls visit with all documents that a query finds, in batches. While one is
// visited the next is on its way. The documents are not to be used after visit
// returns. The error of visit ends the scan and is returned as it is.
func (n *Snapshot) Scan(ctx context.Context, q Query, visit func([]bson.Raw) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches, failed := make(chan []bson.Raw), error(nil)
	go func() {
		defer close(batches)
		failed = n.fetch(ctx, q, batches)
	}()
	var visited error
	for docs := range batches {
		if visited != nil {
			continue
		}
		if visited = visit(docs); visited != nil {
			cancel()
		}
	}
	if visited != nil {
		return visited
	}
	return failed
}

// fetch sends the batches of a query, and sees to it that nothing stays open on
// the server.
func (n *Snapshot) fetch(ctx context.Context, q Query, batches chan<- []bson.Raw) error {
	o := options.Session().SetSnapshot(true)
	if !n.at.IsZero() {
		o.SetSnapshotTime(n.at)
	} else if err := n.store.catchUp(ctx, q.Collection); err != nil {
		return err
	}
	session, err := n.store.client.StartSession(o)
	if err != nil {
		return mapError(ctx, err)
	}
	plain := n.store.named(ctx, q.Collection)
	ctx = mongo.NewSessionContext(plain, session)
	defer session.EndSession(context.WithoutCancel(ctx))
	cursor, err := n.open(ctx, q)
	if err != nil {
		return n.failed(ctx, err)
	}
	defer n.kill(plain, q.Collection, cursor)
	n.at = session.SnapshotTime()
	return n.send(ctx, cursor, batches)
}

func (n *Snapshot) open(ctx context.Context, q Query) (*mongo.Cursor, error) {
	filter := q.Filter
	if filter == nil {
		filter = emptyDocument
	}
	o := options.Find().SetBatchSize(firstDocuments)
	if q.Sort != nil {
		o.SetSort(q.Sort)
	}
	if q.Projection != nil {
		o.SetProjection(q.Projection)
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	return n.store.collection(q.Collection).Find(ctx, filter, o)
}

// kill frees what a cursor holds on the server. The driver's own Close asks for
// that with the read concern of the session, which MongoDB refuses.
func (n *Snapshot) kill(ctx context.Context, collection string, cursor *mongo.Cursor) {
	if cursor.ID() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cursorCloseTimeout)
	defer cancel()
	// A cursor that cannot be closed ends on the server by itself.
	_ = n.store.database.RunCommand(ctx, bson.D{{Key: "killCursors", Value: collection}, {Key: "cursors", Value: bson.A{cursor.ID()}}}).Err()
}

// send takes a cursor apart into its batches, of as many documents as make up
// scanBytes.
func (n *Snapshot) send(ctx context.Context, cursor *mongo.Cursor, batches chan<- []bson.Raw) error {
	for {
		docs, size, err := nextBatch(ctx, cursor)
		if err != nil || len(docs) == 0 {
			return n.failed(ctx, err)
		}
		select {
		case batches <- docs:
		case <-ctx.Done():
			return n.failed(ctx, ctx.Err())
		}
		cursor.SetBatchSize(int32(min(max(scanBytes*len(docs)/size, 1), mostDocuments)))
	}
}

// nextBatch returns the documents of the next batch, none at the end, and their
// size in bytes. They are parts of one answer.
func nextBatch(ctx context.Context, cursor *mongo.Cursor) (docs []bson.Raw, size int, err error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	if !cursor.Next(ctx) {
		return nil, 0, cursor.Err()
	}
	docs = make([]bson.Raw, 0, cursor.RemainingBatchLength()+1)
	for {
		docs, size = append(docs, cursor.Current), size+len(cursor.Current)
		if cursor.RemainingBatchLength() == 0 || !cursor.Next(ctx) {
			return docs, size, cursor.Err()
		}
	}
}

func (n *Snapshot) failed(ctx context.Context, err error) error {
	const tooOld, unavailable = 239, 246
	for _, r := range refusalsOf(err) {
		if r.code == tooOld || r.code == unavailable {
			return ErrSnapshotGone
		}
	}
	return mapError(ctx, err)
}
