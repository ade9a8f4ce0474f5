package compute

import (
	"cmp"
	"math"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/survey"
)

// What a job takes was measured on a million cells of mountains with two cores
// (docs/performance.md); it is good to a factor of two on other terrain.
const (
	measuredCores = 2
	// Seconds per cell: of terrain, maps, pictures; per look at the sun in an hour;
	// and of each climate year.
	secondsPerCell     = 7.6e-6
	secondsPerLook     = 1.6e-6
	secondsPerYear     = 9.5e-6
	dailySecondsPerMap = 1e-7
	// bytesPerCell of a compressed map.
	bytesPerCell = 3.2
	// startMemory is what the process takes without any cell.
	startMemory = 48 << 20
)

// Estimate tells what a job on a DEM of width x height cells takes.
func Estimate(w job.Workflow, p job.Parameters, width, height int) survey.Work {
	side := p.TileSize
	if side == 0 {
		side = tileSide(w)
	}
	cells := float64(width) * float64(height)
	maps, layers := 82.0, 40.0
	seconds := secondsPerCell + secondsPerLook*60/p.Step
	if w == job.EEMT {
		years := float64(len(p.Years()))
		maps += 2 + 104*years
		layers += 52
		seconds += secondsPerYear * years
	}
	if p.Daily {
		maps += 3 * 365
		layers += 3 * 365
		seconds += dailySecondsPerMap * 3 * 365
	}
	tile := math.Min(cells, float64(side)*float64(side))
	// Of a large DEM a tile sees its surroundings in part.
	reach := Reach{}.orDefault()
	block := max(width, height)
	if far := reach.far(width, height); far != nil {
		block = far.Block
	}
	memory := startMemory + 4*4*layers*tile + 8*3*math.Min(cells, float64(reach.Whole))
	if w == job.EEMT {
		memory = math.Max(memory, startMemory+70*cells) // the pass over the whole terrain
	}
	return survey.Work{
		Tiles: len(cut(width, height, side, block)), Seconds: math.Ceil(seconds * cells), Cores: measuredCores,
		Memory: int64(memory), Results: int64(bytesPerCell * maps * cells),
	}
}

// DefaultMemory is what a process may take where nothing is said of it: 1 GiB.
const DefaultMemory = 1 << 30

const (
	// mapHeld is how many compressed bytes of a map stay in memory.
	mapHeld = 4 << 20
	// mapsAtOnce is the most maps of one pass over the tiles: more hardly save anything.
	mapsAtOnce = 16
)

// assemblyShape tells how many passes over the tiles may go on at a time, with
// how many maps each. One product, which has up to four maps, is always possible.
func assemblyShape(memory int64, threads, width, height, block int) (workers, maps int) {
	// Of the overviews one block each is open: sums and counts. Then there is the
	// block at hand, as values, as samples and compressed.
	cells := int64(min(block, width)) * int64(min(block, height))
	one := mapHeld + (8+4+4)*cells
	for side := max(width, height); side > block; side = (side + 1) / 2 {
		one += 12 * cells
	}
	// Strips of 24 inputs, of which the year of an energy is made, and open files.
	pass := 24*8*workBlock*int64(min(block, width)) + filesOpen*fileCache
	// Garbage and buffers between readers, compressors and bucket take as much again
	// as what is in use; half of the rest is left to the system's own cache of files.
	free := (cmp.Or(memory, DefaultMemory) - startMemory) / 4
	for workers = max(1, threads); ; workers-- {
		maps = int((free/int64(workers) - pass) / one)
		if maps >= 4 || workers == 1 {
			return workers, min(max(maps, 4), mapsAtOnce)
		}
	}
}

// drainageSide is the side of the tiles water is followed over, so that what is
// held of them takes no more than a quarter of the memory.
func drainageSide(memory int64) int {
	const bytesPerCell, least, most = 4 * 25, 128, 1024
	side := int(math.Sqrt(float64((cmp.Or(memory, DefaultMemory)-startMemory)/4) / bytesPerCell))
	return min(max(side/64*64, least), most)
}
