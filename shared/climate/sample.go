package climate

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// stencil is a bilinear interpolation: up to four cells of a grid (indices into
// its window, row-major) with weights that add up to 1. A weight is 0 where
// there is no neighbour.
type stencil struct {
	cell   [4]int
	weight [4]float64
}

// leastWeight is what rounding of coordinates may give a neighbour of a place
// that lies on a cell's centre. It counts as none.
const leastWeight = 1e-9

// none is the stencil of a place without data.
func (s stencil) none() bool { return s.weight == [4]float64{} }

// of returns the interpolated value, NaN for the empty stencil.
func (s stencil) of(values []float64) float64 {
	if s.none() {
		return math.NaN()
	}
	var sum float64
	for i, w := range s.weight {
		if w != 0 {
			sum += w * values[s.cell[i]]
		}
	}
	return sum
}

// bilinear returns the stencil of the fractional position col, row of a grid
// (cell centres at halves) within the window w of a grid of width x height.
// Neighbours that are not valid (indexed within w) are left out and the others'
// weights scaled to 1. A place outside the grid has no stencil, nor has one
// whose neighbours are all missing.
func bilinear(col, row float64, width, height int, w raster.Window, valid []bool) stencil {
	// Written so that NaN is outside.
	if !(col >= 0 && col <= float64(width) && row >= 0 && row <= float64(height)) {
		return stencil{}
	}
	c0, r0 := math.Floor(col-0.5), math.Floor(row-0.5)
	fc, fr := col-0.5-c0, row-0.5-r0
	full := [4]float64{(1 - fc) * (1 - fr), fc * (1 - fr), (1 - fc) * fr, fc * fr}
	var s stencil
	var sum float64
	for i, weight := range full {
		c, r := int(c0)+i%2-w.Col, int(r0)+i/2-w.Row
		if weight < leastWeight || c < 0 || c >= w.Width || r < 0 || r >= w.Height || !valid[r*w.Width+c] {
			continue
		}
		s.cell[i], s.weight[i] = r*w.Width+c, weight
		sum += weight
	}
	if sum == 0 {
		return stencil{}
	}
	for i := range s.weight {
		s.weight[i] /= sum
	}
	return s
}

// cover gathers the cells around positions on a grid.
type cover struct {
	c0, r0, c1, r1 int // cells, last one included
	any            bool
}

// add takes in the neighbours of a position, if it lies within the grid.
func (b *cover) add(col, row float64, width, height int) {
	if !(col >= 0 && col <= float64(width) && row >= 0 && row <= float64(height)) {
		return
	}
	c, r := int(math.Floor(col-0.5)), int(math.Floor(row-0.5))
	if !b.any {
		*b = cover{c, r, c + 1, r + 1, true}
		return
	}
	b.c0, b.r0 = min(b.c0, c), min(b.r0, r)
	b.c1, b.r1 = max(b.c1, c+1), max(b.r1, r+1)
}

// window returns the part of the grid that holds all neighbours.
func (b *cover) window(width, height int) raster.Window {
	w := raster.Window{Col: b.c0, Row: b.r0, Width: b.c1 - b.c0 + 1, Height: b.r1 - b.r0 + 1}
	return w.Intersect(raster.Window{Width: width, Height: height})
}
