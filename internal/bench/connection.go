package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
)

// connection is one HTTP/1.1 connection, with as little work a request as can
// be: the generator shares the machine with what it measures.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

func dial(ctx context.Context, s *Service) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	if s.tls {
		host, _, _ := net.SplitHostPort(s.address)
		conn = tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	}
	return &connection{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *connection) close() { _ = c.conn.Close() }

// do sends a request and returns the status and the body of the answer, which
// holds until the next call.
func (c *connection) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	head, err := c.head()
	switch {
	case err != nil:
		return 0, nil, err
	case head.chunked:
		err = c.readChunks()
	default:
		c.body = slices.Grow(c.body[:0], head.length)[:head.length]
		_, err = io.ReadFull(c.reader, c.body)
	}
	return head.status, c.body, err
}

func (c *connection) readChunks() error {
	body, err := io.ReadAll(httputil.NewChunkedReader(c.reader))
	if err != nil {
		return err
	}
	c.body = append(c.body[:0], body...)
	_, err = c.reader.Discard(len("\r\n")) // after the last chunk
	return err
}

// answerHead is what the reader needs to know of an answer.
type answerHead struct {
	status, length int
	chunked        bool
}

func (c *connection) head() (head answerHead, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return head, fmt.Errorf("no answer: %q %w", line, err)
	}
	if head.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return head, err
	}
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return head, err
		}
		if len(line) <= len("\r\n") {
			return head, nil
		}
		if err := head.header(line); err != nil {
			return head, err
		}
	}
}

// header notes what a line says of the body. Both services write the names of
// headers as net/http does.
func (h *answerHead) header(line []byte) (err error) {
	const length, encoding = "Content-Length: ", "Transfer-Encoding: chunked"
	switch {
	case len(line) > len(length) && string(line[:len(length)]) == length:
		h.length, err = strconv.Atoi(strings.TrimSpace(string(line[len(length):])))
	case len(line) > len(encoding) && string(line[:len(encoding)]) == encoding:
		h.chunked = true
	}
	return err
}
