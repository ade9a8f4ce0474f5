package compute

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

const (
	// tileMemory is what the results of one tile may take, in bytes; the process
	// takes about four times that.
	tileMemory = 160 << 20
	// largestTile keeps a tile to some ten seconds of work.
	largestTile = 768
	// haloCells is the largest DEM window a tile reads for its shadows.
	haloCells = 32 << 20
)

// tileSide chooses the side of a tile, in cells, so that its monthly results
// stay within tileMemory.
func tileSide(w job.Workflow) int {
	layers := 40 // radiation, flat radiation and hours of 12 months, slope, aspect, horizons
	if w == job.EEMT {
		layers += 52 // two energies of two variants of 12 months, wetness, climate
	}
	side := int(math.Sqrt(tileMemory / float64(layers*4)))
	return min(largestTile, side/64*64)
}

// cut covers width x height cells with tiles of at most side x side, row by row.
func cut(width, height, side int) []job.Tile {
	var tiles []job.Tile
	for r := 0; r*side < height; r++ {
		for c := 0; c*side < width; c++ {
			w := raster.Window{Col: c * side, Row: r * side, Width: side, Height: side}
			tiles = append(tiles, job.Tile{
				Task:   job.TaskName(r, c),
				Window: w.Intersect(raster.Window{Width: width, Height: height}),
			})
		}
	}
	return tiles
}

// halo is how far around a tile terrain may cast shadows into it: the whole
// DEM where that fits in memory.
func halo(width, height int) int {
	if width*height <= haloCells {
		return max(width, height)
	}
	return int(math.Sqrt(haloCells))/2 - 512
}
