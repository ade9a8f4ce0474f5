package horizon

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Between the centres of cells elevation is unknown. Where the ground is smooth, horizons use a
// surface interpolated between the centres. Where elevations jump from cell to cell, as over
// trees, that surface is too low beside each top. There horizons use the nearest cell with
// the elevation of its centre over its whole width, as r.sun does.
//
// The measure is the mean bend around a cell: by how much slope changes from one
// pair of neighbours to the next, halved. Below smoothBend horizons are those of the surface,
// above roughBend those of the nearest cells, and in between both are mixed in proportion.
// Fractal mountains have 0.01 to 0.05, real ones at 90 m mostly less than 0.1, forest
// by laser at 10 m mostly more than 0.2.
const (
	smoothBend = 0.1
	roughBend  = 0.15
)

const (
	roughReach = 3    // cells to each side that the mean is taken over
	bendUnit   = 4096 // bends are whole numbers of 1/bendUnit, so that sums do not depend on where a tile begins
	mostBend   = bendUnit
)

// findRough fills in roughByRow for the cells of core.
func (t *Terrain) findRough(core raster.Window, size raster.CellSize) {
	w := t.width + 2*margin
	const window = 2*roughReach + 1
	// Sums by column over the rows of the window, of bends and of how many there are.
	sums, counts := make([]int32, w), make([]int32, w)
	var rows [window]struct{ bends []int32 }
	for i := range rows {
		rows[i].bends = make([]int32, w)
	}
	add := func(bends []int32, sign int32) {
		for c, b := range bends {
			if b >= 0 {
				sums[c] += sign * b
				counts[c] += sign
			}
		}
	}
	for i := range rows {
		for c := range rows[i].bends {
			rows[i].bends[c] = -1
		}
	}
	first, end := max(0, core.Row-roughReach), core.Row+core.Height
	for r := first; r < end+roughReach; r++ {
		slot := rows[r%window].bends
		add(slot, -1)
		if r < t.height {
			t.bends(slot, r, core, size)
		} else {
			for c := range slot {
				slot[c] = -1
			}
		}
		add(slot, 1)
		to := r - roughReach
		if to < core.Row {
			continue
		}
		out := t.roughByRow[(to+margin)*w:]
		var sum, count int32
		left := margin + core.Col
		for c := left - roughReach; c < left+core.Width+roughReach; c++ {
			sum, count = sum+sums[c], count+counts[c]
			if at := c - roughReach; at >= left {
				out[at] = share(sum, count)
				sum, count = sum-sums[at-roughReach], count-counts[at-roughReach]
			}
		}
	}
}

// share turns a mean bend into how far the ground is rough.
func share(sum, count int32) uint8 {
	if count == 0 {
		return 0
	}
	mean := float64(sum) / float64(count) / bendUnit
	return uint8(255*max(0, min(1, (mean-smoothBend)/(roughBend-smoothBend))) + 0.5)
}

// bends finds the bend of each cell of row r in and beside the columns of core, -1 where a cell has none: the mean of
// that along the row and that along the column, as far as there are neighbours.
func (t *Terrain) bends(out []int32, r int, core raster.Window, size raster.CellSize) {
	w := t.width + 2*margin
	here := t.byRow[(r+margin)*w:][:w]
	north, south := t.byRow[(r+margin-1)*w:][:w], t.byRow[(r+margin+1)*w:][:w]
	ew, ns := float32(bendUnit/2/size.DX[r]), float32(bendUnit/2/size.DY[r])
	from, to := max(0, core.Col-roughReach), min(t.width, core.Col+core.Width+roughReach)
	for c := margin + from; c < margin+to; c++ {
		out[c] = -1
		z := here[c]
		if z < noData {
			continue
		}
		bend, n := float32(0), float32(0)
		if a, b := here[c-1], here[c+1]; min(a, b) > noData {
			bend, n = bend+abs(a-z+(b-z))*ew, n+1
		}
		if a, b := north[c], south[c]; min(a, b) > noData {
			bend, n = bend+abs(a-z+(b-z))*ns, n+1
		}
		if n > 0 {
			out[c] = int32(min(bend/n, mostBend))
		}
	}
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }
