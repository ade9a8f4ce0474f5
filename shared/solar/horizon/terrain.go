// Package horizon finds how high the terrain stands around every cell of an elevation grid.
package horizon

import (
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// EarthRadius is the mean radius of the Earth in metres: distant terrain sinks
// below the tangent plane by R(1 - cos(L/R)), here L²/2R.
const EarthRadius = 6371000.0

// Terrain near a cell is compared with rays from the cell itself. Terrain farther away is
// taken from the hulls of the sweep lines beside the cell.
const (
	near      = 24 // lines of cells at which rays are compared with the surface between cells
	nearHalf  = 4  // of these, for how many the place half a line nearer is sampled too
	nearCells = 56 // lines of cells within which rays are compared with the nearest cells, where the ground is rough
)

// hole is the elevation given to cells without data: no obstacle, at any weight.
const hole = -1e7

// noData is the elevation below which a cell, or a mix of cells, has no data.
const noData = -1e5

// Terrain is an elevation grid made ready for sweeps: a copy with a margin of
// holes, once by rows and once by columns, so that every sweep reads memory in order.
type Terrain struct {
	width, height        int
	originCol, originRow int
	byRow, byCol         []float32
	// How far the ground around a cell is rough, 0 to 255, in the same places.
	roughByRow, roughByCol []uint8
}

const margin = nearCells + 8 // samples of vectors of sixteen cells that reach beyond the terrain stay within the copy

// NewTerrain copies a grid of elevations in metres, NaN where there is no data,
// with cells of the given sizes. Sweeps are for cells of core. The origin is the
// place of its upper-left cell in the whole raster, to which sweep lines are anchored.
func NewTerrain(dem *raster.Grid[float64], core raster.Window, size raster.CellSize, originCol, originRow int) *Terrain {
	t := &Terrain{width: dem.Width, height: dem.Height, originCol: originCol, originRow: originRow}
	w, h := t.width+2*margin, t.height+2*margin
	t.byRow = make([]float32, w*h)
	for i := range t.byRow {
		t.byRow[i] = hole
	}
	for r := range dem.Height {
		row := t.byRow[(r+margin)*w+margin:]
		for c, z := range dem.Row(r) {
			if z > noData && z < -noData {
				row[c] = float32(z)
			}
		}
	}
	t.roughByRow = make([]uint8, w*h)
	t.findRough(core, size)
	t.byCol, t.roughByCol = transpose(t.byRow, w, h), transpose(t.roughByRow, w, h)
	return t
}

func transpose[T any](cells []T, w, h int) []T {
	out := make([]T, w*h)
	const tile = 32
	for r0 := 0; r0 < h; r0 += tile {
		for c0 := 0; c0 < w; c0 += tile {
			for r := r0; r < min(r0+tile, h); r++ {
				for c := c0; c < min(c0+tile, w); c++ {
					out[c*h+r] = cells[r*w+c]
				}
			}
		}
	}
	return out
}

// Code is the tangent of a horizon's altitude in 16 bits: 0 to 64 within 1.3e-4
// relative or 1.3e-7, whichever is more. Horizons below 0 count as 0.
type Code uint16

const (
	codeFloor = 1.0 / 1024
	codeBase  = 117 << 23 // bits of codeFloor as float32
	codeShift = 11
)

func encode(tangent float32) Code {
	if !(tangent > 0) {
		return 0
	}
	v := math.Float32bits(tangent+codeFloor) - codeBase + 1<<(codeShift-1)
	return Code(min(v>>codeShift, 65535))
}

// Tangent unpacks the tangent of an altitude.
func (c Code) Tangent() float32 {
	return math.Float32frombits(uint32(c)<<codeShift+codeBase) - codeFloor
}
