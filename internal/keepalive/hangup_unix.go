//go:build unix

package keepalive

import (
	"errors"
	"syscall"
)

const canLook = true

// hungUp reports whether there will be nothing to read from a connection. It leaves
// what there is: the beginning of a next request.
func hungUp(raw syscall.RawConn) bool {
	var gone bool
	err := raw.Control(func(fd uintptr) {
		var first [1]byte
		n, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK) // does not wait: Go's sockets never do
		gone = n <= 0 && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return gone || err != nil
}
