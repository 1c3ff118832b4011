package bench

import (
	"math/bits"
	"time"
)

// histogram counts latencies in buckets of the same relative width: 64 an
// octave, so that a quantile is right to 1.6%, in constant memory.
type histogram struct {
	buckets [octaves << octaveBits]int64
	count   int64
}

const (
	octaveBits = 6
	// octaves cover from 1 ns to over an hour.
	octaves = 42
)

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(uint64(max(d, 0)))]++
	h.count++
}

// bucketOf keeps the leading bits of a number: below 2^octaveBits each number
// has its own bucket.
func bucketOf(n uint64) int {
	shift := max(bits.Len64(n)-octaveBits-1, 0)
	return min(shift<<octaveBits+int(n>>shift), octaves<<octaveBits-1)
}

// lowest is the least number of a bucket.
func lowest(bucket int) uint64 {
	const width = 1 << octaveBits
	if bucket < 2*width {
		return uint64(bucket)
	}
	shift := bucket>>octaveBits - 1
	return uint64(bucket-shift<<octaveBits) << shift
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
}

// quantile returns the latency that a share q of all did not exceed, 0 for none.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := int64(q*float64(h.count)), int64(0)
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen > rank {
			return time.Duration(lowest(i))
		}
	}
	return 0
}
