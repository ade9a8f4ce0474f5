package assembly

import (
	"cmp"

	"github.com/cyverse-gis/eemt/functions/compute/arithmetic"
	"github.com/cyverse-gis/eemt/functions/compute/cost"
	"github.com/cyverse-gis/eemt/functions/compute/replica"
	"github.com/cyverse-gis/eemt/functions/compute/workfile"
)

// shape says how maps are made: how many groups at a time, how many threads work on a group, how many maps a pass over the
// tiles makes.
type shape struct{ groups, threads, maps int }

// shapeOf returns the shape for maps of width x height cells in blocks of block cells, with memory bytes and threads
// threads. A pass makes four maps at least: one formula has up to four.
func shapeOf(memory int64, threads, width, height, block int) shape {
	cells := int64(min(block, width)) * int64(min(block, height))
	blocks := ((width + block - 1) / block) * ((height + block - 1) / block)
	// Strips of 24 inputs, of which the year of an energy is made.
	worker := 24 * 8 * workfile.Block * int64(min(block, width))
	// Garbage and buffers between readers, compressors and bucket take as much again
	// as what is in use; half of the rest is left to the system's own cache of files.
	free := (cmp.Or(memory, cost.DefaultMemory) - cost.StartMemory) / 4
	for n := max(1, threads); ; n-- {
		s := shape{threads: min(n, blocks)}
		s.groups = n / s.threads
		// Each thread has a block at hand, as values, as samples and compressed, and may
		// have one of each overview open: sums and counts.
		// What is held of a map stays while it is stored.
		one := 2*min(replica.Held, 6*int64(width)*int64(height)) + int64(s.threads)*(8+4+4)*cells
		for n := (blocks + 3) / 4; ; n = (n + 3) / 4 {
			one += int64(min(n, s.threads)) * 12 * cells
			if n == 1 {
				break
			}
		}
		s.maps = int((free/int64(s.groups) - filesCache - int64(s.threads)*worker) / one)
		if s.maps >= 4 || n == 1 {
			s.maps = min(max(s.maps, 4), arithmetic.MapsAtOnce)
			return s
		}
	}
}
