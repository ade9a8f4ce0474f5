package planning

import (
	"testing"
)

// TestStripsAreWholeBlocks: the plan decodes each block of the DEM once, within its memory.
func TestStripsAreWholeBlocks(t *testing.T) {
	for _, c := range []struct {
		width, block int
		memory       int64
		want         int
	}{
		{100, 1, 1 << 30, 41943},
		{1000, 256, 1 << 30, 4096},
		{9000, 256, 1 << 30, 256},
		{20000, 512, 1 << 30, 512},
		{50000, 1, 1 << 30, 83},
		{50000, 16, 1 << 30, 80},
		{50000, 512, 1 << 30, 512},
		{65536, 512, 1 << 30, 512},
		{65536, 512, 256 << 20, 128},
		{65536, 1024, 1 << 30, 512},
		{50000, 50000, 1 << 30, 625},
		{65536, 65521, 64 << 20, 64}, // a prime
	} {
		if got := stripRows(c.width, c.block, c.memory); got != c.want {
			t.Errorf("%d cells wide in blocks of %d rows, %d MiB: %d rows, want %d", c.width, c.block, c.memory>>20, got, c.want)
		}
	}
}
