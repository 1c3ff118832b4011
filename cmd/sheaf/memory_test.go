package main

import "testing"

func TestALargeHeapGrowsByLess(t *testing.T) {
	for megabytes, want := range map[uint64]int{0: 400, 4: 400, 12: 400, 20: 200, 48: 100, 90: 50, 1000: 50} {
		if got := collectPercent(megabytes << 20); got != want {
			t.Errorf("with %d MB in use %d percent, want %d", megabytes, got, want)
		}
	}
}
