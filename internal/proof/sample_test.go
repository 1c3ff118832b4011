package proof

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// descriptors returns how many files and sockets the program holds.
func (p *program) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.process.Process.Pid))
	if err != nil {
		p.t.Error(err)
	}
	return len(entries)
}

// memory returns the bytes of memory that the program has resident.
func (p *program) memory() int64 { return 1024 * p.told("VmRSS") }

// told returns a number that the kernel tells of the program.
func (p *program) told(name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	_, rest, _ := strings.Cut(string(text), name+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		p.t.Errorf("the kernel tells nothing of %s", name)
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		p.t.Error(err)
	}
	return n
}

// metricsIn returns metrics by their names and labels.
func metricsIn(text string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(line, ' ')
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64); err == nil && line[0] != '#' {
			values[line[:at]] = value
		}
	}
	return values
}
