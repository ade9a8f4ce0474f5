// Package terrain derives slope, drainage, wetness from a digital elevation model.
//
// R15 is Rasmussen et al. 2015, Vadose Zone Journal, doi:10.2136/vzj2014.07.0102.
package terrain

import (
	"fmt"
	"math"

	"github.com/cyverse-gis/eemt/shared/raster"
)

// Edges says what slope and aspect do where a neighbour is missing: outside
// the grid or without data.
type Edges int

const (
	// EdgesNoData gives NaN to every cell that misses a neighbour.
	EdgesNoData Edges = iota
	// EdgesReplicate puts the elevation of the cell itself in place of each
	// missing neighbour, as r.slope.aspect -e does.
	EdgesReplicate
)

// SlopeAspect returns slope (0 to pi/2) and aspect of every cell, in radians,
// from elevations in metres (Horn 1981). Aspect is the direction faced
// downslope, clockwise from grid north, in [0, 2 pi). On flat ground slope is
// 0 and aspect NaN. Both are NaN where the cell itself has no finite elevation
// and, with EdgesNoData, where any of its eight neighbours has none.
//
// Both grids hold float64: aspect in float32 would cost the solar model one of
// its six digits.
func SlopeAspect(dem *raster.Grid[float64], cell raster.CellSize, edges Edges) (slope, aspect *raster.Grid[float64]) {
	return SlopeAspectWindow(dem, cell, dem.Bounds(), edges)
}

// SlopeAspectWindow is SlopeAspect for the cells of window alone, which must lie
// inside dem. A tile that carries at least one cell of halo on its inner sides
// gets the numbers of the whole grid. cell has one entry per row of dem.
func SlopeAspectWindow(dem *raster.Grid[float64], cell raster.CellSize, window raster.Window, edges Edges) (slope, aspect *raster.Grid[float64]) {
	if !dem.Bounds().Contains(window) {
		panic(fmt.Sprintf("terrain: window %v outside a grid of %d x %d cells", window, dem.Width, dem.Height))
	}
	mustMatch(dem, cell)
	slope = raster.New[float64](window.Width, window.Height)
	aspect = raster.New[float64](window.Width, window.Height)
	none := make([]float64, dem.Width)
	for i := range none {
		none[i] = math.NaN()
	}
	row := func(r int) []float64 {
		if r < 0 || r >= dem.Height {
			return none
		}
		return dem.Row(r)
	}
	for r := range window.Height {
		y := window.Row + r
		hornRow(row(y-1), row(y), row(y+1), cell.DX[y], cell.DY[y], window.Col, edges, slope.Row(r), aspect.Row(r))
	}
	return slope, aspect
}

// hornRow fills slope and aspect from column first on.
func hornRow(north, here, south []float64, dx, dy float64, first int, edges Edges, slope, aspect []float64) {
	kx, ky := 1/(8*dx), 1/(8*dy)
	last := len(here) - 1
	for i := range slope {
		x := first + i
		slope[i], aspect[i] = math.NaN(), math.NaN()
		e := here[x]
		if !raster.Finite(e) {
			continue
		}
		a, b, c, d, f, g, h, k := math.NaN(), north[x], math.NaN(), math.NaN(), math.NaN(), math.NaN(), south[x], math.NaN()
		if x > 0 {
			a, d, g = north[x-1], here[x-1], south[x-1]
		}
		if x < last {
			c, f, k = north[x+1], here[x+1], south[x+1]
		}
		if !raster.Finite(a + b + c + d + f + g + h + k) {
			if edges != EdgesReplicate {
				continue
			}
			for _, v := range []*float64{&a, &b, &c, &d, &f, &g, &h, &k} {
				if !raster.Finite(*v) {
					*v = e
				}
			}
		}
		p := ((c + 2*f + k) - (a + 2*d + g)) * kx // rise towards the east
		q := ((a + 2*b + c) - (g + 2*h + k)) * ky // rise towards the north
		slope[i] = math.Atan(math.Sqrt(p*p + q*q))
		if p != 0 || q != 0 {
			aspect[i] = downslope(p, q)
		}
	}
}

// downslope is the azimuth of steepest descent, in [0, 2 pi).
func downslope(p, q float64) float64 {
	a := math.Atan2(-p, -q)
	if a < 0 {
		a += 2 * math.Pi
	}
	if a >= 2*math.Pi || a == 0 { // a tiny negative angle rounds up to a full turn; -0 becomes 0
		return 0
	}
	return a
}

// Northness returns cos(aspect) sin(slope), from -1 (south cliff) to 1 (north
// cliff), 0 on flat ground where aspect is NaN (R15, p. 8). NaN slope gives NaN.
func Northness(slope, aspect float64) float64 {
	if slope == 0 {
		return 0
	}
	return math.Cos(aspect) * math.Sin(slope)
}

func mustMatch(g *raster.Grid[float64], cell raster.CellSize) {
	if len(cell.DX) != g.Height || len(cell.DY) != g.Height {
		panic(fmt.Sprintf("terrain: cell sizes for %d and %d rows, grid of %d rows", len(cell.DX), len(cell.DY), g.Height))
	}
}
