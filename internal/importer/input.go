package importer

import (
	"context"
	"io"
)

// interruptible returns a reader of src that ends with ctx, even while src
// waits for a terminal or another program.
func interruptible(ctx context.Context, src io.Reader) io.Reader {
	r := &interruptibleReader{ctx: ctx, pieces: make(chan piece)}
	go r.pump(src)
	return r
}

type interruptibleReader struct {
	ctx    context.Context
	pieces chan piece
	piece
}

// piece is what one read gave.
type piece struct {
	text []byte
	err  error
}

func (r *interruptibleReader) pump(src io.Reader) {
	for {
		text := make([]byte, chunk)
		n, err := src.Read(text)
		select {
		case r.pieces <- piece{text[:n], err}:
		case <-r.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Read gives what is there, or waits for more.
func (r *interruptibleReader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		select {
		case r.piece = <-r.pieces:
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
		}
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}
