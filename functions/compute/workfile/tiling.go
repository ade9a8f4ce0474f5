package workfile

import (
	"cmp"
	"math"

	"github.com/cyverse-gis/eemt/functions/compute/record"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/raster"
)

// Reach says how tiles see the terrain around them. The zero value stands for
// the defaults.
type Reach struct {
	// Whole is the most cells of a DEM that every tile reads whole (8 Mi).
	Whole int
	// Of larger DEMs a tile reads the block it lies in, a square of Block cells a
	// side (640), Near cells around it (512), and beyond them rings of coarse
	// cells, of Factor cells a side in the first (2).
	Block, Near, Factor int
}

// OrDefault returns r with defaults in the place of zeros.
func (r Reach) OrDefault() Reach {
	d := Reach{Whole: 8 << 20, Block: 640, Near: 512, Factor: 2}
	return Reach{
		Whole: cmp.Or(r.Whole, d.Whole), Block: cmp.Or(r.Block, d.Block),
		Near: cmp.Or(r.Near, d.Near), Factor: cmp.Or(r.Factor, d.Factor),
	}
}

// Far plans the rings of a DEM; nil where tiles read it whole.
func (r Reach) Far(width, height int) *record.Far {
	if width*height <= r.Whole || r.Near >= max(width, height) {
		return nil
	}
	f := &record.Far{Block: r.Block}
	factor := r.Factor
	for inner := r.Near; inner < max(width, height); inner *= 2 {
		f.Factors = append(f.Factors, factor)
		factor *= 2
	}
	return f
}

// MostTiles bounds the tiles of a job, each of which is a record in the bucket.
const MostTiles = 1 << 16

// Cut covers width x height cells with tiles of at most side x side, row by row.
// Each lies within a block of block cells a side, or is of whole blocks; 0 stands
// for no blocks.
func Cut(width, height, side, block int) []record.Tile {
	rows, cols := cuts(width, height, side, block)
	var tiles []record.Tile
	for r := range len(rows) - 1 {
		for c := range len(cols) - 1 {
			tiles = append(tiles, record.Tile{
				Task:   job.TaskName(r, c),
				Window: raster.Window{Col: cols[c], Row: rows[r], Width: cols[c+1] - cols[c], Height: rows[r+1] - rows[r]},
			})
		}
	}
	return tiles
}

// cuts lists where the rows and columns of tiles begin, and their ends.
func cuts(width, height, side, block int) (rows, cols []int) {
	if block == 0 || side%block == 0 {
		block = max(width, height)
	}
	return borders(height, side, block), borders(width, side, block)
}

// CountTiles is how many tiles cut returns, without the room for millions of them.
func CountTiles(width, height, side, block int) int {
	rows, cols := cuts(width, height, side, block)
	return (len(rows) - 1) * (len(cols) - 1)
}

// LeastSide is the shortest side of tiles of which there are not more than mostTiles.
func LeastSide(width, height, block int) int {
	side := int(math.Ceil(math.Sqrt(float64(width) * float64(height) / MostTiles)))
	for CountTiles(width, height, side, block) > MostTiles {
		side++
	}
	return side
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

// Parts cuts a tile into parts of at most side x side cells, none of which
// crosses the border of two blocks. Parts begin at multiples of workBlock from
// the tile's corner or that of a block.
func Parts(plan *record.Plan, tile raster.Window, side int) []raster.Window {
	block := max(plan.Width, plan.Height)
	if plan.Far != nil {
		block = plan.Far.Block
	}
	rows := partBorders(tile.Row, tile.Height, side, block)
	cols := partBorders(tile.Col, tile.Width, side, block)
	var parts []raster.Window
	for r := range len(rows) - 1 {
		for c := range len(cols) - 1 {
			parts = append(parts, raster.Window{Col: cols[c], Row: rows[r], Width: cols[c+1] - cols[c], Height: rows[r+1] - rows[r]})
		}
	}
	return parts
}

// partBorders lists where parts begin along an axis of a tile, and its end. Parts
// of a block are about equally long.
func partBorders(begin, size, side, block int) []int {
	var at []int
	for from := begin; from < begin+size; {
		to := min(begin+size, (from/block+1)*block)
		n := (to - from + side - 1) / side
		step := ((to-from+n-1)/n + Block - 1) / Block * Block
		if step > side { // a side that is no multiple of workBlock
			step = side
		}
		for ; from < to; from += step {
			at = append(at, from)
		}
		from = to
	}
	return append(at, begin+size)
}
