package api

// stream is an answer that is written in pieces, where it is long.
type stream struct {
	exchange *exchange
	status   int
	form     form
	buffer   []byte
	began    bool
	// gone says that the client takes no more.
	gone bool
}

// streamChunk is the size from which a piece is sent.
const streamChunk = 32 << 10

// stream answers with what write appends to the buffer. An answer that is
// shorter than a piece has its length; of a longer one no more than a piece is in
// memory.
func (x *exchange) stream(status int, f form, write func(*stream)) error {
	buffer := buffers.Get().(*[]byte)
	defer putBuffer(buffer)
	s := &stream{exchange: x, status: status, form: f, buffer: (*buffer)[:0]}
	_ = x.timed("encode", func() error {
		write(s)
		return nil
	})
	*buffer = s.buffer
	if !s.began {
		return x.sendEncoded(status, f, s.buffer)
	}
	_, _ = x.Write(s.buffer) // a client that is gone needs no answer
	return nil
}

// flushFull sends what is there, if that is enough for a piece.
func (s *stream) flushFull() {
	if len(s.buffer) < streamChunk {
		return
	}
	if !s.began {
		s.began = true
		s.exchange.setContentType(s.form)
		s.exchange.setServerTiming()
		s.exchange.WriteHeader(s.status)
	}
	_, err := s.exchange.Write(s.buffer)
	s.gone = err != nil
	s.buffer = s.buffer[:0]
}
