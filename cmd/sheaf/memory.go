package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A service holds a few MB and makes much that is soon garbage: at Go's own 100
// percent a quarter of its time would go to the collector. So a small heap grows
// to five times what is in use before it is collected; one that holds much, such
// as thousands of connections, by no more than collectHeadroom.
const (
	collectAtMost   = 400
	collectAtLeast  = 50
	collectHeadroom = 48 << 20
)

// tuneCollector sets how much the heap grows before it is collected, anew after
// every collection. Who sets GOGC decides alone.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAtMost)
		afterCollection(collectAtMost)
	}
}

// afterCollection runs once what is in use was counted: the cleanup of an object
// that nobody refers to.
func afterCollection(percent int) {
	runtime.AddCleanup(new([16]byte), func(percent int) {
		if next := collectPercent(liveHeap()); next != percent {
			debug.SetGCPercent(next)
			percent = next
		}
		afterCollection(percent)
	}, percent)
}

// collectPercent is for a heap with so many bytes in use. Its steps are coarse,
// since every change stops the program for an instant.
func collectPercent(live uint64) int {
	const step = 50
	percent := collectHeadroom * 100 / max(live, 1)
	return int(min(max(percent/step*step, collectAtLeast), collectAtMost))
}

// liveHeap returns the bytes that the last collection found in use.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
