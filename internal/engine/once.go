package engine

import (
	"context"

	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/store"
)

// Answer is what a request was answered, as its caller saw it.
type Answer = store.Answer

// Request is a request that its caller gave a key, so that it is carried out
// once however often it is sent.
type Request struct {
	Key string
	// Fingerprint is that of everything that makes up the request.
	Fingerprint []byte
}

// Once carries a request out by fn, and stores the answer with what it wrote; or
// returns the answer that the key of this caller has already. fn may be run
// again, like that of a transaction.
func (e *Engine) Once(ctx context.Context, r Request, fn func(context.Context) (Answer, error)) (answer Answer, replayed bool, err error) {
	return e.store.Once(ctx, r.key(ctx), r.Fingerprint, fn)
}

func (r Request) key(ctx context.Context) store.RequestKey {
	return store.RequestKey{Caller: observe.Caller(ctx), Key: r.Key}
}
