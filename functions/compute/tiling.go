package compute

import (
	"cmp"
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

// Reach says how tiles see the terrain around them. The zero value stands for
// the defaults.
type Reach struct {
	// Whole is the most cells of a DEM that every tile reads whole (8 Mi).
	Whole int
	// Of larger DEMs a tile reads the block it lies in, a square of Block cells a
	// side (640), Near cells around it (1024), and beyond them rings of coarse
	// cells, of Factor cells a side in the first (4).
	Block, Near, Factor int
}

func (r Reach) orDefault() Reach {
	d := Reach{Whole: 8 << 20, Block: 640, Near: 1024, Factor: 4}
	return Reach{
		Whole: cmp.Or(r.Whole, d.Whole), Block: cmp.Or(r.Block, d.Block),
		Near: cmp.Or(r.Near, d.Near), Factor: cmp.Or(r.Factor, d.Factor),
	}
}

// far plans the rings of a DEM; nil where tiles read it whole.
func (r Reach) far(width, height int) *job.Far {
	if width*height <= r.Whole || r.Near >= max(width, height) {
		return nil
	}
	f := &job.Far{Block: r.Block}
	factor := r.Factor
	for inner := r.Near; inner < max(width, height); inner *= 2 {
		f.Factors = append(f.Factors, factor)
		factor *= 2
	}
	return f
}

// cut covers width x height cells with tiles of at most side x side, row by row,
// none of which crosses the border of two blocks of block cells a side.
func cut(width, height, side, block int) []job.Tile {
	rows, cols := borders(height, side, block), borders(width, side, block)
	var tiles []job.Tile
	for r := range len(rows) - 1 {
		for c := range len(cols) - 1 {
			tiles = append(tiles, job.Tile{
				Task:   job.TaskName(r, c),
				Window: raster.Window{Col: cols[c], Row: rows[r], Width: cols[c+1] - cols[c], Height: rows[r+1] - rows[r]},
			})
		}
	}
	return tiles
}

// borders lists where tiles begin along an axis, and its end.
func borders(size, side, block int) []int {
	var at []int
	for b := 0; b < size; b += block {
		for o := 0; o < block && b+o < size; o += side {
			at = append(at, b+o)
		}
	}
	return append(at, size)
}
