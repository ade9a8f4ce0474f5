package main

import (
	"fmt"
	"math"
	"runtime/debug"

	"github.com/cyverse-gis/eemt/functions/compute"
)

const leastMemory = 256 // MiB

// usualMemory is what GOMEMLIMIT says, or else the default, in MiB.
func usualMemory() int {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return max(leastMemory, int(limit>>20))
	}
	return compute.DefaultMemory >> 20
}

// costOf fits work to so many MiB and cores, and holds the runtime to them.
func costOf(memory, cores int) (compute.Cost, error) {
	if memory < leastMemory || memory > 1<<20 {
		return compute.Cost{}, fmt.Errorf("memory %d: must be %d to %d MiB", memory, leastMemory, 1<<20)
	}
	bytes := int64(memory) << 20
	debug.SetMemoryLimit(bytes * 9 / 10)
	return compute.Cost{Memory: bytes, Cores: cores}, nil
}
