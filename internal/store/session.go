package store

import "context"

// Session is a transaction that goes on over several calls: what a caller reads
// decides what it writes. It is for one goroutine at a time, and must be
// committed or aborted. Unlike InTransaction it runs nothing again: a conflict
// is the end of it.
type Session struct {
	transaction *transaction
}

// Begin returns a session. Its snapshot is taken by the first operation.
func (s *Store) Begin(ctx context.Context) (*Session, error) {
	t, err := s.newTransaction(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	if err := t.session.StartTransaction(snapshot); err != nil {
		t.end()
		return nil, mapError(ctx, err)
	}
	t.open = true
	return &Session{t}, nil
}

// Run makes what fn does through its context a part of the session. It returns
// the error of fn, or else why the session failed.
func (s *Session) Run(ctx context.Context, fn func(context.Context) error) error {
	defer s.transaction.enter(ctx)()
	err := fn(s.transaction.ctx)
	if err == nil {
		err = s.transaction.failure
	}
	return err
}

// Failed reports whether the session can only be aborted, because an operation
// of it failed.
func (s *Session) Failed() bool { return s.transaction.failure != nil }

// Commit stores all of the session, or nothing, and ends it. It asks until it is
// known what became of the commit, or ctx ends.
func (s *Session) Commit(ctx context.Context) error {
	defer s.transaction.enter(ctx)()
	defer s.transaction.end()
	if err := s.transaction.outcome(nil); err != nil {
		return err
	}
	return s.transaction.commit()
}

// Abort ends the session without a trace.
func (s *Session) Abort() {
	s.transaction.ctx = context.WithoutCancel(s.transaction.ctx)
	s.transaction.end()
}
