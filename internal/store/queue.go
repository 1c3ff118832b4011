package store

import (
	"context"
	"hash/maphash"
	"slices"
	"time"
)

// Transactions of this instance that change the same documents queue here, rather
// than meet in MongoDB, where all but one of them would have to begin anew. MongoDB
// still decides: the queue is for speed alone, and knows nothing of other
// instances, of plain writes and of sessions.

const (
	// queueStripes is how many queues the documents of all collections share.
	queueStripes = 4096
	// queueWait bounds how long a transaction queues in all. Then it goes on.
	queueWait = 2 * time.Second
)

// queue hands the turns out. A stripe is full while somebody has its turn.
type queue struct {
	seed    maphash.Seed
	stripes [queueStripes]chan struct{}
}

func newQueue() *queue {
	q := &queue{seed: maphash.MakeSeed()}
	for i := range q.stripes {
		q.stripes[i] = make(chan struct{}, 1)
	}
	return q
}

// stripesOf returns the stripes of documents in the order in which everybody
// takes them, so that none wait for each other in a circle.
func (q *queue) stripesOf(keys []Key) []int {
	stripes := make([]int, len(keys))
	for i, key := range keys {
		stripes[i] = int(maphash.String(q.seed, key.Collection+"\x00"+IDKey(key.ID)) % queueStripes)
	}
	slices.Sort(stripes)
	return slices.Compact(stripes)
}

// Queue waits until no other transaction of this instance that queued for one of
// the documents is under way, but no longer than 2 s. It is to be called in a
// transaction before its first operation; the turn is kept over all attempts.
// Outside of a transaction, and in a session, it does nothing.
func (s *Store) Queue(ctx context.Context, keys []Key) error {
	t := transactionOf(ctx)
	if t == nil || t.open || t.turns != nil || len(keys) == 0 {
		return nil
	}
	timer := time.NewTimer(queueWait)
	defer timer.Stop()
	for _, stripe := range s.queue.stripesOf(keys) {
		select {
		case s.queue.stripes[stripe] <- struct{}{}:
			t.turns = append(t.turns, stripe)
		case <-timer.C:
			return nil
		case <-t.client.Done():
			return mapError(t.client, t.client.Err())
		}
	}
	return nil
}

// leaveQueue gives the turns back.
func (t *transaction) leaveQueue() {
	for _, stripe := range t.turns {
		<-t.store.queue.stripes[stripe]
	}
	t.turns = nil
}
