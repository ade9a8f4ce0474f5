package cost

import (
	"cmp"
	"math"
)

// DrainageSide is the side of the tiles water is followed over, so that what is
// held of them takes no more than a quarter of the memory.
func DrainageSide(memory int64) int {
	const bytesPerCell, least, most = 4 * 25, 128, 1024
	side := int(math.Sqrt(float64((cmp.Or(memory, DefaultMemory)-StartMemory)/4) / bytesPerCell))
	return min(max(side/64*64, least), most)
}

// DrainageThreads is how many windows the plan, or a task, works on at a time, with so many threads.
func DrainageThreads(threads int) int { return min(max(threads, 1), 4) }
